#include "unit/grad/check_gradients.h"

#include "passes/passes.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/ADT/StringExtras.h"
#include <gtest/gtest.h>

using namespace mlir;
using gptc::gpt::Interpreter;
using gptc::gpt::Tensor;

namespace gptc::test {
namespace {

/// A fixed sequence of numbers in [0, 1), the same on every machine.
class Numbers {
public:
  double next() {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    return static_cast<double>(state >> 11) / 9007199254740992.0;
  }

private:
  uint64_t state = 20;
};

std::vector<Tensor> evaluate(Interpreter &interpreter, ModuleOp module, const std::vector<Tensor> &inputs) {
  auto main = module.lookupSymbol<func::FuncOp>("main");
  llvm::Expected<std::vector<Tensor>> results = interpreter.run(main, inputs);
  if (!results) {
    ADD_FAILURE() << llvm::toString(results.takeError());
    return {};
  }
  return *results;
}

double norm(const std::vector<double> &values) {
  double sum = 0;
  for (double value : values)
    sum += value * value;
  return std::sqrt(sum);
}

/// The loss is the result called so.
size_t lossOf(ModuleOp module) {
  auto main = module.lookupSymbol<func::FuncOp>("main");
  for (unsigned i = 0; i < main.getNumResults(); ++i)
    if (auto name = main.getResultAttrOfType<StringAttr>(i, "gpt.output"); name && name.getValue() == "loss")
      return i;
  return 0;
}

} // namespace

MLIRContext &testContext() {
  static MLIRContext context = [] {
    DialectRegistry registry;
    registry.insert<gpt::GptDialect, arith::ArithDialect, math::MathDialect, func::FuncDialect>();
    return MLIRContext(registry, MLIRContext::Threading::DISABLED);
  }();
  return context;
}

OwningOpRef<ModuleOp> parse(MLIRContext &context, const std::string &text) {
  ScopedDiagnosticHandler handler(&context, [](Diagnostic &diagnostic) {
    ADD_FAILURE() << diagnostic.str();
    return success();
  });
  auto module = parseSourceString<ModuleOp>(text, ParserConfig(&context));
  if (!module)
    ADD_FAILURE() << "in the program\n" << text;
  return module;
}

bool runPasses(ModuleOp module, std::vector<std::function<std::unique_ptr<Pass>()>> passes) {
  PassManager manager(module.getContext());
  for (auto &create : passes)
    manager.addPass(create());
  return succeeded(manager.run(module));
}

OwningOpRef<ModuleOp> checkGradients(const std::string &text, const GradientCase &options) {
  OwningOpRef<ModuleOp> before = parse(testContext(), text);
  if (!before)
    return {};
  OwningOpRef<ModuleOp> after = before->clone();
  if (!runPasses(*after, {[] { return createAutodiffPass(); }})) {
    ADD_FAILURE() << "gpt-autodiff fails on\n" << text;
    return {};
  }
  std::string printed;
  llvm::raw_string_ostream(printed) << *after;
  SCOPED_TRACE(printed);

  Interpreter interpreter;
  interpreter.extents = options.extents;
  Numbers numbers;
  for (auto variable : before->getOps<gpt::VariableOp>()) {
    Tensor value = Tensor::zeros(variable.getTensorType().getShape());
    for (double &element : value.data)
      element = options.low + (options.high - options.low) * numbers.next();
    auto given = options.variables.find(variable.getSymName().str());
    interpreter.variables[variable.getSymName().str()] =
        given == options.variables.end() ? value : given->second;
  }
  std::vector<Tensor> results = evaluate(interpreter, *before, options.inputs);
  std::vector<Tensor> derived = evaluate(interpreter, *after, options.inputs);
  if (results.empty() || derived.size() < results.size())
    return after;
  for (size_t i = 0; i < results.size(); ++i)
    EXPECT_EQ(results[i].data, derived[i].data) << "result " << i;

  size_t loss = lossOf(*before);
  auto main = after->lookupSymbol<func::FuncOp>("main");
  size_t compared = 0;
  for (size_t i = results.size(); i < derived.size(); ++i) {
    auto name = main.getResultAttrOfType<FlatSymbolRefAttr>(i, "gpt.gradient");
    if (!name) {
      ADD_FAILURE() << "result " << i << " is no gradient";
      continue;
    }
    Tensor &parameter = interpreter.variables[name.getValue().str()];
    std::vector<double> expected, difference;
    for (size_t k = 0; k < parameter.data.size(); ++k) {
      double value = parameter.data[k], h = 1e-5, ends[2];
      for (int side = 0; side < 2; ++side) {
        parameter.data[k] = side ? value + h : value - h;
        std::vector<Tensor> moved = evaluate(interpreter, *before, options.inputs);
        ends[side] = moved.empty() ? NAN : moved[loss].data[0];
      }
      parameter.data[k] = value;
      expected.push_back((ends[1] - ends[0]) / (2 * h));
      difference.push_back(expected.back() - derived[i].data[k]);
    }
    ++compared;
    // Where the gradient is nought, differences are rounding of the loss alone.
    double allowed = std::max(1e-6 * norm(expected), 1e-9);
    EXPECT_LT(norm(difference), allowed)
        << "gradient of " << name.getValue().str() << ", norm " << norm(expected);
  }
  EXPECT_GT(compared, 0u);
  return after;
}

std::string type(const std::string &dims, const std::string &element) {
  std::string shape;
  SmallVector<StringRef> parts;
  StringRef(dims).split(parts, ',', -1, false);
  for (StringRef part : parts)
    shape +=
        (part.contains('=') ? part.split('=').second : part.split("upto ").second.split(' ').first).str() +
        "x";
  return "tensor<" + shape + element + ", #gpt.dims<" + dims + ">>";
}

std::string program(std::vector<std::string> parameters, const std::string &body, const std::string &dims) {
  std::string variables, gets;
  for (const std::string &parameter : parameters) {
    auto [name, rest] = StringRef(parameter).split(':');
    std::string full = type(rest.trim().str());
    variables += "gpt.variable parameter @" + name.str() + " : " + full + " path [\"" + name.str() + "\"]\n";
    gets += "%" + name.str() + " = gpt.get @" + name.str() + " : " + full + "\n";
  }
  // sum of y * sin(1 + 2.3 * place)
  std::string names, weigh = "%one = arith.constant 1.0 : f64\n%step = arith.constant 2.3 : f64\n";
  SmallVector<StringRef> parts;
  StringRef(dims).split(parts, ',', -1, false);
  std::string place = "%one";
  for (auto [i, part] : llvm::enumerate(parts)) {
    std::string n = std::to_string(i);
    names += (i ? ", " : "") + part.trim().take_until([](char c) { return c == '=' || c == ' '; }).str();
    weigh += "%i" + n + " = gpt.index " + n + " : i32\n%f" + n + " = arith.sitofp %i" + n + " : i32 to f64\n";
    weigh += "%m" + n + " = arith.mulf " + place + ", %step : f64\n";
    weigh += "%p" + n + " = arith.addf %m" + n + ", %f" + n + " : f64\n";
    place = "%p" + n;
  }
  weigh += "%sin = math.sin " + place + " : f64\n%term = arith.mulf %e, %sin : f64\n";
  std::string scalar = type("");
  std::string reduce = parts.empty() ? "[]" : "sum [ | " + dims + "]";
  return variables + "func.func @main() -> (" + scalar + " {gpt.output = \"loss\"}) {\n" + gets + body +
         "\n%loss = gpt.generic " + reduce + " inputs(%y[" + names + "] : " + type(dims) + ") -> (" + scalar +
         ") {\n^bb0(%e: f64):\n" + weigh + "gpt.yield %term : f64\n}\nreturn %loss : " + scalar + "\n}\n";
}

std::string generic(const std::string &name, const std::string &space, std::vector<std::string> inputs,
                    const std::string &dims, const std::string &body, std::vector<std::string> indices) {
  std::string operands, arguments;
  auto add = [&](const std::string &keyword, const std::vector<std::string> &list, char first,
                 const std::string &element) {
    if (list.empty())
      return;
    operands += " " + keyword + "(";
    for (size_t i = 0; i < list.size(); ++i) {
      size_t colon = list[i].rfind(" : ");
      std::string own = colon == std::string::npos ? list[i] : list[i].substr(0, colon);
      std::string ownDims = colon == std::string::npos ? "" : list[i].substr(colon + 3);
      operands += (i ? ", %" : "%") + own + " : " + type(ownDims, element);
      arguments += (arguments.empty() ? "%" : ", %") + std::string(1, first + i) + ": " + element;
    }
    operands += ")";
  };
  add("indices", indices, 'p', "i32");
  add("inputs", inputs, 'a', "f64");
  return "%" + name + " = gpt.generic " + space + operands + " -> (" + type(dims) + ") {\n^bb0(" + arguments +
         "):\n" + body + "\ngpt.yield %r : f64\n}\n";
}

} // namespace gptc::test
