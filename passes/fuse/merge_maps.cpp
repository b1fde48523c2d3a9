#include "passes/fuse/merge_maps.h"

#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/SmallPtrSet.h"

using namespace mlir;
using namespace gptc::gpt;

namespace gptc::fuse {
namespace {

/// Operands without repeats, each with its map.
struct OperandList {
  SmallVector<Value> values;
  SmallVector<AffineMap> maps;

  unsigned add(Value value, AffineMap map) {
    for (unsigned i = 0; i < values.size(); ++i)
      if (values[i] == value && maps[i].getResults() == map.getResults())
        return i;
    values.push_back(value);
    maps.push_back(map);
    return values.size() - 1;
  }
};

} // namespace

GenericOp mergeMaps(OpBuilder &builder, SmallVector<GenericOp> maps) {
  MLIRContext *context = builder.getContext();
  llvm::SmallPtrSet<Operation *, 8> members;
  for (GenericOp op : maps)
    members.insert(op);

  // Index operands first: their number is that of the symbols in all maps.
  OperandList indices, inputs;
  SmallVector<SmallVector<unsigned>> positions(maps.size()); // of each op's operands, in both lists
  for (auto [i, op] : llvm::enumerate(maps))
    for (auto [k, value] : llvm::enumerate(op.getIndices()))
      positions[i].push_back(indices.add(value, op.getMap(k)));
  unsigned numIndices = indices.values.size(), numDims = maps.front().getNumDims();
  for (auto [i, op] : llvm::enumerate(maps)) {
    SmallVector<AffineExpr> symbols;
    for (unsigned k = 0; k < op.getIndices().size(); ++k)
      symbols.push_back(getAffineSymbolExpr(positions[i][k], context));
    for (auto [k, value] : llvm::enumerate(op.getInputs())) {
      AffineMap map = op.getInputMap(k);
      SmallVector<AffineExpr> results =
          llvm::map_to_vector(map.getResults(), [&](AffineExpr e) { return e.replaceSymbols(symbols); });
      bool inside = value.getDefiningOp() && members.contains(value.getDefiningOp());
      positions[i].push_back(
          inside ? ~0u : inputs.add(value, AffineMap::get(numDims, numIndices, results, context)));
    }
  }

  SmallVector<Value> replaced;
  SmallVector<Location> locations;
  auto body = [&](OpBuilder &inside, Location, ValueRange arguments) {
    IRMapping scalars; // a member's result to the scalar that it yields
    SmallVector<Value> yielded;
    for (auto [i, op] : llvm::enumerate(maps)) {
      IRMapping mapping;
      for (auto [k, argument] : llvm::enumerate(op.getBlock()->getArguments())) {
        unsigned position = positions[i][k];
        bool isIndex = k < op.getIndices().size();
        mapping.map(argument, position == ~0u ? scalars.lookup(op->getOperand(k))
                                              : arguments[isIndex ? position : numIndices + position]);
      }
      for (Operation &inner : op.getBlock()->without_terminator())
        inside.clone(inner, mapping);
      for (auto [result, value] : llvm::zip(op->getResults(), op.getYield().getValues())) {
        Value scalar = mapping.lookupOrDefault(value);
        scalars.map(result, scalar);
        if (llvm::all_of(result.getUsers(), [&](Operation *user) { return members.contains(user); }))
          continue;
        replaced.push_back(result);
        yielded.push_back(scalar);
      }
    }
    return yielded;
  };
  for (GenericOp op : maps)
    locations.push_back(op.getLoc());
  SmallVector<AffineMap> operandMaps(indices.maps);
  llvm::append_range(operandMaps, inputs.maps);
  auto merged = GenericOp::create(builder, FusedLoc::get(context, locations), maps.front().getDims(), numDims,
                                  std::nullopt, indices.values, inputs.values, operandMaps, body);
  for (auto [before, after] : llvm::zip(replaced, merged->getResults()))
    before.replaceUsesWithIf(after, [&](OpOperand &use) { return !members.contains(use.getOwner()); });
  for (GenericOp op : llvm::reverse(maps))
    op->erase();
  return merged;
}

} // namespace gptc::fuse
