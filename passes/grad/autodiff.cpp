// gpt-autodiff: see passes/Passes.td. The derivatives themselves are models of
// VjpOpInterface and ScalarVjpOpInterface (vjp.h).
#include "passes/grad/differentiate.h"
#include "passes/grad/program.h"
#include "passes/grad/recompute.h"
#include "passes/grad/tensors.h"
#include "passes/grad/vjp.h"
#include "passes/passes.h"

namespace gptc {
#define GEN_PASS_DEF_AUTODIFFPASS
#include "passes/Passes.h.inc"

namespace {
using namespace mlir;
using namespace grad;

/// One gpt.get a variable, first in @main, so that a variable's cotangents meet
/// in one value and no body of a repeat reads variables by itself.
llvm::MapVector<StringAttr, Value> gatherGets(func::FuncOp main) {
  SmallVector<gpt::GetOp> gets;
  main.walk([&](gpt::GetOp get) { gets.push_back(get); });
  llvm::MapVector<StringAttr, Value> values;
  Operation *last = nullptr;
  for (gpt::GetOp get : gets) {
    Value &value = values[get.getVariableAttr().getAttr()];
    if (value) {
      get.replaceAllUsesWith(value);
      get.erase();
      continue;
    }
    value = get;
    if (last)
      get->moveAfter(last);
    else
      get->moveBefore(&main.front(), main.front().begin());
    last = get;
  }
  return values;
}

struct AutodiffPass : impl::AutodiffPassBase<AutodiffPass> {
  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<arith::ArithDialect, math::MathDialect, gpt::GptDialect>();
    registerVjpModels(registry);
  }

  void runOnOperation() override {
    func::FuncOp main = findMain(getOperation());
    if (!main || failed(run(main)))
      signalPassFailure();
  }

  LogicalResult run(func::FuncOp main) {
    std::optional<unsigned> objective = findOutput(main, "loss");
    if (!objective)
      return main.emitError() << "@main has no result with gpt.output = \"loss\" to differentiate";
    Operation *end = main.front().getTerminator();
    Value loss = end->getOperand(*objective);
    if (!isFloatTensor(loss.getType()) || cast<RankedTensorType>(loss.getType()).getRank() != 0)
      return main.emitError() << "the objective is one float number, but the loss is " << loss.getType();

    llvm::MapVector<StringAttr, Value> variables = gatherGets(main);
    OpBuilder builder(end);
    Cotangents cotangents;
    Value seed = splat(builder, loss.getLoc(), cast<RankedTensorType>(loss.getType()), 1);
    cotangents.add(loss, seed);
    if (failed(differentiate(main.front(), builder, cotangents)))
      return failure();

    SmallVector<Value> results(end->getOperands());
    SmallVector<DictionaryAttr> attributes;
    for (unsigned i = 0; i < results.size(); ++i)
      attributes.push_back(resultAttributes(main, i));
    for (auto variable : getOperation().getOps<gpt::VariableOp>()) {
      if (!variable.getParameter() || !isFloatTensor(variable.getType()))
        continue;
      Value value = variables.lookup(variable.getSymNameAttr()), gradient;
      if (value)
        gradient = cotangents.take(builder, value);
      if (!gradient)
        gradient = splat(builder, variable.getLoc(), variable.getTensorType(), 0);
      results.push_back(gradient);
      NamedAttribute name(builder.getStringAttr(gradientAttr),
                          FlatSymbolRefAttr::get(variable.getSymNameAttr()));
      attributes.push_back(builder.getDictionaryAttr(name));
    }
    setResults(main, results, attributes);
    recomputeMatrices(seed.getDefiningOp());
    cleanUp(main);
    return success();
  }
};

} // namespace
} // namespace gptc
