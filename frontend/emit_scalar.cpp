// Scalar expressions to the bodies of structured ops.
#include "frontend/emit.h"

#include <algorithm>
#include <cmath>

namespace gptc::typed {

unsigned Emitter::Generic::placeOf(Var *var) const {
  return unsigned(std::find(space.begin(), space.end(), var) - space.begin());
}

mlir::AffineExpr Emitter::affine(const Linear &form, const Generic &generic) {
  mlir::AffineExpr result = mlir::getAffineConstantExpr(form.constant, context);
  for (auto &[var, factor] : form.terms)
    result = mlir::getAffineDimExpr(generic.placeOf(var), context) * factor + result;
  return result;
}

/// The number of the index operand that holds this integer expression.
unsigned Emitter::indexOperand(const Node *node, Generic &generic) {
  mlir::Value value;
  std::vector<mlir::AffineExpr> results;
  bool direct = node->op == Op::Load;
  for (const Node *operand : node->operands) {
    if (!direct)
      break;
    std::optional<Linear> form = operand->op == Op::Merge ? std::nullopt : linearForm(operand);
    direct = form.has_value();
    if (direct)
      results.push_back(affine(*form, generic));
  }
  if (direct) {
    value = emit(node->tensor, generic.state);
  } else {
    const NodeTensor &tensor = emitNode(node, generic);
    value = tensor.value;
    results.clear();
    for (Var *var : tensor.dims)
      results.push_back(mlir::getAffineDimExpr(generic.placeOf(var), context));
  }
  mlir::AffineMap map = mlir::AffineMap::get(generic.space.size(), 0, results, context);
  for (unsigned i = 0; i < generic.indices.size(); ++i)
    if (generic.indices[i] == value && generic.indexMaps[i] == map)
      return i;
  generic.indices.push_back(value);
  generic.indexMaps.push_back(map);
  return unsigned(generic.indices.size() - 1);
}

void Emitter::addInput(const Node *node, mlir::Value value, mlir::AffineMap map, Generic &generic) {
  for (unsigned i = 0; i < generic.inputs.size(); ++i)
    if (generic.inputs[i] == value && generic.inputMaps[i] == map) {
      generic.leaves[node] = i;
      return;
    }
  generic.leaves[node] = unsigned(generic.inputs.size());
  generic.inputs.push_back(value);
  generic.inputMaps.push_back(map);
}

void Emitter::addLoad(const Node *node, Generic &generic) {
  mlir::Value value = emit(node->tensor, generic.state);
  std::vector<mlir::AffineExpr> results;
  llvm::SmallVector<gpt::DimAttr> split;
  bool merged = false;
  for (size_t i = 0; i < node->operands.size(); ++i) {
    const Node *index = node->operands[i];
    bool plainMerge = index->op == Op::Merge && std::all_of(index->operands.begin(), index->operands.end(),
                                                            [](const Node *n) { return n->op == Op::Index; });
    if (plainMerge) {
      // (h e) of an axis: split the axis, then use both.
      merged = true;
      for (size_t j = 0; j < index->operands.size(); ++j) {
        split.push_back(dimOf(index->bound[j]));
        results.push_back(mlir::getAffineDimExpr(generic.placeOf(index->operands[j]->var), context));
      }
      continue;
    }
    split.push_back(gpt::dimsOf(value)[i]);
    if (std::optional<Linear> form = linearForm(index))
      results.push_back(affine(*form, generic));
    else
      results.push_back(mlir::getAffineSymbolExpr(indexOperand(index, generic), context));
  }
  if (merged) {
    State *home = generic.state;
    value = reshape(value, gpt::tensorType(context, split, elementType(node->tensor->type)), home,
                    locate(node->span));
  }
  // The number of symbols is settled when all index operands are known.
  addInput(node, value, mlir::AffineMap::get(generic.space.size(), 64, results, context), generic);
}

void Emitter::collect(const Node *node, Generic &generic, std::set<const Node *> &seen) {
  if (!seen.insert(node).second)
    return;
  if (node->op == Op::Load)
    return addLoad(node, generic);
  if (node->op == Op::Reduce || generic.factors.count(node)) {
    const NodeTensor &tensor = emitNode(node, generic);
    std::vector<mlir::AffineExpr> results;
    for (Var *var : tensor.dims)
      results.push_back(mlir::getAffineDimExpr(generic.placeOf(var), context));
    return addInput(node, tensor.value, mlir::AffineMap::get(generic.space.size(), 64, results, context), generic);
  }
  for (const Node *operand : node->operands)
    collect(operand, generic, seen);
}

/// The remainder of integers, with the divisor's sign, so that it is an index; 0 where the divisor is 0. A processor
/// stops at a division by 0 and at that of the lowest integer by -1: neither divides, in no lane, wanted or not.
static mlir::Value remainder(const Node *node, mlir::Value dividend, mlir::Value divisor, mlir::OpBuilder &b,
                             mlir::Location loc) {
  namespace arith = mlir::arith;
  using arith::CmpIPredicate;
  const Node *by = node->operands[1];
  bool known = by->op == Op::Const;
  auto number = [&](int32_t value) -> mlir::Value {
    return arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(value));
  };
  auto compare = [&](CmpIPredicate predicate, mlir::Value x, mlir::Value y) -> mlir::Value {
    return arith::CmpIOp::create(b, loc, predicate, x, y);
  };
  if (known && std::fabs(by->number) <= 1)
    return number(0);
  mlir::Value safe = divisor;
  if (!known) {
    mlir::Value next = arith::AddIOp::create(b, loc, divisor, number(1)); // 1 or 0 of 0 and -1
    safe = arith::SelectOp::create(b, loc, compare(CmpIPredicate::ule, next, number(1)), number(1), divisor);
  }
  mlir::Value rest = arith::RemSIOp::create(b, loc, dividend, safe);
  bool isIndex = node->operands[0]->op == Op::Index;
  if (known && by->number > 0 && isIndex)
    return rest;
  mlir::Value apart; // the rest has the dividend's sign
  if (known)
    apart = compare(by->number > 0 ? CmpIPredicate::slt : CmpIPredicate::sgt, rest, number(0));
  else
    apart = arith::AndIOp::create(
        b, loc, compare(CmpIPredicate::ne, rest, number(0)),
        compare(CmpIPredicate::slt, arith::XOrIOp::create(b, loc, rest, divisor), number(0)));
  return arith::SelectOp::create(b, loc, apart, arith::AddIOp::create(b, loc, rest, divisor), rest);
}

/// A float without what is behind the point; the next integer of 32 bits where there is none, 0 of NaN.
static mlir::Value wholeNumber(mlir::Value x, mlir::OpBuilder &b, mlir::Location loc) {
  namespace arith = mlir::arith;
  using arith::CmpFPredicate;
  auto number = [&](double value) -> mlir::Value {
    return arith::ConstantOp::create(b, loc, b.getFloatAttr(x.getType(), value));
  };
  auto whole = [&](int32_t value) -> mlir::Value {
    return arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(value));
  };
  auto compare = [&](CmpFPredicate predicate, double limit) -> mlir::Value {
    return arith::CmpFOp::create(b, loc, predicate, x, number(limit));
  };
  constexpr double limit = 2147483648.0; // in any float type
  mlir::Value above = compare(CmpFPredicate::OGE, limit), below = compare(CmpFPredicate::OLT, -limit);
  mlir::Value inside =
      arith::AndIOp::create(b, loc, compare(CmpFPredicate::OLT, limit), compare(CmpFPredicate::OGE, -limit));
  mlir::Value safe = arith::SelectOp::create(b, loc, inside, x, number(0));
  mlir::Value result = arith::FPToSIOp::create(b, loc, b.getI32Type(), safe);
  result = arith::SelectOp::create(b, loc, above, whole(INT32_MAX), result);
  return arith::SelectOp::create(b, loc, below, whole(INT32_MIN), result);
}

mlir::Value Emitter::scalar(const Node *node, const Generic &generic, mlir::OpBuilder &b, mlir::Location loc,
                            mlir::ValueRange arguments, std::map<const Node *, mlir::Value> &done) {
  auto found = done.find(node);
  if (found != done.end())
    return found->second;
  namespace arith = mlir::arith;
  namespace math = mlir::math;
  auto constant = [&](double number, Type type) -> mlir::Value {
    if (type == Type::Float)
      return arith::ConstantOp::create(b, loc, b.getFloatAttr(floatType, number));
    return arith::ConstantOp::create(b, loc, b.getIntegerAttr(elementType(type), int64_t(number)));
  };
  mlir::Value result;
  auto leaf = generic.leaves.find(node);
  if (leaf != generic.leaves.end()) {
    result = arguments[generic.indices.size() + leaf->second];
    return done[node] = result;
  }
  std::vector<mlir::Value> in;
  if (node->op != Op::Merge)
    for (const Node *operand : node->operands)
      in.push_back(scalar(operand, generic, b, loc, arguments, done));
  bool isFloat = node->type == Type::Float;
  bool ofFloats = !node->operands.empty() && node->operands[0]->type == Type::Float;
  auto compare = [&](arith::CmpFPredicate floats, arith::CmpIPredicate ints) -> mlir::Value {
    if (ofFloats)
      return arith::CmpFOp::create(b, loc, floats, in[0], in[1]);
    return arith::CmpIOp::create(b, loc, ints, in[0], in[1]);
  };
#define EITHER(F, I)                                                                                         \
  isFloat ? mlir::Value(arith::F::create(b, loc, in[0], in[1]))                                              \
          : mlir::Value(arith::I::create(b, loc, in[0], in[1]))
  switch (node->op) {
  case Op::Const: result = constant(node->number, node->type); break;
  case Op::Index: result = gpt::IndexOp::create(b, loc, b.getI32Type(), generic.placeOf(node->var)); break;
  case Op::Merge: {
    std::optional<Linear> form = linearForm(node);
    result = constant(double(form->constant), Type::Int);
    for (auto &[var, factor] : form->terms) {
      mlir::Value index = gpt::IndexOp::create(b, loc, b.getI32Type(), generic.placeOf(var));
      index = arith::MulIOp::create(b, loc, index, constant(double(factor), Type::Int));
      result = arith::AddIOp::create(b, loc, result, index);
    }
    break;
  }
  case Op::Load:
  case Op::Reduce: break; // leaves
  case Op::Random: result = gpt::RandomOp::create(b, loc, floatType, uint32_t(node->site), in); break;
  case Op::Add: result = EITHER(AddFOp, AddIOp); break;
  case Op::Sub: result = EITHER(SubFOp, SubIOp); break;
  case Op::Mul: result = EITHER(MulFOp, MulIOp); break;
  case Op::Div: result = arith::DivFOp::create(b, loc, in[0], in[1]); break;
  case Op::Rem: result = remainder(node, in[0], in[1], b, loc); break;
  case Op::Neg:
    result = isFloat ? mlir::Value(arith::NegFOp::create(b, loc, in[0]))
                     : mlir::Value(arith::SubIOp::create(b, loc, constant(0, Type::Int), in[0]));
    break;
  case Op::Max: result = EITHER(MaximumFOp, MaxSIOp); break;
  case Op::Min: result = EITHER(MinimumFOp, MinSIOp); break;
  case Op::Less: result = compare(arith::CmpFPredicate::OLT, arith::CmpIPredicate::slt); break;
  case Op::LessEq: result = compare(arith::CmpFPredicate::OLE, arith::CmpIPredicate::sle); break;
  case Op::Equal: result = compare(arith::CmpFPredicate::OEQ, arith::CmpIPredicate::eq); break;
  case Op::NotEqual: result = compare(arith::CmpFPredicate::UNE, arith::CmpIPredicate::ne); break;
  case Op::And: result = arith::AndIOp::create(b, loc, in[0], in[1]); break;
  case Op::Or: result = arith::OrIOp::create(b, loc, in[0], in[1]); break;
  case Op::Not: result = arith::XOrIOp::create(b, loc, in[0], constant(1, Type::Bool)); break;
  case Op::Select: result = arith::SelectOp::create(b, loc, in[0], in[1], in[2]); break;
  case Op::Exp: result = math::ExpOp::create(b, loc, in[0]); break;
  case Op::Log: result = math::LogOp::create(b, loc, in[0]); break;
  case Op::Sqrt: result = math::SqrtOp::create(b, loc, in[0]); break;
  case Op::Rsqrt: result = math::RsqrtOp::create(b, loc, in[0]); break;
  case Op::Tanh: result = math::TanhOp::create(b, loc, in[0]); break;
  case Op::Erf: result = math::ErfOp::create(b, loc, in[0]); break;
  case Op::Sin: result = math::SinOp::create(b, loc, in[0]); break;
  case Op::Cos: result = math::CosOp::create(b, loc, in[0]); break;
  case Op::Abs: result = math::AbsFOp::create(b, loc, in[0]); break;
  case Op::StopGradient: result = gpt::StopGradientOp::create(b, loc, in[0]); break;
  case Op::ToFloat:
    result = node->operands[0]->type == Type::Bool
                 ? mlir::Value(arith::UIToFPOp::create(b, loc, floatType, in[0]))
                 : mlir::Value(arith::SIToFPOp::create(b, loc, floatType, in[0]));
    break;
  case Op::ToInt:
    result = node->operands[0]->type == Type::Bool
                 ? mlir::Value(arith::ExtUIOp::create(b, loc, b.getI32Type(), in[0]))
                 : wholeNumber(in[0], b, loc);
    break;
  }
#undef EITHER
  return done[node] = result;
}

} // namespace gptc::typed
