// Programs: functions, variables, the module's attributes.
#include "frontend/emit.h"

#include <algorithm>

namespace gptc::typed {

Emitter::Emitter(mlir::MLIRContext *context, Elaborated &model, const SourceManager &sources, bool f64)
    : context(context), model(model), sources(sources), builder(context) {
  context->loadDialect<gpt::GptDialect, mlir::func::FuncDialect, mlir::arith::ArithDialect,
                       mlir::math::MathDialect>();
  floatType = f64 ? mlir::Type(builder.getF64Type()) : mlir::Type(builder.getF32Type());
}

mlir::OwningOpRef<mlir::ModuleOp> Emitter::emit(gptc::Program program, const std::vector<std::string> &show,
                                                const std::vector<Tensor *> &params,
                                                const std::string &source) {
  mlir::OwningOpRef<mlir::ModuleOp> owner(mlir::ModuleOp::create(builder.getUnknownLoc()));
  module = *owner;
  moduleAttributes(program, source);
  emitVariables(params);
  if (program == gptc::Program::Init)
    emitInit(params);
  else
    emitMain(program, show, params);
  if (program == gptc::Program::Train && model.learningRate)
    emitLearningRate();
  return owner;
}

void Emitter::moduleAttributes(gptc::Program program, const std::string &source) {
  llvm::SmallVector<llvm::StringRef> names;
  llvm::SmallVector<int64_t> bounds;
  if (program != gptc::Program::Init)
    for (auto &[name, bound] : model.extents)
      if (std::find(names.begin(), names.end(), name) == names.end()) {
        names.push_back(name);
        bounds.push_back(bound);
      }
  module->setAttr("gpt.extents", builder.getStrArrayAttr(names));
  module->setAttr("gpt.bounds", builder.getI64ArrayAttr(bounds));
  module->setAttr("gpt.source", builder.getStringAttr(source));
  llvm::SmallVector<mlir::NamedAttribute> settings;
  for (const SettingValue &setting : model.settings)
    settings.push_back(builder.getNamedAttr(setting.name, builder.getF64FloatAttr(setting.value)));
  module->setAttr("gpt.settings", builder.getDictionaryAttr(settings));
  auto found = model.train.find("optimizer");
  if (program != gptc::Program::Train || found == model.train.end())
    return;
  const ConfigValue &optimizer = found->second;
  std::map<std::string, double> numbers;
  if (optimizer.word == "adamw")
    numbers = {{"beta1", 0.9}, {"beta2", 0.999}, {"eps", 1e-8}, {"decay", 0.01}, {"decay_min_rank", 2}};
  else
    numbers = {{"momentum", 0}, {"decay", 0}, {"decay_min_rank", 2}};
  for (auto &[name, value] : optimizer.arguments) {
    if (name == "betas") {
      numbers["beta1"] = value.arguments[0].second.number;
      numbers["beta2"] = value.arguments[1].second.number;
    } else if (!name.empty() && name != "lr") {
      numbers[name] = value.number;
    }
  }
  auto clip = model.train.find("clip");
  if (clip != model.train.end())
    numbers["clip"] = clip->second.number;
  auto average = model.train.find("average");
  if (average != model.train.end()) {
    numbers["average"] = average->second.number;
    for (auto &[name, value] : average->second.arguments)
      numbers[name == "from" ? "average_from" : "average"] = value.number;
  }
  llvm::SmallVector<mlir::NamedAttribute> attributes = {
      builder.getNamedAttr("kind", builder.getStringAttr(optimizer.word))};
  for (auto &[name, value] : numbers)
    attributes.push_back(builder.getNamedAttr(name, builder.getF64FloatAttr(value)));
  module->setAttr("gpt.optimizer", builder.getDictionaryAttr(attributes));
}

void Emitter::emitVariables(const std::vector<Tensor *> &params) {
  builder.setInsertionPointToEnd(module.getBody());
  for (Tensor *param : params) {
    llvm::SmallVector<llvm::StringRef> path(param->pathParts.begin(), param->pathParts.end());
    gpt::VariableOp::create(builder, locate(param->span, param->path), builder.getStringAttr(param->path),
                            mlir::TypeAttr::get(paramType(param)), builder.getUnitAttr(),
                            builder.getI64IntegerAttr(int64_t(param->copyCounts.size())),
                            builder.getStrArrayAttr(path), /*positions=*/mlir::IntegerAttr());
  }
}

/// A function whose arguments are the inputs that its body turned out to need.
/// `named` puts names on arguments and results.
void Emitter::emitFunction(
    llvm::StringRef name, Span span, bool named,
    llvm::function_ref<void(std::vector<std::pair<std::string, mlir::Value>> &)> body) {
  builder.setInsertionPointToEnd(module.getBody());
  auto op = mlir::func::FuncOp::create(builder, locate(span), name, builder.getFunctionType({}, {}));
  states.emplace_back();
  function = &states.back();
  function->block = op.addEntryBlock();
  argumentAttributes.clear();
  repeats.clear();
  std::vector<std::pair<std::string, mlir::Value>> outputs;
  body(outputs);
  llvm::SmallVector<mlir::Value> values;
  llvm::SmallVector<mlir::Type> types;
  llvm::SmallVector<mlir::Attribute> resultAttributes;
  for (auto &[output, value] : outputs) {
    values.push_back(value);
    types.push_back(value.getType());
    resultAttributes.push_back(
        builder.getDictionaryAttr({builder.getNamedAttr("gpt.output", builder.getStringAttr(output))}));
  }
  builder.setInsertionPointToEnd(function->block);
  mlir::func::ReturnOp::create(builder, locate(span), values);
  op.setFunctionType(builder.getFunctionType(function->block->getArgumentTypes(), types));
  if (!named)
    return;
  op.setArgAttrsAttr(builder.getArrayAttr(argumentAttributes));
  op.setResAttrsAttr(builder.getArrayAttr(resultAttributes));
}

Tensor *Emitter::shown(const Value &value) {
  const Node *node = value.node;
  Tensor *tensor = node->op == Op::Load ? node->tensor : nullptr;
  std::vector<Var *> dims;
  for (Var *var : node->free)
    if (!std::count(value.axes.begin(), value.axes.end(), var))
      dims.push_back(var);
  dims.insert(dims.end(), value.axes.begin(), value.axes.end());
  bool same = tensor && dims.size() == node->operands.size();
  for (size_t i = 0; same && i < dims.size(); ++i)
    same = plainIndex(node->operands[i]) == dims[i];
  if (!same) {
    Tensor *copy = model.graph.makeTensor(Tensor::Let, "", dims, node->type, value.span);
    copy->body = node;
    copy->region = tensor ? tensor->region : nullptr;
    tensor = copy;
  }
  // A value inside of repeat: one for each copy, stacked.
  while (tensor->region && tensor->kind != Tensor::Param) {
    Region *region = tensor->region;
    std::vector<Var *> stackedDims = tensor->dims;
    stackedDims.insert(stackedDims.begin(),
                       model.graph.makeVar(Dim{region->name, region->count, "", false, region->span}));
    Tensor *stack =
        model.graph.makeTensor(Tensor::Stack, tensor->name, stackedDims, tensor->type, tensor->span);
    stack->of = region;
    stack->position = region->stackSources.size();
    stack->region = region->parent;
    region->stackSources.push_back(tensor);
    region->stacks.push_back(stack);
    tensor = stack;
  }
  return tensor;
}

/// How many terms a mean over the batch has, on average for each example; null
/// where that is the same for all.
Tensor *Emitter::countOf(const Tensor *mean) {
  if (mean->kind != Tensor::BatchMean || !mean->count->body || mean->count->body->op == Op::Const)
    return nullptr;
  Tensor *one = model.graph.makeTensor(Tensor::Let, "", {}, Type::Float, mean->span);
  one->body = model.graph.constant(1, mean->span, false);
  Tensor *count = model.graph.makeTensor(Tensor::BatchMean, "", {}, Type::Float, mean->span);
  count->source = mean->count;
  count->count = one;
  count->hasBatchMean = true;
  return count;
}

void Emitter::emitMain(gptc::Program program, const std::vector<std::string> &show,
                       const std::vector<Tensor *> &params) {
  std::vector<std::pair<std::string, Tensor *>> wanted;
  if (program == gptc::Program::Outputs) {
    wanted = model.outputs;
  } else {
    if (model.loss)
      wanted.push_back({"loss", model.loss});
    // Under names of their own: a report may be called "loss" or "lr", too.
    for (auto &[name, tensor] : model.reports)
      wanted.push_back({"report." + name, tensor});
    // Means over several batches need to know what each is over.
    for (size_t i = 0, n = program == gptc::Program::Eval ? wanted.size() : 0; i < n; ++i)
      if (Tensor *count = countOf(wanted[i].second))
        wanted.push_back({wanted[i].first + ".count", count});
  }
  for (const std::string &name : show) {
    for (auto &[path, value] : model.values)
      if (path == name)
        wanted.push_back({name, shown(value)});
    for (Tensor *param : params)
      if (param->path == name)
        wanted.push_back({name, param});
  }
  Span span = wanted.empty() ? Span() : wanted[0].second->span;
  emitFunction("main", span, true, [&](std::vector<std::pair<std::string, mlir::Value>> &outputs) {
    for (auto &[name, tensor] : wanted)
      outputs.push_back({name, emit(tensor, function)});
  });
}

void Emitter::emitLearningRate() {
  emitFunction("learning_rate", model.learningRate->span, false,
               [&](std::vector<std::pair<std::string, mlir::Value>> &outputs) {
                 mlir::Value rate = emit(model.learningRate, function);
                 if (function->block->getNumArguments() == 0) // a constant rate
                   function->block->addArgument(typeOf({}, Type::Int), builder.getUnknownLoc());
                 outputs.push_back({"lr", rate});
               });
}

void Emitter::emitInit(const std::vector<Tensor *> &params) {
  Span span = params.empty() ? Span() : params[0]->span;
  emitFunction("main", span, true, [&](std::vector<std::pair<std::string, mlir::Value>> &) {
    Tensor *seed = scratch.makeTensor(Tensor::Input, "seed", {}, Type::Int, span);
    mlir::Value seedValue = emit(seed, function);
    (void)seedValue; // an argument, also where nothing is random
    for (Tensor *param : params) {
      std::vector<Var *> dims;
      for (size_t i = 0, at = 0; i < param->pathParts.size(); ++i)
        if (param->pathParts[i] == "*")
          dims.push_back(
              scratch.makeVar(Dim{param->pathParts[i - 1], param->copyCounts[at++], "", false, Span()}));
      dims.insert(dims.end(), param->dims.begin(), param->dims.end());
      auto uniform = [&](const char *which) {
        Node node;
        node.op = Op::Random;
        node.span = param->span;
        node.site = stableHash(param->path + which);
        node.operands.push_back(scratch.load(seed, {}, param->span));
        for (Var *var : dims)
          node.operands.push_back(scratch.index(var, param->span));
        return scratch.make(std::move(node));
      };
      auto number = [&](double n) { return scratch.constant(n, param->span, false); };
      auto op = [&](Op kind, std::vector<const Node *> operands) {
        return scratch.op(kind, Type::Float, std::move(operands), param->span);
      };
      const Node *value = param->init.value;
      if (param->init.kind == Initialiser::Uniform) {
        value = op(Op::Add, {number(param->init.first),
                             op(Op::Mul, {uniform("#0"), number(param->init.second - param->init.first)})});
      } else if (param->init.kind == Initialiser::Normal) {
        // Box and Muller; 1 - u is never 0.
        const Node *radius =
            op(Op::Sqrt, {op(Op::Mul, {number(-2), op(Op::Log, {op(Op::Sub, {number(1), uniform("#0")})})})});
        const Node *angle = op(Op::Mul, {number(6.283185307179586), uniform("#1")});
        value = op(Op::Mul, {op(Op::Mul, {radius, op(Op::Cos, {angle})}), number(param->init.first)});
      }
      mlir::Location loc = locate(param->span, param->path);
      mlir::Value tensor = reshape(emitOver(value, dims, function, loc), paramType(param), function, loc);
      builder.setInsertionPointToEnd(function->block);
      gpt::SetOp::create(builder, loc, param->path, tensor);
    }
  });
}

} // namespace gptc::typed
