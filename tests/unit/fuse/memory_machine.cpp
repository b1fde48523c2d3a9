#include "unit/fuse/memory_machine.h"

#include "ir/rt/rt.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

#include <cstring>

using namespace mlir;
using gptc::gpt::Tensor;

namespace gptc::test {
namespace {

int64_t bytesOf(Type element) { return (element.getIntOrFloatBitWidth() + 7) / 8; }

void store(char *at, Type element, double value) {
  auto put = [&](auto number) { std::memcpy(at, &number, sizeof number); };
  if (element.isF64())
    put(value);
  else if (element.isF32())
    put(static_cast<float>(value));
  else if (element.isInteger(32))
    put(static_cast<int32_t>(value));
  else
    put(static_cast<int8_t>(value));
}

double load(const char *at, Type element) {
  auto get = [&](auto number) {
    std::memcpy(&number, at, sizeof number);
    return static_cast<double>(number);
  };
  if (element.isF64())
    return get(double());
  if (element.isF32())
    return get(float());
  if (element.isInteger(32))
    return get(int32_t());
  return get(int8_t());
}

std::vector<char> encode(const Tensor &tensor, Type element) {
  std::vector<char> bytes(tensor.data.size() * bytesOf(element) + 64);
  for (size_t i = 0; i < tensor.data.size(); ++i)
    store(bytes.data() + i * bytesOf(element), element, tensor.data[i]);
  return bytes;
}

class Machine {
public:
  Machine(MemoryMachine &state, ModuleOp module) : state(state), module(module) {}

  llvm::Error prepare(ArrayRef<Tensor> inputs) {
    arena.assign(module->getAttrOfType<IntegerAttr>("rt.arena_bytes").getInt(), '\xff'); // NaN in any float type
    for (auto [i, entry] : llvm::enumerate(module->getAttrOfType<ArrayAttr>("rt.inputs"))) {
      auto type = cast<TypeAttr>(cast<DictionaryAttr>(entry).get("type")).getValue();
      memories.push_back(encode(inputs[i], cast<RankedTensorType>(type).getElementType()));
    }
    for (auto variable : module.getOps<gpt::VariableOp>()) {
      auto known = state.variables.find(variable.getSymName().str());
      if (known == state.variables.end())
        return llvm::createStringError("no value for a variable");
      variables[variable.getSymName().str()] = encode(known->second, variable.getTensorType().getElementType());
    }
    return llvm::Error::success();
  }

  std::vector<Tensor> finish() {
    for (auto variable : module.getOps<gpt::VariableOp>()) {
      Tensor &tensor = state.variables[variable.getSymName().str()];
      Type element = variable.getTensorType().getElementType();
      for (size_t i = 0; i < tensor.data.size(); ++i)
        tensor.data[i] = load(variables[variable.getSymName().str()].data() + i * bytesOf(element), element);
    }
    std::vector<Tensor> results;
    for (Attribute entry : module->getAttrOfType<ArrayAttr>("rt.results")) {
      auto fields = cast<DictionaryAttr>(entry);
      auto type = cast<RankedTensorType>(cast<TypeAttr>(fields.get("type")).getValue());
      results.push_back(read(arena.data() + cast<IntegerAttr>(fields.get("offset")).getInt(), type));
    }
    return results;
  }

  llvm::Error run(Block &block) {
    for (Operation &op : block.without_terminator())
      if (llvm::Error error = run(op))
        return error;
    return llvm::Error::success();
  }

private:
  static Tensor read(const char *at, RankedTensorType type) {
    Tensor tensor = Tensor::zeros(type.getShape());
    for (size_t i = 0; i < tensor.data.size(); ++i)
      tensor.data[i] = load(at + i * bytesOf(type.getElementType()), type.getElementType());
    return tensor;
  }

  static int64_t sizeOf(Value view) {
    auto type = cast<MemRefType>(view.getType());
    return type.getNumElements() * bytesOf(type.getElementType());
  }

  llvm::Error look(Value view, std::vector<char> &memory, int64_t offset) {
    if (offset < 0 || offset + sizeOf(view) > static_cast<int64_t>(memory.size()))
      return llvm::createStringError("view outside of its memory");
    if (offset % bytesOf(cast<MemRefType>(view.getType()).getElementType()) != 0)
      return llvm::createStringError("view is not aligned to its elements");
    views[view] = memory.data() + offset;
    return llvm::Error::success();
  }

  llvm::Error run(Operation &op) {
    auto number = [&](unsigned i) { return numbers.lookup(op.getOperand(i)); };
    if (auto constant = dyn_cast<arith::ConstantOp>(op)) {
      numbers[constant] = cast<IntegerAttr>(constant.getValue()).getInt();
    } else if (isa<arith::AddIOp>(op)) {
      numbers[op.getResult(0)] = number(0) + number(1);
    } else if (isa<arith::SubIOp>(op)) {
      numbers[op.getResult(0)] = number(0) - number(1);
    } else if (isa<arith::MulIOp>(op)) {
      numbers[op.getResult(0)] = number(0) * number(1);
    } else if (isa<arith::AndIOp>(op)) {
      numbers[op.getResult(0)] = number(0) & number(1);
    } else if (isa<arith::XOrIOp>(op)) {
      numbers[op.getResult(0)] = number(0) ^ number(1);
    } else if (isa<arith::IndexCastOp>(op)) {
      numbers[op.getResult(0)] = number(0);
    } else if (auto store_ = dyn_cast<memref::StoreOp>(op)) {
      store(views.lookup(store_.getMemRef()), store_.getMemRefType().getElementType(), number(0));
    } else if (auto loop = dyn_cast<scf::ForOp>(op)) {
      for (int64_t i = number(0); i < number(1); i += number(2)) {
        numbers[loop.getInductionVar()] = i;
        if (llvm::Error error = run(*loop.getBody()))
          return error;
      }
    } else if (auto view = dyn_cast<rt::ArenaOp>(op)) {
      return look(view, arena, number(0));
    } else if (auto view = dyn_cast<rt::VariableOp>(op)) {
      return look(view, variables[view.getVariable().str()], number(0));
    } else if (auto view = dyn_cast<rt::InputOp>(op)) {
      return look(view, memories[view.getPosition()], 0);
    } else if (auto constant = dyn_cast<rt::ConstantOp>(op)) {
      return runConstant(constant);
    } else if (auto launch = dyn_cast<rt::LaunchOp>(op)) {
      return runLaunch(launch);
    } else {
      return llvm::createStringError("unknown op " + op.getName().getStringRef());
    }
    return llvm::Error::success();
  }

  llvm::Error runConstant(rt::ConstantOp constant) {
    std::vector<char> &bytes = constants[constant];
    auto value = cast<DenseElementsAttr>(constant.getValue());
    Type element = value.getElementType();
    Tensor tensor = Tensor::zeros({value.getNumElements()});
    size_t i = 0;
    if (isa<FloatType>(element)) {
      for (const APFloat &number : value.getValues<APFloat>()) {
        APFloat wide = number;
        bool lossy;
        wide.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &lossy);
        tensor.data[i++] = wide.convertToDouble();
      }
    } else {
      for (const APInt &number : value.getValues<APInt>())
        tensor.data[i++] = number.getSExtValue();
    }
    bytes = encode(tensor, element);
    return look(constant, bytes, 0);
  }

  llvm::Error runLaunch(rt::LaunchOp launch) {
    auto kernel = module.lookupSymbol<func::FuncOp>(launch.getKernel());
    size_t numInputs = kernel.getNumArguments();
    auto arguments = launch.getArguments();
    if (arguments.size() != numInputs + kernel.getNumResults())
      return llvm::createStringError("wrong number of arguments for @" + launch.getKernel());
    std::vector<Tensor> inputs;
    for (size_t i = 0; i < numInputs; ++i)
      inputs.push_back(read(views.lookup(arguments[i]), cast<RankedTensorType>(kernel.getArgumentTypes()[i])));
    for (size_t r = numInputs; r < arguments.size(); ++r)
      for (size_t i = 0; i < r; ++i) {
        char *a = views.lookup(arguments[r]), *b = views.lookup(arguments[i]);
        bool same = a == b && i < numInputs && sizeOf(arguments[r]) == sizeOf(arguments[i]);
        if (!same && a < b + sizeOf(arguments[i]) && b < a + sizeOf(arguments[r]))
          return llvm::createStringError("a result of @" + launch.getKernel() + " overlaps an argument");
      }
    gpt::Interpreter interpreter;
    interpreter.extents = state.extents;
    auto results = interpreter.run(kernel, inputs);
    if (!results)
      return results.takeError();
    for (auto [i, result] : llvm::enumerate(*results)) {
      Value view = arguments[numInputs + i];
      Type element = cast<MemRefType>(view.getType()).getElementType();
      for (size_t k = 0; k < result.data.size(); ++k)
        store(views.lookup(view) + k * bytesOf(element), element, result.data[k]);
    }
    return llvm::Error::success();
  }

  MemoryMachine &state;
  ModuleOp module;
  std::vector<char> arena;
  std::vector<std::vector<char>> memories; // of inputs
  std::map<std::string, std::vector<char>> variables;
  std::map<Operation *, std::vector<char>> constants;
  llvm::DenseMap<Value, char *> views;
  llvm::DenseMap<Value, int64_t> numbers;
};

} // namespace

llvm::Expected<std::vector<Tensor>> MemoryMachine::run(ModuleOp module, ArrayRef<Tensor> inputs) {
  Machine machine(*this, module);
  if (llvm::Error error = machine.prepare(inputs))
    return std::move(error);
  if (llvm::Error error = machine.run(module.lookupSymbol<func::FuncOp>("main").front()))
    return std::move(error);
  return machine.finish();
}

} // namespace gptc::test
