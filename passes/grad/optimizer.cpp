// gpt-optimizer: see passes/Passes.td.
#include "passes/grad/program.h"
#include "passes/grad/scalar.h"
#include "passes/grad/tensors.h"
#include "passes/passes.h"

#include "mlir/IR/IRMapping.h"
#include "mlir/IR/TypeUtilities.h"

#include <cmath>

namespace gptc {
#define GEN_PASS_DEF_OPTIMIZERPASS
#include "passes/Passes.h.inc"

namespace {
using namespace mlir;
using namespace gpt;
using namespace grad;

/// gpt.optimizer, checked.
struct Settings {
  bool adamw = false;
  double beta1 = 0, beta2 = 0, eps = 0; // adamw
  double momentum = 0;                  // sgd
  double decay = 0;
  int64_t decayMinRank = 0;
  std::optional<double> clip;
  std::optional<double> average; // share of the old average that is kept
  double averageFrom = 0;        // first step that the average is over
};

class SettingsReader {
public:
  SettingsReader(ModuleOp module, DictionaryAttr attributes) : module(module), attributes(attributes) {}

  LogicalResult read(Settings &settings) {
    auto kind = attributes.getAs<StringAttr>("kind");
    if (!kind || (kind != "adamw" && kind != "sgd")) {
      auto error = module.emitError() << "gpt.optimizer has ";
      if (kind)
        error << "kind " << kind << "; known are \"adamw\" and \"sgd\"";
      else
        error << "no kind (\"adamw\" or \"sgd\")";
      return error;
    }
    settings.adamw = kind == "adamw";
    double minRank = 0, clip = 0;
    LogicalResult result = success();
    auto number = [&](StringRef name, double &value, bool needed, double low, double high) {
      if (failed(readNumber(name, value, needed, low, high)))
        result = failure();
    };
    const double most = std::numeric_limits<double>::max();
    if (settings.adamw) {
      number("beta1", settings.beta1, true, 0, 1);
      number("beta2", settings.beta2, true, 0, 1);
      number("eps", settings.eps, true, 0, most);
    } else {
      number("momentum", settings.momentum, false, 0, 1);
    }
    number("decay", settings.decay, false, 0, most);
    number("decay_min_rank", minRank, false, 0, 1000);
    settings.decayMinRank = static_cast<int64_t>(minRank);
    if (attributes.contains("clip")) {
      number("clip", clip, true, 0, most);
      settings.clip = clip;
    }
    if (attributes.contains("average")) {
      double average = 0;
      number("average", average, true, 0, 1);
      number("average_from", settings.averageFrom, false, 0, most);
      settings.average = average;
    }
    return result;
  }

private:
  LogicalResult readNumber(StringRef name, double &value, bool needed, double low, double high) {
    Attribute attribute = attributes.get(name);
    if (!attribute)
      return needed ? module.emitError() << "gpt.optimizer lacks '" << name << "'" : success();
    if (auto number = dyn_cast<FloatAttr>(attribute))
      value = number.getValueAsDouble();
    else if (auto integer = dyn_cast<IntegerAttr>(attribute))
      value = static_cast<double>(integer.getInt());
    else
      return module.emitError() << "gpt.optimizer: '" << name << "' is not a number but " << attribute;
    if (!(value >= low && value <= high))
      return module.emitError() << "gpt.optimizer: '" << name << "' is " << value << ", not between " << low
                                << " and " << high;
    return success();
  }

  ModuleOp module;
  DictionaryAttr attributes;
};

struct Parameter {
  VariableOp variable;
  Value gradient;
};

/// Adds the update to the end of @main.
class UpdateBuilder {
public:
  UpdateBuilder(func::FuncOp main, const Settings &settings, SymbolTable &symbols)
      : settings(settings), symbols(symbols), builder(main.front().getTerminator()), loc(main.getLoc()),
        scalarMap(AffineMap::get(builder.getContext())), noDims(DimsAttr::get(builder.getContext(), {})) {}

  /// sqrt of the sum of squares of all gradients, rank 0, in f64.
  Value norm(ArrayRef<Parameter> parameters) {
    SmallVector<Value> squares;
    for (const Parameter &parameter : parameters)
      llvm::append_range(squares, squaresOf(parameter.gradient, 0));
    return onScalars(squares, [&](Scalars s, ValueRange args) -> SmallVector<Value> {
      return {root(s, args, args.size() / parameters.size())};
    })[0];
  }

  /// The norm of a parameter's gradient for each of its copies, and that of the
  /// parameter itself.
  std::pair<Value, Value> normsOfCopies(Parameter parameter) {
    VariableOp variable = parameter.variable;
    Value weight = GetOp::create(builder, variable.getLoc(), variable.getType(),
                                 FlatSymbolRefAttr::get(variable.getSymNameAttr()));
    return {normOfCopies(parameter.gradient, variable.getCopies()),
            normOfCopies(weight, variable.getCopies())};
  }

  Value normOfCopies(Value value, int64_t copies) {
    SmallVector<Value> squares = squaresOf(value, copies);
    SmallVector<AffineMap> maps(squares.size(), builder.getMultiDimIdentityMap(copies));
    return GenericOp::create(builder, value.getLoc(), dimsOf(squares[0]), copies, std::nullopt, ValueRange{},
                             squares, maps,
                             [](OpBuilder &b, Location l, ValueRange args) -> SmallVector<Value> {
                               return {root(Scalars{b, l}, args, args.size())};
                             })
        ->getResult(0);
  }

  /// Sums of squares for each of the copies in f64, where those of f32 cannot overflow. Of f64 there are
  /// two: the second one is of numbers times 2^-squareShift, for when the first one overflows. What
  /// underflows there is too small to count then.
  SmallVector<Value> squaresOf(Value value, int64_t copies) {
    Location at = value.getLoc();
    DimsAttr dims = dimsOf(value);
    std::optional<ReductionKind> sum;
    if (copies < dims.size())
      sum = ReductionKind::sum;
    SmallVector<double> scales = {1};
    if (getElementTypeOrSelf(value.getType()).isF64())
      scales.push_back(std::ldexp(1.0, -squareShift));
    SmallVector<Value> squares;
    for (double scale : scales)
      squares.push_back(GenericOp::create(builder, at, dims, copies, sum, ValueRange{}, value,
                                          builder.getMultiDimIdentityMap(dims.size()),
                                          [=](OpBuilder &b, Location l, ValueRange args) -> SmallVector<Value> {
                                            Scalars s{b, l};
                                            Value wide = s.cast(args[0], b.getF64Type());
                                            if (scale != 1)
                                              wide = s.mul(wide, scale);
                                            return {s.mul(wide, wide)};
                                          })
                            ->getResult(0));
    return squares;
  }

  /// The root of the sum of what squaresOf() returned, `each` sums for each value.
  static Value root(Scalars s, ValueRange squares, size_t each) {
    Type wide = s.builder.getF64Type();
    SmallVector<Value> totals(each, s.constant(wide, 0));
    for (auto [i, square] : llvm::enumerate(squares))
      totals[i % each] = s.add(totals[i % each], square);
    Value plain = s.unary<math::SqrtOp>(totals[0]);
    if (each == 1)
      return plain;
    Value scaled = s.mul(s.unary<math::SqrtOp>(totals[1]), std::ldexp(1.0, squareShift));
    Value fits = s.compare(arith::CmpFPredicate::OLT, plain,
                           s.constant(wide, std::numeric_limits<double>::infinity()));
    return s.select(fits, plain, scaled);
  }

  /// What all updates share, computed once a step in f64: clipping's scale, the
  /// step's length, its decay, what the second moment's root is divided by, and
  /// whether the step is finite (1, else 0), and the weight that the new
  /// parameters have in their average.
  void shareScalars(Value loss, Value norm, Value rate, Value step, Type element) {
    shared = onScalars({norm, rate, step, loss}, [&](Scalars s, ValueRange args) -> SmallVector<Value> {
      Type wide = s.builder.getF64Type();
      Value one = s.constant(wide, 1), rate = s.cast(args[1], wide), scale = one;
      if (settings.clip) {
        // As torch.nn.utils.clip_grad_norm_.
        Value room = s.add(s.cast(args[0], wide), s.constant(wide, 1e-6));
        scale =
            arith::MinimumFOp::create(s.builder, s.loc, one, s.div(s.constant(wide, *settings.clip), room));
      }
      Value length = rate, keep = s.sub(one, s.mul(rate, settings.decay)), root = one;
      if (settings.adamw) {
        Value count = s.add(arith::SIToFPOp::create(s.builder, s.loc, wide, args[2]), one);
        length = s.div(rate, s.sub(one, power(s, settings.beta1, count)));
        root = s.unary<math::SqrtOp>(s.sub(one, power(s, settings.beta2, count)));
      }
      // 0 * x is 0 for finite x only.
      Value spoilt = s.add(s.mul(s.cast(args[0], wide), 0), s.mul(s.cast(args[3], wide), 0));
      Value zero = s.constant(wide, 0);
      Value finite = s.select(s.compare(arith::CmpFPredicate::OEQ, spoilt, zero), one, zero);
      SmallVector<Value> values = {scale, length, keep, root, finite};
      if (settings.average) {
        // (1 - d) / (1 - d^n) for the n-th parameters averaged: what a sum with
        // weights d^age divided by the sum of weights comes to.
        Value count = s.sub(arith::SIToFPOp::create(s.builder, s.loc, wide, args[2]),
                            s.constant(wide, settings.averageFrom - 1));
        count = arith::MaximumFOp::create(s.builder, s.loc, count, one);
        values.push_back(
            s.div(s.constant(wide, 1 - *settings.average), s.sub(one, power(s, *settings.average, count))));
      }
      for (Value &value : values)
        value = s.cast(value, element);
      return values;
    });
  }

  LogicalResult update(const Parameter &parameter) {
    SmallVector<StringRef> states;
    if (settings.adamw)
      states = {"m", "v"};
    else if (settings.momentum > 0)
      states = {"momentum"};
    if (settings.average)
      states.push_back("average");
    VariableOp variable = parameter.variable;
    SmallVector<VariableOp> targets = {variable};
    for (StringRef state : states) {
      VariableOp added = addState(targets.back(), variable, state);
      if (!added)
        return failure();
      targets.push_back(added);
    }
    SmallVector<Value> inputs;
    for (VariableOp target : targets)
      inputs.push_back(GetOp::create(builder, variable.getLoc(), target.getType(),
                                     FlatSymbolRefAttr::get(target.getSymNameAttr())));
    inputs.push_back(parameter.gradient);
    llvm::append_range(inputs, shared);

    DimsAttr dims = dimsOf(variable.getType());
    AffineMap none = AffineMap::get(dims.size(), 0, builder.getContext());
    SmallVector<AffineMap> maps(targets.size() + 1, builder.getMultiDimIdentityMap(dims.size()));
    maps.append(shared.size(), none);
    bool decays = settings.decay != 0 && variable.getDeclaredRank() >= settings.decayMinRank;
    auto updated =
        GenericOp::create(builder, variable.getLoc(), dims, dims.size(), std::nullopt, ValueRange{}, inputs,
                          maps, [&](OpBuilder &b, Location l, ValueRange args) {
                            Scalars s{b, l};
                            SmallVector<Value> own(args);
                            Value average, weight;
                            if (settings.average) {
                              average = own[targets.size() - 1], weight = own.back();
                              own.erase(own.begin() + (targets.size() - 1));
                            }
                            auto next = settings.adamw ? adamw(s, own, decays) : sgd(s, own, decays);
                            if (settings.average) {
                              // Exactly the parameter where the weight is 1.
                              weight = s.cast(weight, average.getType());
                              Value rest = s.sub(s.constantLike(weight, 1), weight);
                              next.push_back(s.add(s.mul(next[0], weight), s.mul(average, rest)));
                            }
                            // A step that is not finite leaves everything as it was.
                            Value finite = s.cast(args[targets.size() + 5], next[0].getType());
                            Value moves =
                                s.compare(arith::CmpFPredicate::OGT, finite, s.constantLike(finite, 0));
                            for (auto [value, old] : llvm::zip(next, args))
                              value = s.select(moves, value, old);
                            return next;
                          });
    for (auto [target, value] : llvm::zip_equal(targets, updated->getResults()))
      SetOp::create(builder, variable.getLoc(), FlatSymbolRefAttr::get(target.getSymNameAttr()), value);
    return success();
  }

private:
  static constexpr int squareShift = 600; // the square of the largest f64 is 2^848 then, of 2^-61 is lost

  /// base^count in f64: f32 would lose the digits that 1 - base^count needs.
  static Value power(Scalars s, double base, Value count) {
    if (base == 0)
      return s.constantLike(count, 0);
    return s.unary<math::ExpOp>(s.mul(count, std::log(base)));
  }

  /// The shared scalars among a body's arguments, after `first` others.
  struct Shared {
    Value scale, length, keep, root;
    Shared(Scalars s, ValueRange args, unsigned first) {
      Type type = args[0].getType();
      scale = s.cast(args[first], type), length = s.cast(args[first + 1], type);
      keep = s.cast(args[first + 2], type), root = s.cast(args[first + 3], type);
    }
  };

  /// torch.optim.AdamW: decay first, then the step.
  SmallVector<Value> adamw(Scalars s, ValueRange args, bool decays) {
    Shared shared(s, args, 4);
    Value p = args[0], m = args[1], v = args[2], g = s.mul(args[3], shared.scale);
    if (decays)
      p = s.mul(p, shared.keep);
    m = s.add(m, s.mul(s.sub(g, m), 1 - settings.beta1));
    v = s.add(s.mul(v, settings.beta2), s.mul(s.mul(g, g), 1 - settings.beta2));
    Value below = s.add(s.div(s.unary<math::SqrtOp>(v), shared.root), s.constantLike(v, settings.eps));
    return {s.sub(p, s.mul(shared.length, s.div(m, below))), m, v};
  }

  /// torch.optim.SGD: decay is part of the gradient.
  SmallVector<Value> sgd(Scalars s, ValueRange args, bool decays) {
    bool moves = settings.momentum > 0;
    Shared shared(s, args, moves ? 3 : 2);
    Value p = args[0], g = s.mul(args[moves ? 2 : 1], shared.scale);
    if (decays)
      g = s.add(g, s.mul(p, settings.decay));
    if (!moves)
      return {s.sub(p, s.mul(shared.length, g))};
    Value momentum = s.add(s.mul(args[1], settings.momentum), g);
    return {s.sub(p, s.mul(shared.length, momentum)), momentum};
  }

  /// A state variable NAME.suffix like `variable`, after `previous`.
  VariableOp addState(VariableOp previous, VariableOp variable, StringRef suffix) {
    std::string name = (variable.getSymName() + "." + suffix).str();
    if (Operation *other = symbols.lookup(name)) {
      auto error = variable.emitError()
                   << "the optimizer's state needs the name @" << name << ", which is taken";
      error.attachNote(other->getLoc()) << "it is taken here";
      return {};
    }
    SmallVector<Attribute> path(variable.getPath().getValue());
    path.push_back(builder.getStringAttr(suffix));
    OpBuilder after(variable);
    after.setInsertionPointAfter(previous);
    auto state =
        VariableOp::create(after, variable.getLoc(), after.getStringAttr(name), variable.getTypeAttr(),
                           UnitAttr(), variable.getCopiesAttr(), after.getArrayAttr(path), /*positions=*/IntegerAttr());
    symbols.insert(state, Block::iterator(std::next(state->getIterator())));
    return state;
  }

  SmallVector<Value> onScalars(ValueRange inputs,
                               function_ref<SmallVector<Value>(Scalars, ValueRange)> body) {
    SmallVector<AffineMap> maps(inputs.size(), scalarMap);
    auto op = GenericOp::create(builder, loc, noDims, 0, std::nullopt, ValueRange{}, inputs, maps,
                                [&](OpBuilder &b, Location l, ValueRange args) {
                                  return body(Scalars{b, l}, args);
                                });
    return SmallVector<Value>(op->getResults());
  }

  const Settings &settings;
  SymbolTable &symbols;
  OpBuilder builder;
  Location loc;
  AffineMap scalarMap;
  DimsAttr noDims;
  SmallVector<Value> shared; // scale, length, keep, root, finite, and perhaps the weight of an average
};

struct OptimizerPass : impl::OptimizerPassBase<OptimizerPass> {
  using OptimizerPassBase::OptimizerPassBase;
  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<arith::ArithDialect, math::MathDialect, GptDialect>();
  }

  void runOnOperation() override {
    func::FuncOp main = findMain(getOperation());
    if (!main || failed(run(main)))
      signalPassFailure();
  }

  LogicalResult run(func::FuncOp main) {
    ModuleOp module = getOperation();
    auto attributes = module->getAttrOfType<DictionaryAttr>("gpt.optimizer");
    if (!attributes)
      return module.emitError() << "the module has no gpt.optimizer: it is no training program";
    Settings settings;
    if (failed(SettingsReader(module, attributes).read(settings)))
      return failure();

    SymbolTable symbols(module);
    SmallVector<Parameter> parameters;
    SmallVector<Value> results;
    SmallVector<DictionaryAttr> resultDicts;
    for (auto [i, value] : llvm::enumerate(main.front().getTerminator()->getOperands())) {
      auto name = main.getResultAttrOfType<FlatSymbolRefAttr>(i, gradientAttr);
      if (!name) {
        results.push_back(value);
        resultDicts.push_back(resultAttributes(main, i));
        continue;
      }
      auto variable = symbols.lookup<VariableOp>(name.getValue());
      if (!variable)
        return main.emitError() << "result " << i << " is the gradient of " << name
                                << ", which is no variable";
      if (variable.getType() != value.getType())
        return main.emitError() << "result " << i << ", the gradient of " << name << ", is "
                                << value.getType() << ", but the variable is " << variable.getType();
      parameters.push_back({variable, value});
    }
    if (parameters.empty())
      return main.emitError() << "@main has no gradients; gpt-autodiff comes first";

    Value step = stepArgument(main);
    FailureOr<Value> rate = inlineRate(main, symbols, step);
    if (failed(rate))
      return failure();
    auto element = cast<FloatType>(getElementTypeOrSelf(parameters[0].gradient.getType()));
    UpdateBuilder update(main, settings, symbols);
    Value norm = update.norm(parameters);
    std::optional<unsigned> objective = findOutput(main, "loss");
    update.shareScalars(objective ? main.front().getTerminator()->getOperand(*objective) : norm, norm, *rate,
                        step, element);
    for (const Parameter &parameter : parameters)
      if (failed(update.update(parameter)))
        return failure();

    Builder builder(&getContext());
    for (auto [name, value] : {std::pair("grad_norm", norm), std::pair("lr", *rate)}) {
      results.push_back(value);
      resultDicts.push_back(builder.getDictionaryAttr(
          NamedAttribute(builder.getStringAttr(outputAttr), builder.getStringAttr(name))));
    }
    if (gradientNorms)
      for (Parameter parameter : parameters) {
        auto [gradient, weight] = update.normsOfCopies(parameter);
        for (auto [what, value] : {std::pair("grad_norm(", gradient), std::pair("weight_norm(", weight)}) {
          std::string name = (what + parameter.variable.getSymName() + ")").str();
          results.push_back(value);
          resultDicts.push_back(builder.getDictionaryAttr(
              NamedAttribute(builder.getStringAttr(outputAttr), builder.getStringAttr(name))));
        }
      }
    setResults(main, results, resultDicts);
    cleanUp(main);
    return success();
  }

  Value stepArgument(func::FuncOp main) {
    if (std::optional<unsigned> given = findInput(main, "step"))
      return main.getArgument(*given);
    Builder builder(&getContext());
    Type type = tensorType(&getContext(), {}, builder.getI32Type());
    unsigned place = main.getNumArguments();
    DictionaryAttr attributes = builder.getDictionaryAttr(
        NamedAttribute(builder.getStringAttr(inputAttr), builder.getStringAttr("step")));
    (void)main.insertArgument(place, type, attributes, main.getLoc());
    return main.getArgument(place);
  }

  /// The body of @learning_rate(step), which is no longer needed by itself.
  FailureOr<Value> inlineRate(func::FuncOp main, SymbolTable &symbols, Value step) {
    auto function = symbols.lookup<func::FuncOp>("learning_rate");
    if (!function || function.isExternal() || !llvm::hasSingleElement(function.getBody()))
      return getOperation().emitError() << "a training program has a function @learning_rate with one block";
    FunctionType type = function.getFunctionType();
    bool fits = type.getNumInputs() == 1 && type.getInput(0) == step.getType() && type.getNumResults() == 1 &&
                isFloatTensor(type.getResult(0)) && cast<RankedTensorType>(type.getResult(0)).getRank() == 0;
    if (!fits)
      return function.emitError() << "@learning_rate has type " << type << ", needs (" << step.getType()
                                  << ") -> one float number";
    IRMapping mapping;
    mapping.map(function.getArgument(0), step);
    OpBuilder builder(main.front().getTerminator());
    for (Operation &op : function.front().without_terminator())
      builder.clone(op, mapping);
    Value rate = mapping.lookupOrDefault(function.front().getTerminator()->getOperand(0));
    symbols.erase(function);
    return rate;
  }
};

} // namespace
} // namespace gptc
