#include "ir/gpt/interpreter.h"

#include "ir/gpt/interpret_scalar.h"
#include "ir/gpt/maps.h"

#include "mlir/IR/DialectResourceBlobManager.h"
#include "mlir/IR/Verifier.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

using namespace mlir;
using llvm::Error;
using llvm::Expected;

namespace gptc::gpt {

Tensor Tensor::zeros(ArrayRef<int64_t> shape) {
  size_t count = 1;
  for (int64_t size : shape)
    count *= size;
  return of(shape, std::vector<double>(count, 0));
}

Tensor Tensor::of(ArrayRef<int64_t> shape, std::vector<double> data) {
  return {SmallVector<int64_t>(shape), SmallVector<int64_t>(shape), std::move(data)};
}

std::optional<size_t> Tensor::find(ArrayRef<int64_t> index) const {
  size_t place = 0;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (index[i] < 0 || index[i] >= extents[i])
      return std::nullopt;
    place = place * shape[i] + index[i];
  }
  return place;
}

namespace {

Error failure(const Twine &message) {
  return llvm::createStringError(llvm::inconvertibleErrorCode(), message);
}

Type elementOf(Value value) {
  return cast<RankedTensorType>(value.getType()).getElementType();
}

/// An operand's map, taken apart once.
struct Access {
  const Tensor *tensor;
  Type element;
  SmallVector<LinearIndex> results;
};

/// The place that `access` reads or writes at a point; nothing outside.
std::optional<size_t> placeOf(const Tensor &tensor, ArrayRef<LinearIndex> results, ArrayRef<int64_t> point,
                              ArrayRef<int64_t> symbols) {
  SmallVector<int64_t> index;
  for (const LinearIndex &result : results) {
    int64_t sum = result.constant;
    bool overflow = false;
    auto add = [&](ArrayRef<int64_t> factors, ArrayRef<int64_t> values) {
      for (size_t i = 0; i < factors.size(); ++i) {
        int64_t term;
        overflow |= llvm::MulOverflow(factors[i], values[i], term) || llvm::AddOverflow(sum, term, sum);
      }
    };
    add(result.dims, point);
    add(result.symbols, symbols);
    if (overflow)
      return std::nullopt;
    index.push_back(sum);
  }
  return tensor.find(index);
}

/// Steps `point` lexicographically within `extents`; false after the last.
bool advance(MutableArrayRef<int64_t> point, ArrayRef<int64_t> extents) {
  for (size_t i = point.size(); i-- > 0;) {
    if (++point[i] < extents[i])
      return true;
    point[i] = 0;
  }
  return false;
}

bool anyEmpty(ArrayRef<int64_t> extents) {
  return llvm::any_of(extents, [](int64_t extent) { return extent <= 0; });
}

/// One run of a program: its values, and what it sets.
class Run {
public:
  Run(const Interpreter &options) : options(options) {}

  std::map<std::string, Tensor> pending;

  Expected<std::vector<Tensor>> call(func::FuncOp function, ArrayRef<Tensor> inputs);

private:
  using Values = DenseMap<Value, Tensor>;

  /// Runs a block up to its terminator, whose operands are the result.
  Expected<std::vector<Tensor>> runBlock(Block &block, ArrayRef<Tensor> arguments);
  Error runOp(Operation &op);

  Error run(GetOp op);
  Error run(SetOp op);
  Error run(StoreOp op);
  Error run(ConstantOp op);
  Error run(GenericOp op);
  Error run(ScatterOp op);
  Error run(ReshapeOp op);
  Error run(BatchMeanOp op);
  Error run(RepeatOp op);
  Error run(KernelOp op);
  Error run(LaunchOp op);
  Error run(func::CallOp op);

  Error callNamed(Operation &op, FlatSymbolRefAttr name);

  SmallVector<int64_t> extentsOf(RankedTensorType type) const;
  SmallVector<int64_t> extentsOf(DimsAttr dims) const;
  /// Zeros with shape and extents of the type.
  Expected<Tensor> make(Operation &op, Type type) const;
  /// `given` as a value of `type`; an error where the shape differs.
  Expected<Tensor> adopt(const Tensor &given, Type type, const Twine &what) const;
  Error bindAll(ValueRange values, std::vector<Tensor> tensors);
  const Tensor &get(Value value) { return values.find(value)->second; }
  std::vector<Tensor> getAll(ValueRange operands);
  double round(double value, Type type) const {
    return toDouble(normalize(toScalar(value, type), type, options.roundFloats), type);
  }

  /// One entry a map of a generic or scatter; a scatter's result has no tensor.
  template <typename Op> Expected<SmallVector<Access>> accesses(Op op);
  /// The body's scalars at a point. `scalars` is scratch, `symbols` comes back.
  Expected<SmallVector<double>> runBody(Block &block, ArrayRef<Access> operands, size_t numIndices,
                                        ArrayRef<int64_t> point, ArrayRef<int64_t> extents,
                                        SmallVectorImpl<int64_t> &symbols);

  const Interpreter &options;
  Values values;
  DenseMap<Value, Scalar> scalars;
  unsigned depth = 0;
};

//===-- Values -----------------------------------------------------------------===//

SmallVector<int64_t> Run::extentsOf(DimsAttr dims) const {
  SmallVector<int64_t> result;
  for (DimAttr dim : dims.getDims()) {
    int64_t extent = dim.getSize();
    if (dim.isDynamic())
      if (auto known = options.extents.find(dim.getExtent().str()); known != options.extents.end())
        extent = std::clamp<int64_t>(known->second, 0, extent);
    result.push_back(extent);
  }
  return result;
}

SmallVector<int64_t> Run::extentsOf(RankedTensorType type) const {
  DimsAttr dims = dimsOf(type);
  return dims ? extentsOf(dims) : SmallVector<int64_t>(type.getShape());
}

Expected<Tensor> Run::make(Operation &op, Type type) const {
  auto tensor = dyn_cast<RankedTensorType>(type);
  if (!tensor || !tensor.hasStaticShape())
    return errorAt(op, "a result is no tensor of known bounds");
  Tensor result = Tensor::zeros(tensor.getShape());
  result.extents = extentsOf(tensor);
  return result;
}

Expected<Tensor> Run::adopt(const Tensor &given, Type type, const Twine &what) const {
  auto tensor = dyn_cast<RankedTensorType>(type);
  if (!tensor || !tensor.hasStaticShape())
    return failure(what + " is no tensor of known bounds");
  if (tensor.getShape() != ArrayRef<int64_t>(given.shape) ||
      static_cast<int64_t>(given.data.size()) != tensor.getNumElements())
    return failure(what + " does not have the shape of its type");
  Tensor result = given;
  result.extents = extentsOf(tensor);
  return result;
}

std::vector<Tensor> Run::getAll(ValueRange operands) {
  std::vector<Tensor> result;
  for (Value operand : operands)
    result.push_back(get(operand));
  return result;
}

Error Run::bindAll(ValueRange targets, std::vector<Tensor> tensors) {
  if (targets.size() != tensors.size())
    return failure("expected " + Twine(targets.size()) + " values, got " + Twine(tensors.size()));
  for (auto [i, target] : llvm::enumerate(targets)) {
    Expected<Tensor> tensor = adopt(tensors[i], target.getType(), "value " + Twine(i));
    if (!tensor)
      return tensor.takeError();
    values[target] = std::move(*tensor);
  }
  return Error::success();
}

//===-- Control ----------------------------------------------------------------===//

Expected<std::vector<Tensor>> Run::runBlock(Block &block, ArrayRef<Tensor> arguments) {
  if (Error error = bindAll(block.getArguments(), arguments.vec()))
    return error;
  for (Operation &op : block.without_terminator())
    if (Error error = runOp(op))
      return error;
  return getAll(block.getTerminator()->getOperands());
}

Error Run::runOp(Operation &op) {
  return llvm::TypeSwitch<Operation &, Error>(op)
      .Case<GetOp, SetOp, StoreOp, ConstantOp, GenericOp, ScatterOp, ReshapeOp, BatchMeanOp, RepeatOp, KernelOp,
            LaunchOp, func::CallOp>([&](auto known) { return run(known); })
      .Default([](Operation &other) { return errorAt(other, "the interpreter does not know this op"); });
}

Expected<std::vector<Tensor>> Run::call(func::FuncOp function, ArrayRef<Tensor> inputs) {
  if (function.isExternal() || !llvm::hasSingleElement(function.getBody()))
    return failure("function @" + function.getName() + " is not one block");
  constexpr unsigned maxDepth = 100;
  if (depth == maxDepth)
    return failure("function @" + function.getName() + " calls itself");
  // A function sees its own values only, and may run more than once.
  Values callers = std::exchange(values, Values());
  ++depth;
  Expected<std::vector<Tensor>> results = runBlock(function.getBody().front(), inputs);
  --depth;
  values = std::move(callers);
  return results;
}

Error Run::callNamed(Operation &op, FlatSymbolRefAttr name) {
  auto function = SymbolTable::lookupNearestSymbolFrom<func::FuncOp>(&op, name);
  if (!function)
    return errorAt(op, "no function " + name.getValue());
  Expected<std::vector<Tensor>> results = call(function, getAll(op.getOperands()));
  return results ? bindAll(op.getResults(), std::move(*results)) : results.takeError();
}

Error Run::run(LaunchOp op) {
  return callNamed(*op, op.getKernelAttr());
}
Error Run::run(func::CallOp op) {
  return callNamed(*op, op.getCalleeAttr());
}

Error Run::run(KernelOp op) {
  Expected<std::vector<Tensor>> results = runBlock(*op.getBlock(), getAll(op.getInputs()));
  return results ? bindAll(op.getResults(), std::move(*results)) : results.takeError();
}

Error Run::run(RepeatOp op) {
  std::vector<Tensor> carried = getAll(op.getInits());
  std::vector<Tensor> stacks;
  for (Value stack : op.getStacks()) {
    Expected<Tensor> tensor = make(*op, stack.getType());
    if (!tensor)
      return tensor.takeError();
    stacks.push_back(std::move(*tensor));
  }
  int64_t count = op.getCount();
  for (int64_t step = 0; step < count; ++step) {
    int64_t copy = op.getReverse() ? count - 1 - step : step;
    std::vector<Tensor> arguments = {Tensor::scalar(copy)};
    llvm::append_range(arguments, carried);
    for (Value operand : op.getStacked()) {
      const Tensor &stacked = get(operand);
      size_t size = stacked.data.size() / count;
      auto begin = stacked.data.begin() + copy * size;
      arguments.push_back(
          Tensor::of(ArrayRef(stacked.shape).drop_front(), std::vector<double>(begin, begin + size)));
    }
    Expected<std::vector<Tensor>> yielded = runBlock(*op.getBlock(), arguments);
    if (!yielded)
      return yielded.takeError();
    for (size_t i = 0; i < stacks.size(); ++i) {
      const std::vector<double> &slice = (*yielded)[carried.size() + i].data;
      llvm::copy(slice, stacks[i].data.begin() + copy * slice.size());
    }
    yielded->resize(carried.size());
    carried = std::move(*yielded);
  }
  if (Error error = bindAll(op.getCarried(), std::move(carried)))
    return error;
  return bindAll(op.getStacks(), std::move(stacks));
}

//===-- Plain ops ----------------------------------------------------------------===//

Error Run::run(GetOp op) {
  auto found = options.variables.find(op.getVariable().str());
  if (found == options.variables.end())
    return errorAt(*op, "variable @" + op.getVariable() + " has no value");
  return bindAll(op->getResults(), {found->second});
}

Error Run::run(SetOp op) {
  pending[op.getVariable().str()] = get(op.getValue());
  return Error::success();
}

Error Run::run(StoreOp op) {
  std::string name = op.getVariable().str();
  auto found = options.variables.find(name);
  if (found == options.variables.end())
    return errorAt(*op, "variable @" + op.getVariable() + " has no value");
  Tensor &state = pending.try_emplace(name, found->second).first->second;
  // The slice of these copies is in one piece.
  int64_t slices = 1, slice = 0;
  for (auto [i, copy] : llvm::enumerate(op.getCopies())) {
    slices *= state.shape[i];
    slice = slice * state.shape[i] + int64_t(get(copy).data[0]);
  }
  Tensor part = Tensor::zeros(ArrayRef(state.shape).drop_front(op.getCopies().size()));
  auto begin = state.data.begin() + slice * (state.data.size() / slices);
  std::copy_n(begin, part.data.size(), part.data.begin());
  const Tensor &value = get(op.getValue());
  SmallVector<int64_t> point(value.extents.size(), 0);
  if (!anyEmpty(value.extents))
    do {
      SmallVector<int64_t> place = point;
      if (op.getAt())
        place[*op.getDim()] += int64_t(get(op.getAt()).data[point[0]]);
      if (std::optional<size_t> to = part.find(place))
        part.data[*to] = value.data[*value.find(point)];
    } while (advance(point, value.extents));
  llvm::copy(part.data, begin);
  return bindAll(op->getResults(), {std::move(part)});
}

Error Run::run(ConstantOp op) {
  Expected<Tensor> result = make(*op, op.getType());
  if (!result)
    return result.takeError();
  ElementsAttr attribute = op.getValue();
  auto copyAll = [&](auto range, auto convert) {
    size_t i = 0;
    for (auto element : range)
      result->data[i++] = convert(element);
  };
  Type element = elementOf(op.getResult());
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(attribute)) {
    auto plain = [](auto value) { return double(value); };
    std::optional<ArrayRef<float>> reals;
    std::optional<ArrayRef<int32_t>> wholes;
    if (auto typed = dyn_cast<DenseF32ResourceElementsAttr>(resource))
      reals = typed.tryGetAsArrayRef();
    if (auto typed = dyn_cast<DenseI32ResourceElementsAttr>(resource))
      wholes = typed.tryGetAsArrayRef();
    if (reals && reals->size() == result->data.size())
      copyAll(*reals, plain);
    else if (wholes && wholes->size() == result->data.size())
      copyAll(*wholes, plain);
    else
      return errorAt(*op, "the resource is missing or is not f32 or i32");
  } else if (isa<FloatType>(element)) {
    auto range = attribute.tryGetValues<APFloat>();
    if (!range)
      return errorAt(*op, "the value cannot be read");
    copyAll(*range, [](const APFloat &value) {
      APFloat wide = value;
      bool inexact;
      wide.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &inexact);
      return wide.convertToDouble();
    });
  } else {
    auto range = attribute.tryGetValues<APInt>();
    if (!range)
      return errorAt(*op, "the value cannot be read");
    copyAll(*range, [](const APInt &value) {
      return value.getBitWidth() == 1 ? double(value.getZExtValue()) : double(value.getSExtValue());
    });
  }
  values[op.getResult()] = std::move(*result);
  return Error::success();
}

Error Run::run(ReshapeOp op) {
  Expected<Tensor> result = make(*op, op.getType());
  if (!result)
    return result.takeError();
  // Rows are in order of bounds on both sides: no element moves.
  result->data = get(op.getSource()).data;
  values[op.getResult()] = std::move(*result);
  return Error::success();
}

Error Run::run(BatchMeanOp op) {
  Tensor result = get(op.getTotal());
  const Tensor &count = get(op.getCount());
  for (size_t i = 0; i < result.data.size(); ++i)
    result.data[i] =
        count.data[i] == 0 ? 0 : round(result.data[i] / count.data[i], elementOf(op.getResult()));
  values[op.getResult()] = std::move(result);
  return Error::success();
}

//===-- Points -----------------------------------------------------------------===//

template <typename Op> Expected<SmallVector<Access>> Run::accesses(Op op) {
  SmallVector<Access> result;
  for (size_t i = 0, e = op.getMaps().size(); i < e; ++i) {
    bool isOperand = i < op->getNumOperands();
    Access access{
        isOperand ? &get(op->getOperand(i)) : nullptr, isOperand ? elementOf(op->getOperand(i)) : Type(), {}};
    AffineMap map = op.getMap(i);
    for (AffineExpr expr : map.getResults()) {
      std::optional<LinearIndex> linear = linearize(expr, map.getNumDims(), map.getNumSymbols());
      if (!linear)
        return errorAt(*op, "a map is not linear");
      access.results.push_back(std::move(*linear));
    }
    result.push_back(std::move(access));
  }
  return result;
}

Expected<SmallVector<double>> Run::runBody(Block &block, ArrayRef<Access> operands, size_t numIndices,
                                           ArrayRef<int64_t> point, ArrayRef<int64_t> extents,
                                           SmallVectorImpl<int64_t> &symbols) {
  symbols.clear();
  for (auto [i, argument] : llvm::enumerate(block.getArguments())) {
    const Access &access = operands[i];
    std::optional<size_t> place = placeOf(*access.tensor, access.results, point, symbols);
    Scalar scalar = toScalar(place ? access.tensor->data[*place] : 0, access.element);
    scalars[argument] = scalar;
    if (i < numIndices)
      symbols.push_back(scalar.whole);
  }
  SmallVector<Scalar> arguments;
  for (Operation &op : block.without_terminator()) {
    if (op.getNumResults() != 1)
      return errorAt(op, "is not an op on scalars with one result");
    arguments.clear();
    for (Value operand : op.getOperands())
      arguments.push_back(scalars.lookup(operand));
    Scalar scalar;
    if (auto index = dyn_cast<IndexOp>(op)) {
      scalar.whole = point[index.getDim()];
    } else if (auto extent = dyn_cast<ExtentOp>(op)) {
      scalar.whole = extents[extent.getDim()];
    } else {
      Expected<Scalar> value = evaluateScalar(op, arguments);
      if (!value)
        return value.takeError();
      scalar = *value;
    }
    scalars[op.getResult(0)] = normalize(scalar, op.getResult(0).getType(), options.roundFloats);
  }
  SmallVector<double> yielded;
  for (Value value : block.getTerminator()->getOperands())
    yielded.push_back(toDouble(scalars.lookup(value), value.getType()));
  return yielded;
}

Error Run::run(GenericOp op) {
  std::vector<Tensor> results;
  for (Type type : op.getResultTypes()) {
    Expected<Tensor> result = make(*op, type);
    if (!result)
      return result.takeError();
    results.push_back(std::move(*result));
  }
  Expected<SmallVector<Access>> operands = accesses(op);
  if (!operands)
    return operands.takeError();
  SmallVector<int64_t> extents = extentsOf(op.getDims());
  size_t numParallel = op.getNumParallel();
  SmallVector<int64_t> point(extents.size(), 0), symbols;
  auto outer = MutableArrayRef<int64_t>(point).take_front(numParallel);
  auto inner = MutableArrayRef<int64_t>(point).drop_front(numParallel);
  ArrayRef<int64_t> outerExtents = ArrayRef(extents).take_front(numParallel);
  ArrayRef<int64_t> innerExtents = ArrayRef(extents).drop_front(numParallel);

  Type element = results.empty() ? Type() : elementOf(op.getResult(0));
  bool isMax = op.getReduction() == ReductionKind::max;
  double start = 0;
  if (isMax && isa<FloatType>(element))
    start = -std::numeric_limits<double>::infinity();
  else if (isMax && !element.isInteger(1))
    start = toDouble(normalize({0, int64_t(1) << (element.getIntOrFloatBitWidth() - 1)}, element, false),
                     element);

  auto join = [&](double total, double term) {
    if (!isMax)
      return round(total + term, element);
    return std::isnan(total) || std::isnan(term) ? std::nan("") : std::max(total, term);
  };

  if (!anyEmpty(outerExtents)) {
    do {
      double total = start;
      if (!anyEmpty(innerExtents)) {
        do {
          Expected<SmallVector<double>> yielded =
              runBody(*op.getBlock(), *operands, op.getIndices().size(), point, extents, symbols);
          if (!yielded)
            return yielded.takeError();
          if (op.isReduction())
            total = join(total, (*yielded)[0]);
          else
            for (auto [result, value] : llvm::zip(results, *yielded))
              result.data[*result.find(outer)] = value;
        } while (advance(inner, innerExtents));
      }
      if (op.isReduction())
        results[0].data[*results[0].find(outer)] = total;
    } while (advance(outer, outerExtents));
  }
  return bindAll(op.getResults(), std::move(results));
}

Error Run::run(ScatterOp op) {
  Expected<Tensor> result = make(*op, op.getType());
  if (!result)
    return result.takeError();
  Expected<SmallVector<Access>> operands = accesses(op);
  if (!operands)
    return operands.takeError();
  const Access &target = operands->back();
  Type element = elementOf(op.getResult());
  SmallVector<int64_t> extents = extentsOf(op.getDims());
  SmallVector<int64_t> point(extents.size(), 0), symbols;
  if (!anyEmpty(extents)) {
    do {
      Expected<SmallVector<double>> yielded =
          runBody(*op.getBlock(), *operands, op.getIndices().size(), point, extents, symbols);
      if (!yielded)
        return yielded.takeError();
      if (std::optional<size_t> place = placeOf(*result, target.results, point, symbols))
        result->data[*place] = round(result->data[*place] + (*yielded)[0], element);
    } while (advance(point, extents));
  }
  values[op.getResult()] = std::move(*result);
  return Error::success();
}

} // namespace

Expected<std::vector<Tensor>> Interpreter::run(func::FuncOp function, ArrayRef<Tensor> inputs) {
  Operation *top = function;
  while (top->getParentOp())
    top = top->getParentOp();
  // Everything after this relies on the rules of GptOps.td.
  if (mlir::failed(verify(top)))
    return failure("the module breaks a rule of its dialects");
  Run run(*this);
  Expected<std::vector<Tensor>> results = run.call(function, inputs);
  if (!results)
    return results.takeError();
  for (auto &[name, value] : run.pending)
    variables[name] = std::move(value);
  return results;
}

} // namespace gptc::gpt
