#include "passes/codegen/loop_nest.h"

#include "passes/codegen/body_emitter.h"
#include "passes/codegen/reductions.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/TypeUtilities.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace gptc {

Range wholeRange(ImplicitLocOpBuilder &b, Extents &extents, const LoopDim &dim) {
  Range range;
  range.lower = constantIndex(b, 0);
  range.upper = extents.value(b, dim.count);
  range.trip = dim.isStatic() ? dim.bound : -1;
  range.multiple = dim.count.divisor();
  return range;
}

SmallVector<Value> emitFor(ImplicitLocOpBuilder &b, Value lower, Value upper, int64_t step, bool once,
                           ValueRange carried, llvm::function_ref<SmallVector<Value>(Value, ValueRange)> body) {
  if (once)
    return body(lower, carried);
  auto loop = scf::ForOp::create(b, lower, upper, constantIndex(b, step), carried);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  SmallVector<Value> next = body(loop.getInductionVar(), loop.getRegionIterArgs());
  if (!carried.empty()) {
    b.setInsertionPointToEnd(loop.getBody());
    scf::YieldOp::create(b, next);
  }
  return SmallVector<Value>(loop.getResults());
}

//===-- Choice of vectors ------------------------------------------------------===//

namespace {

SmallVector<bool> symbolsVary(const OpPlan &plan, int vectorDim) {
  SmallVector<bool> vary;
  for (unsigned i = 0; i < plan.numIndices; ++i)
    vary.push_back(variesAlong(plan.reads[i], vectorDim, {}));
  return vary;
}

int64_t widestScalar(const OpPlan &plan) {
  int64_t bits = 32;
  auto look = [&](Type type) {
    if (type.isIntOrFloat())
      bits = std::max<int64_t>(bits, type.getIntOrFloatBitWidth());
  };
  if (plan.body)
    for (Operation &op : *plan.body) {
      for (Value operand : op.getOperands())
        look(operand.getType());
      for (Type type : op.getResultTypes())
        look(type);
    }
  for (const Access &read : plan.reads)
    look(read.element);
  for (const auto &places : plan.writes)
    for (const Access &write : places)
      look(write.element);
  return bits;
}

/// Relative cost of one vector access.
double accessCost(const Access &access, int dim, ArrayRef<bool> vary, int64_t lanes) {
  if (!access.memref || access.producer >= 0 || !variesAlong(access, dim, vary))
    return 0.1;
  bool vectorSymbol = false;
  for (auto [k, varies] : llvm::enumerate(vary))
    vectorSymbol |= varies && access.offset.usesSymbol(unsigned(k));
  if (!vectorSymbol && (access.offset.dims[dim] == 1 || access.offset.dims[dim] == 0))
    return access.guards.empty() ? 1 : 1.5;
  return 1 + 0.8 * lanes;
}

} // namespace

VectorChoice chooseVector(Group group, unsigned rows, int64_t vectorBits) {
  int64_t bits = 32, cost = 0;
  for (OpPlan *plan : group) {
    bits = std::max(bits, widestScalar(*plan));
    cost += 1 + (plan->body ? bodyCost(plan->body) : 0);
  }
  bool scatter = isa_and_nonnull<gpt::ScatterOp>(group.front()->op);
  VectorChoice best;
  double bestCost = 0;
  ArrayRef<LoopDim> dims = group.front()->dims;
  int64_t reductionSteps = 1;
  for (const LoopDim &dim : llvm::drop_begin(dims, rows))
    reductionSteps *= dim.reduction ? dim.bound : 1;
  for (unsigned d = rows; d < dims.size(); ++d) {
    // The terms of a scatter along a serial dimension may meet in one place.
    if (dims[d].bound < 2 || (scatter && dims[d].reduction))
      continue;
    int64_t lanes = std::min<int64_t>(vectorBits / bits, llvm::PowerOf2Ceil(dims[d].bound));
    double step = cost;
    bool reduces = false;
    for (OpPlan *plan : group) {
      SmallVector<bool> vary = symbolsVary(*plan, d);
      for (const Access &read : plan->reads)
        step += accessCost(read, d, vary, lanes);
      reduces |= plan->reduction && plan->dims[d].reduction;
      if (!plan->reduction)
        for (const auto &places : plan->writes)
          for (const Access &write : places)
            step += 1.2 * accessCost(write, d, vary, lanes);
    }
    // Joining lanes costs a dozen operations each time a sum is done.
    if (reduces)
      step += 12.0 * lanes / std::max<int64_t>(reductionSteps, 1);
    double elements = double(dims[d].bound) / llvm::divideCeil(dims[d].bound, lanes);
    step /= elements;
    if (best.dim >= 0 && step >= bestCost)
      continue;
    bestCost = step;
    best.dim = d;
    best.lanes = lanes;
  }
  if (best.dim < 0)
    return best;
  bool anyReduction = llvm::any_of(group, [](OpPlan *plan) { return plan->reduction.has_value(); });
  if (!anyReduction)
    return best;
  // Several accumulators hide the latency of an addition. Long bodies hide it
  // themselves.
  int64_t most = cost > 24 ? 1 : cost > 12 ? 2 : 4;
  while (best.unroll < most && best.unroll * 2 * best.lanes <= dims[best.dim].bound)
    best.unroll *= 2;
  return best;
}

//===-- Emission ---------------------------------------------------------------===//

namespace {

class NestEmitter {
public:
  NestEmitter(ImplicitLocOpBuilder &b, Extents &extents, Group group, unsigned rows, ArrayRef<Range> ranges,
              const VectorChoice &choice, Registers &registers, ArrayRef<AskAhead> ahead)
      : b(b), extents(extents), group(group), rows(rows), ranges(ranges), choice(choice), registers(registers),
        ahead(ahead) {
    ArrayRef<LoopDim> dims = group.front()->dims;
    for (OpPlan *plan : group) {
      if (plan->reduction)
        reductions.push_back(plan);
      values.emplace_back(plan->reads.size());
    }
    // Parallel dimensions outside, then those that are reduced; in each part the
    // vector's dimension last.
    bool separate = group.size() == 1 && group.front()->reduction;
    for (bool reduced : {false, true})
      for (bool isVector : {false, true})
        for (unsigned d = rows; d < dims.size(); ++d)
          if ((separate && dims[d].reduction) == reduced && (int(d) == choice.dim) == isVector)
            order.push_back(d);
    reductionStart = 0;
    if (separate)
      while (reductionStart < order.size() && !dims[order[reductionStart]].reduction)
        ++reductionStart;
    acrossLanes = choice.dim >= 0 && llvm::find(order, unsigned(choice.dim)) - order.begin() >= int(reductionStart);
    point.coordinates.resize(dims.size());
    for (unsigned d = 0; d < rows; ++d)
      point.coordinates[d] = ranges[d].lower;
    active = acrossLanes ? choice.unroll : 1;
  }

  void emit() { level(0, {}); }

private:
  ImplicitLocOpBuilder &b;
  Extents &extents;
  Group group;
  unsigned rows;
  ArrayRef<Range> ranges;
  VectorChoice choice;
  Registers &registers;
  ArrayRef<AskAhead> ahead;
  SmallVector<OpPlan *> reductions;
  SmallVector<unsigned> order;  // loops from the outside in
  unsigned reductionStart = 0;  // the first loop inside of the accumulators
  bool acrossLanes = false;     // the vector's dimension is reduced
  bool inReduction = false;
  Point point;
  int64_t active = 1;           // vectors that are open at this place
  // For each plan and read, one value a vector (or one for all).
  SmallVector<SmallVector<SmallVector<Value, 4>>> values;

  Point pointOf(int64_t u) {
    Point moved = point;
    if (u > 0 && choice.dim >= 0)
      moved.coordinates[choice.dim] =
          addIndex(b, point.coordinates[choice.dim], constantIndex(b, u * choice.lanes));
    if (point.coordinates.empty() || choice.dim < 0 || !point.coordinates[choice.dim])
      moved.vectorDim = -1;
    return moved;
  }

  unsigned levelOf(const OpPlan &plan, const Access &access) {
    unsigned result = 0;
    for (auto [position, dim] : llvm::enumerate(order))
      if (access.usesDim(dim))
        result = position + 1;
    for (unsigned k = 0; k < plan.numIndices; ++k) {
      bool used = access.offset.usesSymbol(k);
      for (const Guard &guard : access.guards)
        used |= guard.index.usesSymbol(k);
      if (used)
        result = std::max(result, levelOf(plan, plan.reads[k]));
    }
    return result;
  }

  SmallVector<Value> symbolsOf(unsigned p, int64_t u) {
    SmallVector<Value> symbols;
    for (unsigned k = 0; k < group[p]->numIndices; ++k)
      symbols.push_back(valueOf(p, k, u));
    return symbols;
  }

  Value valueOf(unsigned p, unsigned read, int64_t u) {
    auto &known = values[p][read];
    return known.size() == 1 ? known.front() : known[u];
  }

  /// Loads what depends on the first `position` loops and no further one.
  void preload(unsigned position) {
    for (auto [p, plan] : llvm::enumerate(group)) {
      SmallVector<bool> vary = symbolsVary(*plan, choice.dim);
      for (auto [r, access] : llvm::enumerate(plan->reads)) {
        if (access.producer >= 0 || levelOf(*plan, access) != position)
          continue;
        auto &loaded = values[p][r];
        loaded.clear();
        if (!access.memref) {
          loaded.push_back(registers.lookup(access.tensor));
          continue;
        }
        int64_t count = variesAlong(access, choice.dim, vary) ? openVectors() : 1;
        for (int64_t u = 0; u < count; ++u)
          loaded.push_back(emitLoad(b, extents, access, pointOf(u), symbolsOf(p, u)));
      }
    }
  }

  /// For a later row's element. It waits in the second cache, for the first one is busy with this row.
  void askFor(const AskAhead &next, int64_t u) {
    constexpr int64_t line = 64;
    if (u * choice.lanes * (storageType(next.read.element).getIntOrFloatBitWidth() / 8) % line != 0)
      return;
    Point later = pointOf(u);
    later.coordinates[rows - 1] = addIndex(b, later.coordinates[rows - 1], constantIndex(b, next.rows));
    emitPrefetch(b, extents, next.read, later, /*write=*/false, /*second=*/true);
  }

  /// Vectors evaluated at this place: where lanes are reduced, the loop's own step.
  int64_t openVectors() const { return acrossLanes ? step : active; }
  int64_t step = 1;

  SmallVector<Value> level(unsigned position, SmallVector<Value> carried) {
    if (position == reductionStart && !reductions.empty() && !inReduction) {
      inReduction = true;
      SmallVector<Value> initial;
      for (OpPlan *plan : reductions)
        for (int64_t u = 0; u < active; ++u)
          initial.push_back(neutralOf(b, *plan->reduction, accumulatorType(*plan)));
      for (OpPlan *plan : reductions)
        if (looksForNaN(*plan))
          initial.push_back(zeroOf(b, VectorType::get(choice.lanes, b.getI1Type())));
      finish(level(position, initial));
      inReduction = false;
      return {};
    }
    preload(position);
    if (position == order.size())
      return evaluate(carried);
    unsigned dim = order[position];
    if (int(dim) == choice.dim)
      return vectorLoop(position, carried);
    const Range &range = ranges[dim];
    return emitFor(b, range.lower, range.upper, 1, range.trip == 1, carried, [&](Value iv, ValueRange args) {
      point.coordinates[dim] = iv;
      return level(position + 1, SmallVector<Value>(args));
    });
  }

  Type accumulatorType(OpPlan &plan) {
    Type element = getElementTypeOrSelf(plan.op->getResult(0).getType());
    return choice.dim >= 0 && choice.lanes > 1 ? Type(VectorType::get(choice.lanes, element)) : element;
  }

  /// Maxima across lanes have one more accumulator for all of their vectors: where a term was NaN.
  bool looksForNaN(OpPlan &plan) {
    auto type = dyn_cast<VectorType>(accumulatorType(plan));
    return acrossLanes && type && isa<FloatType>(type.getElementType()) && plan.reduction == gpt::ReductionKind::max;
  }

  SmallVector<Value> vectorLoop(unsigned position, SmallVector<Value> carried) {
    const Range &range = ranges[choice.dim];
    int64_t lanes = choice.lanes;
    Value length = b.createOrFold<arith::SubIOp>(range.upper, range.lower);
    Value start = range.lower;
    auto wholeSteps = [&](int64_t size) {
      Value whole = b.createOrFold<arith::AndIOp>(length, constantIndex(b, -size));
      return addIndex(b, range.lower, whole);
    };
    auto run = [&](Value from, Value to, int64_t vectors, bool once) {
      if (!acrossLanes)
        active = vectors;
      step = vectors;
      carried = emitFor(b, from, to, vectors * lanes, once, carried, [&](Value iv, ValueRange args) {
        point.coordinates[choice.dim] = iv;
        point.vectorDim = lanes > 1 ? choice.dim : -1;
        point.lanes = lanes;
        SmallVector<Value> next = level(position + 1, SmallVector<Value>(args));
        point.coordinates[choice.dim] = Value();
        point.vectorDim = -1;
        return next;
      });
    };
    int64_t left = range.trip; // -1: unknown
    for (int64_t vectors : {choice.unroll, int64_t(1)}) {
      int64_t size = vectors * lanes;
      if (left == 0 || (left > 0 && left < size))
        continue;
      if (vectors == 1 && choice.unroll > 1 && range.multiple % (choice.unroll * lanes) == 0)
        continue;
      Value end = range.multiple % size == 0 ? range.upper : wholeSteps(size);
      run(start, end, vectors, left >= 0 && left < 2 * size);
      start = end;
      if (left > 0)
        left %= size;
      if (choice.unroll == 1)
        break;
    }
    if (lanes == 1 || left == 0 || range.multiple % lanes == 0)
      return carried;
    // The last, incomplete vector.
    auto tail = [&] {
      Value rest = b.createOrFold<arith::SubIOp>(range.upper, start);
      point.mask = vector::CreateMaskOp::create(b, VectorType::get(lanes, b.getI1Type()), rest);
      run(start, range.upper, 1, /*once=*/true);
      point.mask = Value();
    };
    if (left > 0) {
      tail();
      return carried;
    }
    Value incomplete = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, start, range.upper);
    SmallVector<Type> types(ValueRange(carried).getTypes());
    auto branch = scf::IfOp::create(b, types, incomplete, /*addThenBlock=*/true, /*addElseBlock=*/!types.empty());
    SmallVector<Value> before = carried;
    {
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToStart(branch.thenBlock());
      if (types.empty())
        scf::YieldOp::create(b), b.setInsertionPointToStart(branch.thenBlock());
      tail();
      if (!types.empty()) {
        scf::YieldOp::create(b, carried);
        b.setInsertionPointToStart(branch.elseBlock());
        scf::YieldOp::create(b, before);
      }
    }
    carried.assign(branch.getResults().begin(), branch.getResults().end());
    return carried;
  }

  /// The bodies at the current point, for each open vector; sums go on top of `carried`.
  SmallVector<Value> evaluate(SmallVector<Value> carried) {
    int64_t vectors = openVectors();
    SmallVector<SmallVector<Value, 4>> terms(reductions.size());
    for (int64_t u = 0; u < vectors; ++u) {
      Point here = pointOf(u);
      for (const AskAhead &next : ahead)
        askFor(next, u);
      SmallVector<SmallVector<Value>> yielded;
      unsigned reduction = 0;
      for (auto [p, plan] : llvm::enumerate(group)) {
        SmallVector<Value> elements;
        for (auto [r, access] : llvm::enumerate(plan->reads))
          elements.push_back(access.producer >= 0 ? yielded[access.producer][access.result] : valueOf(p, r, u));
        yielded.push_back(bodyOf(*plan, here, elements));
        if (isa_and_nonnull<gpt::ScatterOp>(plan->op)) {
          for (const Access &place : plan->writes.front())
            emitAccumulate(b, extents, place, here, symbolsOf(p, u), yielded.back().front());
          continue;
        }
        if (plan->accumulates) {
          for (const Access &place : plan->writes.front())
            emitAccumulate(b, extents, place, here, {}, yielded.back().front());
          continue;
        }
        if (plan->reduction) {
          terms[reduction].push_back(accumulate(*plan, carried[reduction * active + u], yielded.back().front(), here));
          ++reduction;
          continue;
        }
        for (auto [result, places] : llvm::enumerate(plan->writes))
          write(places, here, yielded.back()[result]);
      }
    }
    unsigned flag = reductions.size() * active;
    for (auto [r, plan] : llvm::enumerate(reductions))
      if (looksForNaN(*plan))
        findNaN(carried[flag++], terms[r]);
    return carried;
  }

  /// Two vectors a comparison.
  void findNaN(Value &found, ArrayRef<Value> terms) {
    for (size_t i = 0; i < terms.size(); i += 2) {
      Value other = terms[std::min(i + 1, terms.size() - 1)];
      Value unordered = arith::CmpFOp::create(b, arith::CmpFPredicate::UNO, terms[i], other);
      found = arith::OrIOp::create(b, found, unordered);
    }
  }

  SmallVector<Value> bodyOf(OpPlan &plan, const Point &here, ArrayRef<Value> elements) {
    if (!plan.body)
      return {zeroOf(b, plan.writes.front().front().element)};
    return emitBody(b, extents, plan.body, plan.opDims, plan.dimOf, here, elements);
  }

  void write(ArrayRef<Access> places, const Point &here, Value value) {
    for (const Access &place : places) {
      if (place.memref)
        emitStore(b, extents, place, here, value);
      else
        registers[place.tensor] = value;
    }
  }

  /// Returns the term as it was taken.
  Value accumulate(OpPlan &plan, Value &accumulator, Value term, const Point &here) {
    if (isa<VectorType>(accumulator.getType())) {
      term = broadcast(b, term, choice.lanes);
      if (acrossLanes && here.mask)
        term = arith::SelectOp::create(b, here.mask, term, neutralOf(b, *plan.reduction, term.getType()));
    }
    accumulator = combine(b, *plan.reduction, accumulator, term, looksForNaN(plan) ? Terms::Numbers : Terms::Any);
    return term;
  }

  /// Accumulators to results.
  void finish(SmallVector<Value> sums) {
    unsigned flag = reductions.size() * active;
    for (auto [k, plan] : llvm::enumerate(reductions)) {
      auto own = ArrayRef<Value>(sums).slice(k * active, active);
      if (!acrossLanes) {
        for (int64_t u = 0; u < active; ++u)
          write(plan->writes.front(), pointOf(u), own[u]);
        continue;
      }
      Terms terms = looksForNaN(*plan) ? Terms::Numbers : Terms::Any;
      Value total = combineTree(b, *plan->reduction, own, terms);
      if (isa<VectorType>(total.getType()))
        total = combineLanes(b, *plan->reduction, total, terms);
      if (terms == Terms::Numbers) {
        Value any = vector::ReductionOp::create(b, vector::CombiningKind::OR, sums[flag++]);
        auto type = cast<FloatType>(total.getType());
        Value nan = arith::ConstantOp::create(b, b.getFloatAttr(type, APFloat::getNaN(type.getFloatSemantics())));
        total = arith::SelectOp::create(b, any, nan, total);
      }
      write(plan->writes.front(), pointOf(0), total);
    }
  }
};

} // namespace

void emitGroup(ImplicitLocOpBuilder &b, Extents &extents, Group group, unsigned rows, ArrayRef<Range> ranges,
               const VectorChoice &choice, Registers &registers, ArrayRef<AskAhead> ahead) {
  NestEmitter(b, extents, group, rows, ranges, choice, registers, ahead).emit();
}

} // namespace gptc
