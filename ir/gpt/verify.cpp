// The rules of GptOps.td, each cited at its check.
#include "ir/gpt/axes.h"
#include "ir/gpt/maps.h"

#include "mlir/Interfaces/FunctionInterfaces.h"

using namespace mlir;

namespace gptc::gpt {
namespace {

/// The mismatch, with a note at the other place.
LogicalResult errorWithNote(InFlightDiagnostic &&diagnostic, Location place, const Twine &note) {
  diagnostic.attachNote(place) << note;
  return diagnostic;
}

template <typename T> std::string text(T value) {
  std::string result;
  llvm::raw_string_ostream(result) << value;
  return result;
}

/// As in `[b upto 12, t=64]`.
std::string text(DimAttr dim) {
  std::string result =
      dim.getName().str() + (dim.isDynamic() ? " upto " : "=") + std::to_string(dim.getSize());
  if (dim.isDynamic() && dim.getExtent() != dim.getName())
    result += " of " + dim.getExtent().str();
  return "'" + result + "'";
}

//===-- What generic and scatter share -----------------------------------------===//

struct Space {
  Operation *op;
  DimsAttr dims;
  OperandRange indices, inputs;
  ArrayAttr maps;

  AffineMap map(size_t i) const { return cast<AffineMapAttr>(maps[i]).getValue(); }
  size_t numOperands() const { return indices.size() + inputs.size(); }
  Value operand(size_t i) const { return i < indices.size() ? indices[i] : inputs[i - indices.size()]; }
  std::string name(size_t i) const {
    return i < indices.size() ? "index operand " + std::to_string(i)
                              : "input " + std::to_string(i - indices.size());
  }
};

/// N1, the part about one map: dims of the space, one result a dimension.
LogicalResult verifyMapShape(const Space &space, AffineMap map, const Twine &name, Type type) {
  DimsAttr dims = dimsOf(type);
  if (!dims)
    return space.op->emitOpError() << name << " has no dims in its type: " << type;
  if (map.getNumDims() != space.dims.size())
    return space.op->emitOpError() << "map of " << name << " has " << map.getNumDims()
                                   << " dims, the iteration space has " << space.dims.size();
  if (map.getNumResults() != dims.size())
    return space.op->emitOpError() << "map of " << name << " has " << map.getNumResults()
                                   << " results, but the rank is " << dims.size();
  return success();
}

/// N2 and N3 for one map.
LogicalResult verifyMapTerms(const Space &space, AffineMap map, const Twine &name, bool mayGather) {
  if (!mayGather && map.getNumSymbols() != 0) // N2
    return space.op->emitOpError() << "map of " << name << " uses symbols: " << text(map);
  if (map.getNumSymbols() > space.indices.size()) // N2
    return space.op->emitOpError() << "map of " << name << " has " << map.getNumSymbols()
                                   << " symbols, but there are " << space.indices.size() << " index operands";
  for (AffineExpr result : map.getResults())
    if (!linearize(result, map.getNumDims(), map.getNumSymbols())) // N3
      return space.op->emitOpError() << "index '" << text(result) << "' of " << name
                                     << " is not a sum of dims times integers, symbols and constants";
  return success();
}

LogicalResult verifySpace(const Space &space, size_t numResultMaps) {
  size_t expected = space.numOperands() + numResultMaps;
  if (space.maps.size() != expected) // N1
    return space.op->emitOpError() << "has " << space.maps.size() << " maps, needs " << expected;
  for (size_t i = 0; i < space.numOperands(); ++i) {
    bool isIndex = i < space.indices.size();
    Type type = space.operand(i).getType();
    if (failed(verifyMapShape(space, space.map(i), space.name(i), type))) // N1
      return failure();
    Type element = cast<RankedTensorType>(type).getElementType();
    if (isIndex && !element.isInteger(32)) // N2
      return space.op->emitOpError() << space.name(i) << " is not i32 but " << element;
    if (failed(verifyMapTerms(space, space.map(i), space.name(i), !isIndex))) // N2, N3
      return failure();
  }
  return success();
}

/// N6, the body's arguments.
LogicalResult verifyArguments(const Space &space, Block &block) {
  if (block.getNumArguments() != space.numOperands())
    return space.op->emitOpError() << "body has " << block.getNumArguments() << " arguments for "
                                   << space.numOperands() << " operands";
  for (size_t i = 0; i < space.numOperands(); ++i) {
    Type element = cast<RankedTensorType>(space.operand(i).getType()).getElementType();
    Type argument = block.getArgument(i).getType();
    if (argument != element)
      return errorWithNote(space.op->emitOpError() << "body argument " << i << " is " << argument << ", but "
                                                   << space.name(i) << " has elements " << element,
                           space.operand(i).getLoc(), "the operand comes from here");
  }
  return success();
}

/// The body's last op; null, with an error, where it is no gpt.yield.
YieldOp yieldOf(Operation *op) {
  Block &block = op->getRegion(0).front();
  auto yield = block.empty() ? YieldOp() : dyn_cast<YieldOp>(block.back());
  if (!yield)
    op->emitOpError() << "body does not end in gpt.yield";
  return yield;
}

/// Yielded values against `expected`, `what` naming the latter.
LogicalResult verifyYield(Operation *op, YieldOp yield, TypeRange expected, StringRef what) {
  if (yield.getValues().size() != expected.size())
    return errorWithNote(op->emitOpError() << "body yields " << yield.getValues().size() << " values for "
                                           << expected.size() << " " << what,
                         yield.getLoc(), "yielded here");
  for (auto [i, given, wanted] : llvm::enumerate(yield.getValues().getTypes(), expected))
    if (given != wanted)
      return errorWithNote(op->emitOpError() << "yielded value " << i << " is " << given << ", " << what
                                             << " need " << wanted,
                           yield.getLoc(), "yielded here");
  return success();
}

//===-- Symbols ------------------------------------------------------------------===//

LogicalResult verifyVariableUse(Operation *op, FlatSymbolRefAttr name, Type type,
                                SymbolTableCollection &symbols) {
  Operation *symbol = symbols.lookupNearestSymbolFrom(op, name);
  auto variable = dyn_cast_or_null<VariableOp>(symbol);
  if (!variable) // G1, S1
    return op->emitOpError() << "no variable named " << name;
  if (variable.getType() != type) // G2, S2
    return errorWithNote(op->emitOpError()
                             << "has type " << type << ", but the variable is " << variable.getType(),
                         variable.getLoc(), "the variable is declared here");
  return success();
}

/// The structured op whose point `op` lives at; its dims, or null.
DimsAttr enclosingDims(Operation *op) {
  for (Operation *parent = op->getParentOp(); parent; parent = parent->getParentOp()) {
    if (auto generic = dyn_cast<GenericOp>(parent))
      return generic.getDims();
    if (auto scatter = dyn_cast<ScatterOp>(parent))
      return scatter.getDims();
  }
  return {};
}

LogicalResult verifyDimension(Operation *op, int64_t dim) {
  DimsAttr dims = enclosingDims(op);
  if (!dims)
    return op->emitOpError() << "is not in the body of a gpt.generic or gpt.scatter";
  if (dim < 0 || dim >= static_cast<int64_t>(dims.size()))
    return op->emitOpError() << "dimension " << dim << " is not one of the " << dims.size()
                             << " of the iteration space";
  return success();
}

} // namespace

//===-- Ops ----------------------------------------------------------------------===//

LogicalResult VariableOp::verify() {
  DimsAttr dims = dimsOf(getType());
  if (!dims) // V1
    return emitOpError() << "type has no dims: " << getType();
  for (DimAttr dim : dims.getDims())
    if (getParameter() && dim.isDynamic()) // V2
      return emitOpError() << "dimension " << dim.getName() << " is dynamic: at most " << dim.getSize();
  int64_t rank = dims.size(), copies = getCopies();
  if (copies < 0 || copies > rank) // V3
    return emitOpError() << "counts copies in " << copies << " dimensions, but the rank is " << rank;
  int64_t numbers =
      llvm::count_if(getPath().getAsValueRange<StringAttr>(), [](StringRef s) { return s == "*"; });
  if (numbers != copies) // V4
    return emitOpError() << "path has " << numbers << " elements \"*\" for " << copies
                         << " dimensions of copies";
  if (std::optional<int64_t> positions = getPositions())
    if (getParameter() || *positions < copies || *positions >= rank || dims[*positions].isDynamic()) // V5
      return emitOpError() << "has no static dimension " << *positions << " of positions behind its copies";
  return success();
}

LogicalResult GetOp::verifySymbolUses(SymbolTableCollection &symbols) {
  return verifyVariableUse(*this, getVariableAttr(), getType(), symbols);
}

LogicalResult SetOp::verifySymbolUses(SymbolTableCollection &symbols) {
  if (failed(verifyVariableUse(*this, getVariableAttr(), getValue().getType(), symbols)))
    return failure();
  // Each set looks back only, so that the second one is reported, once.
  for (Operation *op = (*this)->getPrevNode(); op; op = op->getPrevNode())
    if (auto other = dyn_cast<SetOp>(op); other && other.getVariableAttr() == getVariableAttr()) // S3
      return errorWithNote(emitOpError() << "variable " << getVariableAttr() << " is set twice",
                           other.getLoc(), "it is set here already");
  return success();
}

LogicalResult StoreOp::verifySymbolUses(SymbolTableCollection &symbols) {
  Operation *symbol = symbols.lookupNearestSymbolFrom(*this, getVariableAttr());
  auto variable = dyn_cast_or_null<VariableOp>(symbol);
  if (!variable || variable.getParameter()) // T1
    return emitOpError() << "no state named " << getVariableAttr();
  auto result = cast<RankedTensorType>(getType()), whole = variable.getTensorType();
  int64_t copies = variable.getCopies();
  if (int64_t(getCopies().size()) != copies || whole.getElementType() != result.getElementType() ||
      dimsOf(whole).getDims().drop_front(copies) != dimsOf(result).getDims()) // T2
    return errorWithNote(emitOpError() << "with " << getCopies().size() << " copies gives " << result
                                       << ", but the variable is " << whole << " with " << copies,
                         variable.getLoc(), "the variable is declared here");
  auto value = cast<RankedTensorType>(getValue().getType());
  if (value.getElementType() != result.getElementType() || value.getRank() != result.getRank()) // T3
    return emitOpError() << "puts " << value << " into " << result;
  std::optional<int64_t> dim = getDim();
  for (int64_t d = 0; d < value.getRank(); ++d)
    if (d == dim ? value.getDimSize(d) > result.getDimSize(d) : value.getDimSize(d) != result.getDimSize(d)) // T3
      return emitOpError() << "puts " << value << " into " << result << ": dimension " << d << " does not fit";
  auto at = getAt() ? cast<RankedTensorType>(getAt().getType()) : RankedTensorType();
  bool fits = at ? dim && *dim > 0 && *dim < value.getRank() && at.getElementType().isInteger(32) &&
                       at.getRank() == 1 && dimsOf(at)[0] == dimsOf(value)[0]
                 : !dim;
  if (!fits) // T4
    return emitOpError() << "needs the dimension of its rows, and for each stream where they go, or neither";
  for (Operation &other : *(*this)->getParentOfType<ModuleOp>().getBody()) // T5
    if (auto function = dyn_cast<FunctionOpInterface>(other)) {
      Operation *second = nullptr;
      function->walk([&](Operation *op) {
        auto store = dyn_cast<StoreOp>(op);
        auto set = dyn_cast<SetOp>(op);
        if (op != *this && ((store && store.getVariableAttr() == getVariableAttr()) ||
                            (set && set.getVariableAttr() == getVariableAttr())))
          second = op;
      });
      if (second)
        return errorWithNote(emitOpError() << "variable " << getVariableAttr() << " is stored twice", second->getLoc(),
                             "the other one is here");
    }
  return success();
}

LogicalResult ConstantOp::verify() {
  auto value = cast<ShapedType>(getValue().getType());
  auto type = cast<RankedTensorType>(getType());
  if (value.getElementType() != type.getElementType() || value.getShape() != type.getShape())
    return emitOpError() << "value of type " << value << " does not fit the result type " << type;
  return success();
}

LogicalResult GenericOp::verify() {
  Space space{*this, getDims(), getIndices(), getInputs(), getMaps()};
  if (failed(verifySpace(space, 0)))
    return failure();
  int64_t numDims = getNumDims(), numParallel = getNumParallel();
  if (isReduction()) { // N5
    if (getNumResults() != 1)
      return emitOpError() << "reduces to " << getNumResults() << " results, not to one";
    if (numParallel < 0 || numParallel >= numDims)
      return emitOpError() << "reduces, but all of " << numDims << " dims are parallel: num_parallel is "
                           << numParallel;
  } else if (numParallel != numDims) { // N5
    return emitOpError() << "has no reduction, but num_parallel is " << numParallel << " of " << numDims
                         << " dims";
  }
  ArrayRef<DimAttr> parallel = getDims().getDims().take_front(numParallel);
  SmallVector<Type> elements;
  for (auto [i, type] : llvm::enumerate(getResultTypes())) { // N4
    Type element = cast<RankedTensorType>(type).getElementType();
    RankedTensorType expected = tensorType(getContext(), parallel, element);
    if (type != expected)
      return emitOpError() << "result " << i << " is " << type << ", but the parallel dims make " << expected;
    elements.push_back(element);
  }
  if (failed(verifyArguments(space, *getBlock())) || failed(verifyAxes(*this))) // N6, A1 to A5
    return failure();
  YieldOp yield = yieldOf(*this);
  return failure(!yield || failed(verifyYield(*this, yield, elements, "results"))); // N6
}

LogicalResult ScatterOp::verify() {
  Space space{*this, getDims(), getIndices(), getInputs(), getMaps()};
  if (failed(verifySpace(space, 1)))
    return failure();
  if (failed(verifyMapShape(space, getResultMap(), "the result", getType())) || // C2
      failed(verifyMapTerms(space, getResultMap(), "the result", true)))        // N2, N3
    return failure();
  if (failed(verifyArguments(space, *getBlock()))) // N6
    return failure();
  YieldOp yield = yieldOf(*this);
  Type element = cast<RankedTensorType>(getType()).getElementType();
  return failure(!yield || failed(verifyYield(*this, yield, element, "results"))); // C1, N6
}

LogicalResult ReshapeOp::verify() {
  auto source = cast<RankedTensorType>(getSource().getType());
  auto result = cast<RankedTensorType>(getType());
  DimsAttr from = dimsOf(source), to = dimsOf(result);
  if (!from || !to)
    return emitOpError() << "a type has no dims: " << (from ? result : source);
  if (source.getElementType() != result.getElementType())
    return emitOpError() << "changes elements from " << source.getElementType() << " to "
                         << result.getElementType();
  if (source.getNumElements() != result.getNumElements()) // R1
    return emitOpError() << "has " << source.getNumElements() << " elements before and "
                         << result.getNumElements() << " after";
  // R2: groups of dims with equal products. In a group, only the first dim on
  // each side is dynamic, of one extent, and by the same number of elements.
  ArrayRef<DimAttr> left = from.getDims(), right = to.getDims();
  auto trimOnes = [](ArrayRef<DimAttr> &dims) {
    while (!dims.empty() && dims.front().getSize() == 1 && !dims.front().isDynamic())
      dims = dims.drop_front();
  };
  for (trimOnes(left), trimOnes(right); !left.empty() && !right.empty(); trimOnes(left), trimOnes(right)) {
    DimAttr first = left.front(), second = right.front();
    bool dynamic = first.isDynamic() || second.isDynamic();
    if (first.getExtent() != second.getExtent()) // R2
      return emitOpError() << "turns dim " << text(first) << " into " << text(second)
                           << ", which is not of the same extent";
    int64_t leftSize = first.getSize(), rightSize = second.getSize();
    if (dynamic && leftSize != rightSize) // R2
      return emitOpError() << "turns dim " << text(first) << " into " << text(second)
                           << "; a dynamic dim is kept as it is";
    left = left.drop_front(), right = right.drop_front();
    while (leftSize != rightSize) {
      bool growLeft = leftSize < rightSize;
      ArrayRef<DimAttr> &dims = growLeft ? left : right;
      if (dims.empty())
        break;
      if (dims.front().isDynamic()) // R2
        return emitOpError() << "merges dynamic dim " << text(dims.front()) << " behind "
                             << text(growLeft ? first : second);
      (growLeft ? leftSize : rightSize) *= dims.front().getSize();
      dims = dims.drop_front();
    }
  }
  for (ArrayRef<DimAttr> rest : {left, right})
    for (DimAttr dim : rest)
      if (dim.isDynamic()) // R2
        return emitOpError() << "loses or makes dynamic dim " << text(dim);
  return success();
}

LogicalResult RepeatOp::verify() {
  int64_t count = getCount();
  auto verifyStacked = [&](Type type, const Twine &name) -> LogicalResult { // P2
    DimsAttr dims = dimsOf(type);
    if (!dims || dims.size() == 0)
      return emitOpError() << name << " has no first dimension: " << type;
    if (dims[0].isDynamic() || dims[0].getSize() != count)
      return emitOpError() << "first dimension of " << name << " is " << text(dims[0]) << ", the count "
                           << count;
    return success();
  };
  if (count < 0)
    return emitOpError() << "count is negative: " << count;
  SmallVector<Type> arguments = {tensorType(getContext(), {}, IntegerType::get(getContext(), 32))};
  llvm::append_range(arguments, getInits().getTypes());
  for (auto [i, type] : llvm::enumerate(getStacked().getTypes())) {
    if (failed(verifyStacked(type, "stacked operand " + Twine(i)))) // P2
      return failure();
    arguments.push_back(sliceType(cast<RankedTensorType>(type)));
  }
  if (getBlock()->getNumArguments() != arguments.size()) // P1
    return emitOpError() << "body has " << getBlock()->getNumArguments() << " arguments, needs "
                         << arguments.size() << ": copy, carried values, slices";
  for (auto [i, given, wanted] : llvm::enumerate(getBlock()->getArgumentTypes(), arguments))
    if (given != wanted) // P1
      return emitOpError() << "body argument " << i << " is " << given << ", what it carries is " << wanted;
  if (getCarried().size() != getInits().size()) // P1
    return emitOpError() << "has " << getCarried().size() << " carried results for " << getInits().size()
                         << " initial values";
  for (auto [i, given, wanted] : llvm::enumerate(getCarried().getTypes(), getInits().getTypes()))
    if (given != wanted) // P1
      return emitOpError() << "carried result " << i << " is " << given << ", its initial value " << wanted;
  SmallVector<Type> yielded(getCarried().getTypes());
  for (auto [i, type] : llvm::enumerate(getStacks().getTypes())) {
    if (failed(verifyStacked(type, "stack " + Twine(i)))) // P2
      return failure();
    yielded.push_back(sliceType(cast<RankedTensorType>(type)));
  }
  YieldOp yield = yieldOf(*this);
  return failure(!yield || failed(verifyYield(*this, yield, yielded, "carried values and slices"))); // P1
}

LogicalResult KernelOp::verify() {
  if (getBlock()->getNumArguments() != getInputs().size()) // K1
    return emitOpError() << "body has " << getBlock()->getNumArguments() << " arguments for "
                         << getInputs().size() << " inputs";
  for (auto [i, given, wanted] : llvm::enumerate(getBlock()->getArgumentTypes(), getInputs().getTypes()))
    if (given != wanted) // K1
      return errorWithNote(emitOpError()
                               << "body argument " << i << " is " << given << ", the input is " << wanted,
                           getInputs()[i].getLoc(), "the input comes from here");
  for (Operation &op : *getBlock())
    if (!isa<GenericOp, ScatterOp, YieldOp>(op)) // K2
      return errorWithNote(emitOpError()
                               << "holds " << op.getName()
                               << "; only gpt.generic, gpt.scatter and gpt.yield may be in a kernel",
                           op.getLoc(), "it is here");
  YieldOp yield = yieldOf(*this);
  return failure(!yield || failed(verifyYield(*this, yield, getResultTypes(), "results"))); // K1
}

LogicalResult LaunchOp::verifySymbolUses(SymbolTableCollection &symbols) {
  auto function =
      dyn_cast_or_null<FunctionOpInterface>(symbols.lookupNearestSymbolFrom(*this, getKernelAttr()));
  if (!function) // L1
    return emitOpError() << "no kernel named " << getKernelAttr();
  auto differs = [&](TypeRange given, TypeRange wanted, StringRef what) -> LogicalResult { // L1
    if (given.size() != wanted.size())
      return errorWithNote(emitOpError()
                               << "has " << given.size() << " " << what << ", the kernel " << wanted.size(),
                           function.getLoc(), "the kernel is here");
    for (auto [i, mine, other] : llvm::enumerate(given, wanted))
      if (mine != other)
        return errorWithNote(emitOpError()
                                 << what << " " << i << ": " << mine << " here, the kernel has " << other,
                             function.getLoc(), "the kernel is here");
    return success();
  };
  return failure(failed(differs(getInputs().getTypes(), function.getArgumentTypes(), "inputs")) ||
                 failed(differs(getResultTypes(), function.getResultTypes(), "results")));
}

LogicalResult IndexOp::verify() {
  return verifyDimension(*this, getDim());
} // I1
LogicalResult ExtentOp::verify() {
  return verifyDimension(*this, getDim());
} // E1

} // namespace gptc::gpt
