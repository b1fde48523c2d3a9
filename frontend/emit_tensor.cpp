// Tensors to structured ops.
#include "frontend/emit.h"

#include "llvm/Support/SaveAndRestore.h"

#include <algorithm>

namespace gptc::typed {

mlir::Type Emitter::elementType(Type type) {
  return type == Type::Float ? floatType : mlir::Type(builder.getIntegerType(type == Type::Int ? 32 : 1));
}

gpt::DimAttr Emitter::dimOf(const Var *var) {
  const Dim &range = *var->range;
  llvm::StringRef name = var->name.empty() ? llvm::StringRef("i") : llvm::StringRef(var->name);
  return range.isDynamic() ? gpt::DimAttr::getBounded(context, name, range.size, range.extent)
                           : gpt::DimAttr::getStatic(context, name, range.size);
}

mlir::RankedTensorType Emitter::typeOf(const std::vector<Var *> &dims, Type type) {
  llvm::SmallVector<gpt::DimAttr> attributes;
  for (const Var *var : dims)
    attributes.push_back(dimOf(var));
  return gpt::tensorType(context, attributes, elementType(type));
}

mlir::RankedTensorType Emitter::paramType(const Tensor *param) {
  mlir::RankedTensorType type = typeOf(param->dims, param->type);
  size_t at = param->copyCounts.size();
  for (size_t i = param->pathParts.size(); i-- > 0;)
    if (param->pathParts[i] == "*") // the name before the number is the repeat's
      type = gpt::RepeatOp::stackType(type, param->copyCounts[--at], param->pathParts[i - 1]);
  return type;
}

mlir::Location Emitter::locate(Span span, const std::string &name) {
  mlir::Location loc = mlir::UnknownLoc::get(context);
  if (span.valid()) {
    SourceManager::Place place = sources.place(span);
    loc = mlir::FileLineColLoc::get(context, sources.name(span.file), place.line, place.column);
  }
  return name.empty() ? loc : mlir::Location(mlir::NameLoc::get(builder.getStringAttr(name), loc));
}

/// The tensors that this one is made of, in the order in which emission meets them.
static std::vector<Tensor *> partsOf(const Tensor *tensor) {
  std::vector<Tensor *> parts;
  std::set<const Node *> seen;
  std::vector<const Node *> nodes = {tensor->body};
  while (!nodes.empty()) {
    const Node *node = nodes.back();
    nodes.pop_back();
    if (!node || !seen.insert(node).second)
      continue;
    if (node->tensor)
      parts.push_back(node->tensor);
    nodes.insert(nodes.end(), node->operands.rbegin(), node->operands.rend());
  }
  for (Tensor *part : {tensor->source, tensor->count})
    if (part)
      parts.push_back(part);
  if (tensor->kind == Tensor::Result || tensor->kind == Tensor::Stack)
    parts.insert(parts.end(), tensor->of->inits.begin(), tensor->of->inits.end());
  return parts;
}

void Emitter::emitBefore(Tensor *root, State *home) {
  std::set<const Tensor *> seen;
  std::vector<Tensor *> open = {root};
  while (!open.empty()) {
    Tensor *tensor = open.back();
    size_t before = open.size();
    if (seen.insert(tensor).second)
      for (Tensor *part : partsOf(tensor))
        if (part->region == home->region && part->kind != Tensor::Param && !seen.count(part) &&
            !home->tensors.count(part))
          open.push_back(part);
    if (open.size() > before)
      continue;
    open.pop_back();
    if (tensor != root)
      emit(tensor, home);
  }
}

mlir::Value Emitter::emit(Tensor *tensor, State *state) {
  // Where it belongs: this repeat, or something around it.
  State *home = state;
  if (tensor->kind == Tensor::Param)
    return emitParam(tensor, state);
  while (home->region && home->region != tensor->region)
    home = home->parent;
  auto found = home->tensors.find(tensor);
  if (found != home->tensors.end())
    return found->second;
  llvm::SaveAndRestore<int> level(nesting, nesting + 1);
  if (nesting % 128 == 0)
    emitBefore(tensor, home);
  mlir::Location loc = locate(tensor->span, tensor->path);
  mlir::Value value;
  switch (tensor->kind) {
  case Tensor::Let: value = emitOver(tensor->body, tensor->dims, home, loc); break;
  case Tensor::Input: value = emitInput(tensor, home); break;
  case Tensor::Constant: value = emitConstant(tensor, home); break;
  case Tensor::Reshape:
    value = reshape(emit(tensor->source, home), typeOf(tensor->dims, tensor->type), home, loc);
    break;
  case Tensor::BatchMean: {
    mlir::Value total = emit(tensor->source, home), count = emit(tensor->count, home);
    builder.setInsertionPointToEnd(home->block);
    value = gpt::BatchMeanOp::create(builder, loc, total.getType(), total, count);
    break;
  }
  case Tensor::Result:
  case Tensor::Stack: {
    if (!repeats.count(tensor->of) || repeats[tensor->of]->results.empty())
      emitRepeat(tensor->of, home);
    State *repeat = repeats[tensor->of];
    value =
        tensor->kind == Tensor::Result ? repeat->results[tensor->position] : repeat->stacks[tensor->position];
    break;
  }
  case Tensor::Copy: value = home->block->getArgument(0); break;
  case Tensor::Carried: value = home->block->getArgument(1 + tensor->position); break;
  case Tensor::Param: break;
  }
  home->tensors[tensor] = value;
  return value;
}

mlir::Value Emitter::emitParam(Tensor *tensor, State *state) {
  auto found = state->tensors.find(tensor);
  if (found != state->tensors.end())
    return found->second;
  mlir::Value value;
  mlir::Location loc = locate(tensor->span, tensor->path);
  if (!state->parent) {
    builder.setInsertionPointToEnd(state->block);
    value = gpt::GetOp::create(builder, loc, paramType(tensor), tensor->path);
  } else {
    mlir::Value outside = emitParam(tensor, state->parent);
    bool hasCopies = std::count(tensor->copyKeys.begin(), tensor->copyKeys.end(), state->region->key);
    value = outside;
    if (hasCopies) {
      auto type = gpt::RepeatOp::sliceType(llvm::cast<mlir::RankedTensorType>(outside.getType()));
      value = state->block->addArgument(type, loc);
      state->stacked.push_back({tensor, outside});
    }
  }
  state->tensors[tensor] = value;
  return value;
}

mlir::Value Emitter::emitInput(Tensor *tensor, State *state) {
  mlir::Value value =
      state->block->addArgument(typeOf(tensor->dims, tensor->type), locate(tensor->span, tensor->name));
  llvm::SmallVector<mlir::NamedAttribute> attributes = {
      builder.getNamedAttr("gpt.input", builder.getStringAttr(tensor->name))};
  if (tensor->perExample)
    attributes.push_back(builder.getNamedAttr("gpt.per_example", builder.getUnitAttr()));
  argumentAttributes.push_back(builder.getDictionaryAttr(attributes));
  return value;
}

mlir::Value Emitter::emitConstant(Tensor *tensor, State *state) {
  mlir::RankedTensorType type = typeOf(tensor->dims, tensor->type);
  mlir::DenseElementsAttr values;
  if (floatType.isF64()) {
    values = mlir::DenseElementsAttr::get(type, llvm::ArrayRef<double>(tensor->values));
  } else {
    std::vector<float> narrow(tensor->values.begin(), tensor->values.end());
    values = mlir::DenseElementsAttr::get(type, llvm::ArrayRef<float>(narrow));
  }
  builder.setInsertionPointToEnd(state->block);
  return gpt::ConstantOp::create(builder, locate(tensor->span, tensor->path), type, values);
}

mlir::Value Emitter::reshape(mlir::Value value, mlir::RankedTensorType type, State *state,
                             mlir::Location loc) {
  if (value.getType() == type)
    return value;
  mlir::Value &slot = state->reshapes[{value.getAsOpaquePointer(), type.getAsOpaquePointer()}];
  if (!slot) {
    builder.setInsertionPointToEnd(state->block);
    slot = gpt::ReshapeOp::create(builder, loc, type, value);
  }
  return slot;
}

void Emitter::emitRepeat(Region *region, State *outer) {
  states.emplace_back();
  State *state = &states.back();
  repeats[region] = state;
  state->parent = outer;
  state->region = region;
  state->block = new mlir::Block();
  mlir::Location loc = locate(region->span, region->name);
  std::vector<mlir::Value> inits;
  for (Tensor *init : region->inits)
    inits.push_back(emit(init, outer));
  state->block->addArgument(typeOf({}, Type::Int), loc);
  for (size_t i = 0; i < inits.size(); ++i)
    state->block->addArgument(inits[i].getType(),
                              locate(region->arguments[i]->span, region->arguments[i]->name));
  std::vector<mlir::Value> yields;
  for (size_t i = 0; i < inits.size(); ++i)
    yields.push_back(reshape(emit(region->nexts[i], state),
                             llvm::cast<mlir::RankedTensorType>(inits[i].getType()), state, loc));
  llvm::SmallVector<mlir::Type> carriedTypes, stackTypes;
  for (mlir::Value init : inits)
    carriedTypes.push_back(init.getType());
  for (Tensor *source : region->stackSources) {
    mlir::Value value = emit(source, state);
    yields.push_back(value);
    stackTypes.push_back(gpt::RepeatOp::stackType(llvm::cast<mlir::RankedTensorType>(value.getType()),
                                                  region->count, region->name));
  }
  builder.setInsertionPointToEnd(state->block);
  gpt::YieldOp::create(builder, loc, yields);
  std::vector<mlir::Value> stacked;
  for (auto &[param, value] : state->stacked)
    stacked.push_back(value);
  builder.setInsertionPointToEnd(outer->block);
  auto op =
      gpt::RepeatOp::create(builder, loc, carriedTypes, stackTypes, inits, stacked, region->count, false);
  if (op.getBody().empty())
    op.getBody().push_back(state->block);
  state->results.assign(op.getCarried().begin(), op.getCarried().end());
  state->stacks.assign(op.getStacks().begin(), op.getStacks().end());
}

const Emitter::NodeTensor &Emitter::emitNode(const Node *node, const Generic &user) {
  // What depends on nothing in this repeat belongs outside of it only if it is
  // a tensor there already; expressions stay where they are used.
  State *state = user.state;
  auto known = state->nodes.find(node);
  if (known != state->nodes.end())
    return known->second;
  NodeTensor made{{}, node->free};
  std::stable_sort(made.dims.begin(), made.dims.end(),
                   [&](Var *a, Var *b) { return user.placeOf(a) < user.placeOf(b); });
  made.value = emitOver(node, made.dims, state, locate(node->span));
  return state->nodes[node] = std::move(made);
}

mlir::Value Emitter::emitOver(const Node *node, const std::vector<Var *> &dims, State *state,
                              mlir::Location loc) {
  if (node->op == Op::Reduce) {
    std::vector<Var *> sorted = dims;
    std::sort(sorted.begin(), sorted.end(), [](const Var *a, const Var *b) { return a->id < b->id; });
    if (sorted == node->free)
      return emitGeneric(dims, node->bound, node->isMax, node->operands[0], state, loc);
  }
  return emitGeneric(dims, {}, false, node, state, loc);
}

/// Does one factor have an index that the other has not, and the other way round?
static bool isMatrixProduct(const Node *a, const Node *b) {
  auto has = [](const Node *x, const Node *y) {
    return std::any_of(x->free.begin(), x->free.end(),
                       [&](Var *var) { return !std::count(y->free.begin(), y->free.end(), var); });
  };
  return has(a, b) && has(b, a);
}

static bool isPlainLoad(const Node *node) {
  return node->op == Op::Load &&
         std::all_of(node->operands.begin(), node->operands.end(),
                     [](const Node *index) { return index->op == Op::Index || index->op == Op::Merge; });
}

mlir::Value Emitter::emitGeneric(const std::vector<Var *> &parallel, const std::vector<Var *> &reduced,
                                 bool isMax, const Node *body, State *state, mlir::Location loc) {
  Generic generic;
  generic.state = state;
  generic.space = parallel;
  generic.space.insert(generic.space.end(), reduced.begin(), reduced.end());
  if (!reduced.empty() && !isMax && body->op == Op::Mul &&
      isMatrixProduct(body->operands[0], body->operands[1]))
    for (const Node *factor : body->operands)
      if (!isPlainLoad(factor))
        generic.factors.insert(factor);
  std::set<const Node *> seen;
  collect(body, generic, seen);

  llvm::SmallVector<gpt::DimAttr> dims;
  std::set<std::string> names;
  for (Var *var : generic.space) {
    gpt::DimAttr dim = dimOf(var);
    std::string name = dim.getName().str();
    for (int n = 2; !names.insert(name).second; ++n)
      name = dim.getName().str() + std::to_string(n);
    dims.push_back(dim.renamed(name));
  }
  // A result keeps the names of its own dimensions.
  std::vector<mlir::Value> indices = generic.indices, inputs = generic.inputs;
  std::vector<mlir::AffineMap> maps;
  for (mlir::AffineMap map : generic.indexMaps)
    maps.push_back(mlir::AffineMap::get(generic.space.size(), 0, map.getResults(), context));
  for (mlir::AffineMap map : generic.inputMaps)
    maps.push_back(mlir::AffineMap::get(generic.space.size(), indices.size(), map.getResults(), context));
  std::optional<gpt::ReductionKind> kind;
  if (!reduced.empty())
    kind = isMax ? gpt::ReductionKind::max : gpt::ReductionKind::sum;
  builder.setInsertionPointToEnd(state->block);
  auto op = gpt::GenericOp::create(
      builder, loc, gpt::DimsAttr::get(context, dims), int64_t(parallel.size()), kind, indices, inputs, maps,
      [&](mlir::OpBuilder &b, mlir::Location inner, mlir::ValueRange arguments) {
        std::map<const Node *, mlir::Value> done;
        return llvm::SmallVector<mlir::Value>{scalar(body, generic, b, inner, arguments, done)};
      });
  return op.getResult(0);
}

} // namespace gptc::typed
