// gpt-place: the program becomes launches on memory.
#include "ir/rt/rt.h"
#include "passes/fuse/destinations.h"
#include "passes/fuse/kept.h"
#include "passes/fuse/places.h"
#include "passes/fuse/space.h"
#include "passes/passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace gptc::gpt;
using gptc::fuse::Place;
using gptc::fuse::Places;

namespace gptc {
#define GEN_PASS_DEF_PLACEPASS
#include "passes/Passes.h.inc"

namespace {

/// All memory is flat; Bool takes a byte.
MemRefType flatType(Type tensor, const Limits &limits) {
  Type element = cast<RankedTensorType>(tensor).getElementType();
  if (element.isInteger(1))
    element = IntegerType::get(element.getContext(), 8);
  return MemRefType::get({elementsOf(tensor, limits)}, element);
}

/// The same elements in the shape and type of their memory.
ElementsAttr flatConstant(ElementsAttr value) {
  auto dense = dyn_cast<DenseElementsAttr>(value);
  if (!dense)
    return value;
  auto type = RankedTensorType::get({dense.getNumElements()}, dense.getElementType());
  if (!dense.getElementType().isInteger(1))
    return dense.reshape(type);
  SmallVector<int8_t> bytes = llvm::map_to_vector(dense.getValues<bool>(), [](bool b) { return int8_t(b); });
  return DenseElementsAttr::get(type.clone(IntegerType::get(type.getContext(), 8)), ArrayRef<int8_t>(bytes));
}

/// Writes the new body of `main` from the old one.
class Emitter {
public:
  Emitter(const Places &places, Block *block, const Limits &limits)
      : places(places), builder(OpBuilder::atBlockEnd(block)), limits(limits) {}

  void emitBlock(Block &block) {
    for (Operation &op : block) {
      if (auto launch = dyn_cast<gpt::LaunchOp>(op))
        emitLaunch(launch);
      else if (auto store = dyn_cast<StoreOp>(op))
        emitStore(store);
      else if (auto repeat = dyn_cast<RepeatOp>(op))
        emitRepeat(repeat);
    }
  }

  void emitReturn(Location loc) { func::ReturnOp::create(builder, loc); }

private:
  /// What a running loop knows; values are made at the start of its body when first asked for.
  struct Loop {
    scf::ForOp op;
    bool reverse = false;
    int64_t count = 0;
    Value copy, turn, otherTurn;
  };

  Value index(OpBuilder &at, Location loc, int64_t value) { return arith::ConstantIndexOp::create(at, loc, value); }

  Value loopValue(Loop &loop, Place::Term::Kind kind) {
    Location loc = loop.op.getLoc();
    Value counter = loop.op.getInductionVar();
    OpBuilder start = OpBuilder::atBlockBegin(loop.op.getBody());
    auto parity = [&](int64_t flip) -> Value {
      Value bit = arith::AndIOp::create(start, loc, counter, index(start, loc, 1));
      return flip ? arith::XOrIOp::create(start, loc, bit, index(start, loc, 1)).getResult() : bit;
    };
    switch (kind) {
    case Place::Term::Copy:
      if (!loop.copy)
        loop.copy = loop.reverse
                        ? arith::SubIOp::create(start, loc, index(start, loc, loop.count - 1), counter).getResult()
                        : counter;
      return loop.copy;
    case Place::Term::Turn:
      return loop.turn ? loop.turn : loop.turn = parity(0);
    case Place::Term::OtherTurn:
      return loop.otherTurn ? loop.otherTurn : loop.otherTurn = parity(1);
    }
    llvm_unreachable("all kinds are handled");
  }

  Value view(Location loc, Value tensor) {
    const Place &place = places.values.at(tensor);
    MemRefType type = flatType(tensor.getType(), limits);
    if (place.base == Place::Constant)
      return rt::ConstantOp::create(builder, loc, type, flatConstant(place.constant));
    if (place.base == Place::Input)
      return rt::InputOp::create(builder, loc, type, place.position);
    int64_t start = place.offset + (place.base == Place::Arena ? places.buffers[place.buffer].offset : 0);
    Value offset = index(builder, loc, start);
    for (const Place::Term &term : place.terms) {
      Value factor = loopValue(loops.find(term.repeat)->second, term.kind);
      Value bytes = arith::MulIOp::create(builder, loc, factor, index(builder, loc, term.stride));
      offset = arith::AddIOp::create(builder, loc, offset, bytes);
    }
    if (place.base == Place::Variable)
      return rt::VariableOp::create(builder, loc, type, place.variable, offset);
    return rt::ArenaOp::create(builder, loc, type, offset);
  }

  void emitLaunch(gpt::LaunchOp launch) {
    SmallVector<Value> arguments;
    for (ValueRange tensors : {ValueRange(launch.getInputs()), ValueRange(launch.getResults())})
      for (Value tensor : tensors)
        arguments.push_back(view(launch.getLoc(), tensor));
    // Lowering asks: what is written where it was read is in the caches already.
    auto kernel = SymbolTable::lookupNearestSymbolFrom<func::FuncOp>(launch, launch.getKernelAttr());
    for (auto [i, result] : llvm::enumerate(launch.getResults())) {
      const Place &to = places.values.at(result);
      if (llvm::any_of(launch.getInputs(), [&](Value input) { return places.values.at(input) == to; }))
        kernel.setResultAttr(i, "gpt.in_place", builder.getUnitAttr());
    }
    rt::LaunchOp::create(builder, launch.getLoc(), launch.getKernelAttr(), arguments);
  }

  void emitStore(StoreOp store) {
    SmallVector<Value> arguments = {view(store.getLoc(), store.getValue())};
    if (store.getAt())
      arguments.push_back(view(store.getLoc(), store.getAt()));
    arguments.push_back(view(store.getLoc(), store.getState()));
    rt::LaunchOp::create(builder, store.getLoc(), store.getKernelAttr(), arguments);
  }

  void emitRepeat(RepeatOp repeat) {
    Location loc = repeat.getLoc();
    auto op = scf::ForOp::create(builder, loc, index(builder, loc, 0), index(builder, loc, repeat.getCount()),
                                 index(builder, loc, 1));
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPoint(op.getBody()->getTerminator());
    Loop loop;
    loop.op = op;
    loop.reverse = repeat.getReverse();
    loop.count = repeat.getCount();
    loops[repeat] = loop;
    if (places.values.contains(repeat.getCopyArgument())) {
      // Kernels take memory, so the number goes through memory.
      Value copy = loopValue(loops[repeat], Place::Term::Copy);
      Value number = arith::IndexCastOp::create(builder, loc, builder.getI32Type(), copy);
      memref::StoreOp::create(builder, loc, number, view(loc, repeat.getCopyArgument()),
                              ValueRange{index(builder, loc, 0)});
    }
    emitBlock(*repeat.getBlock());
  }

  const Places &places;
  OpBuilder builder;
  Limits limits;
  llvm::DenseMap<Operation *, Loop> loops;
};

struct PlaceProgram : impl::PlacePassBase<PlaceProgram> {
  /// {name, type, dims} of an argument or result; the name from its attribute `key`.
  SmallVector<NamedAttribute> describe(Builder &builder, DictionaryAttr attributes, StringRef key, StringRef fallback,
                                       Type type) {
    SmallVector<NamedAttribute> entry;
    Attribute name = attributes ? attributes.get(key) : Attribute();
    entry.push_back(builder.getNamedAttr("name", name ? name : builder.getStringAttr(fallback)));
    entry.push_back(builder.getNamedAttr("type", TypeAttr::get(type)));
    if (DimsAttr dims = dimsOf(type))
      entry.push_back(builder.getNamedAttr("dims", dims));
    if (attributes && attributes.contains("gpt.per_example"))
      entry.push_back(builder.getNamedAttr("per_example", builder.getUnitAttr()));
    return entry;
  }

  /// `rt.largest`: {name, bytes, at} of the largest value, for errors that say what memory is needed for.
  void describeLargest(Builder &builder, const Places &places) {
    const auto *largest = llvm::max_element(places.buffers, [](const fuse::Buffer &a, const fuse::Buffer &b) {
      return a.bytes < b.bytes;
    });
    if (largest == places.buffers.end())
      return;
    getOperation()->setAttr("rt.largest",
                            builder.getDictionaryAttr(
                                {builder.getNamedAttr("name", builder.getStringAttr(fuse::nameOf(largest->loc))),
                                 builder.getNamedAttr("bytes", builder.getI64IntegerAttr(largest->bytes)),
                                 builder.getNamedAttr("at", LocationAttr(largest->loc))}));
  }

  /// `rt.kept`: {name, bytes, at} of what waits for the backward half; `rt.kept_bytes`: all of it.
  void describeKept(Builder &builder, func::FuncOp main, const Places &places) {
    SmallVector<Attribute> kept;
    int64_t total = 0;
    for (const fuse::Kept &buffer : fuse::keptBuffers(main, places)) {
      total += buffer.bytes;
      StringRef name = fuse::nameOf(buffer.loc);
      if (name.empty())
        name = fuse::nameOf(buffer.value.getLoc());
      SmallVector<NamedAttribute> entry = {
          builder.getNamedAttr("name", builder.getStringAttr(name)),
          builder.getNamedAttr("bytes", builder.getI64IntegerAttr(buffer.bytes))};
      entry.push_back(builder.getNamedAttr("at", LocationAttr(buffer.loc)));
      kept.push_back(builder.getDictionaryAttr(entry));
    }
    if (kept.empty())
      return;
    getOperation()->setAttr("rt.kept", builder.getArrayAttr(kept));
    getOperation()->setAttr("rt.kept_bytes", builder.getI64IntegerAttr(total));
  }

  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto main = module.lookupSymbol<func::FuncOp>("main");
    if (!main || main.isExternal()) {
      module.emitError() << "module has no program @main";
      return signalPassFailure();
    }
    WalkResult legal = main.walk([&](Operation *op) {
      if (op == main || isa<GetOp, SetOp, StoreOp, gpt::ConstantOp, ReshapeOp, RepeatOp, gpt::LaunchOp, gpt::YieldOp,
                            func::ReturnOp>(op))
        return WalkResult::advance();
      op->emitOpError() << "has no place in memory; outline kernels first";
      return WalkResult::interrupt();
    });
    if (legal.wasInterrupted())
      return signalPassFailure();

    fuse::Destinations destinations = fuse::planDestinations(module, main);
    FailureOr<Places> places = fuse::assignPlaces(main, destinations);
    if (failed(places))
      return signalPassFailure();

    Builder builder(&getContext());
    SmallVector<Attribute> inputs, results;
    for (auto [i, type] : llvm::enumerate(main.getArgumentTypes()))
      inputs.push_back(builder.getDictionaryAttr(
          describe(builder, main.getArgAttrDict(i), "gpt.input", "input" + std::to_string(i), type)));
    for (auto [i, value] : llvm::enumerate(main.front().getTerminator()->getOperands())) {
      const Place &place = places->values.at(value);
      SmallVector<NamedAttribute> entry = describe(builder, main.getResultAttrDict(i), "gpt.output",
                                                   "output" + std::to_string(i), value.getType());
      int64_t offset = places->buffers[place.buffer].offset + place.offset;
      entry.push_back(builder.getNamedAttr("offset", builder.getI64IntegerAttr(offset)));
      results.push_back(builder.getDictionaryAttr(entry));
    }
    module->setAttr("rt.inputs", builder.getArrayAttr(inputs));
    module->setAttr("rt.results", builder.getArrayAttr(results));
    module->setAttr("rt.arena_bytes", builder.getI64IntegerAttr(places->arenaBytes));
    describeLargest(builder, *places);
    describeKept(builder, main, *places);

    // The old body stands beside the new one while that is written.
    Block *before = &main.front(), *after = new Block();
    main.getBody().push_back(after);
    Emitter emitter(*places, after, Limits::of(module));
    emitter.emitBlock(*before);
    emitter.emitReturn(before->getTerminator()->getLoc());
    before->dropAllReferences();
    before->dropAllDefinedValueUses();
    before->erase();
    main.setArgAttrsAttr({});
    main.setResAttrsAttr({});
    main.setFunctionType(builder.getFunctionType({}, {}));
  }
};

} // namespace
} // namespace gptc
