// From syntax trees to the elaborated model: every def and block is expanded
// where it is used, with concrete sizes, and checked there.
#pragma once

#include "frontend/model.h"
#include "frontend/scope.h"

#include <set>

namespace gptc::typed {

/// How the model is looked at: one program's constants.
struct Mode {
  bool training = false;
  bool dynamic = false; // text of any length up to the bound; pairs are so in every mode
};

/// Everything that a model says, for one mode.
struct Elaborated {
  Graph graph;
  Tensor *loss = nullptr;
  std::vector<std::pair<std::string, Tensor *>> reports, outputs;
  std::map<std::string, std::string> overs; // outputs that are declared `over` something
  std::vector<std::pair<std::string, Value>> values; // by path, in order
  std::map<std::string, Span> valueUses; // where the block that a value stands in is used
  Tensor *learningRate = nullptr;
  std::vector<std::pair<std::string, int64_t>> extents; // dynamic: name and bound
  DataSpec data;
  std::map<std::string, ConfigValue> train, generate;
  std::vector<SettingValue> settings;
  std::vector<std::string> instances; // "blocks.attention: Attention"
};

/// `file("w.csv")` or `numbers("1 2 3")`: initial values that stand elsewhere.
bool isNumberList(const ast::Expr &init);

/// The parsed files in order: library first, the model last.
struct Program {
  std::vector<ast::File> library, model;
};

class Elaborator {
public:
  Elaborator(SourceManager &sources, const AnalyseOptions &options, Diagnostics &diagnostics, Mode mode)
      : sources(sources), options(options), diagnostics(diagnostics), mode(mode) {}
  /// Null where there are errors. With `dataOnly`, settings and data only.
  std::unique_ptr<Elaborated> run(const Program &program, bool dataOnly = false);

private:
  SourceManager &sources;
  const AnalyseOptions &options;
  Diagnostics &diagnostics;
  Mode mode;
  std::unique_ptr<Elaborated> result;
  Graph *graph = nullptr;
  std::deque<Scope> scopes;
  std::deque<Frame> frames;
  std::deque<Rest> rests;
  Instance root;
  Scope *core = nullptr, *top = nullptr;
  std::vector<std::pair<Span, std::string>> useSites; // blocks and defs being expanded
  std::set<std::pair<uint64_t, std::string>> reported;
  Diagnostic scratch; // takes what is added to a repeated error
  int depth = 0;
  bool endless = false;    // the expansion has no end: said once
  bool batchScope = false; // `mean` here is a mean over the batch
  std::string nameHint;    // the let that names the next instance
  std::map<std::string, Tensor *> inputs;
  std::map<std::string, int> valuePaths;
  std::set<std::string> usedOverrides;
  struct PendingGroup {
    std::vector<Var *> vars;
    Dim dim;
    Span span;
    std::string of;
  };
  std::vector<PendingGroup> pendingGroups;
  const ast::Statement *lossStatement = nullptr;

  //===-- elaborate.cpp: statements ----------------------------------------===//
  Diagnostic &error(Span span, std::string message);
  Scope *newScope(Scope *parent);
  void define(Scope *scope, const ast::Name &name, Binding binding);
  void defineValue(Scope *scope, const ast::Name &name, Value value);
  void statement(const ast::Statement &s, Scope *scope);
  void setting(const ast::Statement &s, Scope *scope);
  void let(const ast::Statement &s, Scope *scope);
  void assign(const ast::Statement &s, Scope *scope);
  void output(const ast::Statement &s, Scope *scope);
  void objective(const ast::Statement &s, Scope *scope);
  void checkOverrides();

  //===-- sizes.cpp -----------------------------------------------------------===//
  void checkSizes();

  //===-- data.cpp ----------------------------------------------------------===//
  void data(const ast::Statement &s, Scope *scope);
  void textData(const ast::Statement &s, Scope *scope);
  void rowsData(const ast::Statement &s, Scope *scope);
  void pairsData(const ast::Statement &s, Scope *scope);
  void declareLength(Dim &dim, const ast::Name &name, bool dynamic, Scope *scope);
  std::optional<int64_t> tokenizer(const ast::Statement &s, Scope *scope);
  Tensor *input(const std::string &name, std::vector<Var *> dims, Type type, bool perExample, Span span);
  Tensor *streamArgument(const ast::Expr &call, Scope *scope, const std::string &function);
  Value next(const ast::Expr &call, Scope *scope);
  Value valid(const ast::Expr &call, Scope *scope);

  //===-- config.cpp ---------------------------------------------------------===//
  void config(const ast::Statement &s, Scope *scope);
  ConfigValue configValue(const ast::Expr &expr, Scope *scope);
  void tokenBatch(const ConfigValue &value, Span span);
  void average(const ConfigValue &value, Span span);
  void checkRange(const std::string &name, const ConfigValue &value, bool overridden);
  void validationShare(const ast::Statement &s, Scope *scope);
  void learningRate(const ast::Statement &s, Scope *scope);
  std::optional<double> overrideOf(const std::string &name, Span span);

  //===-- expressions.cpp -----------------------------------------------------===//
  Value evaluate(const ast::Expr &expr, Scope *scope);
  Value name(const ast::Expr &expr, Scope *scope);
  Value bindingValue(Binding &binding, const std::string &name, Span span);
  Value binary(const ast::Expr &expr, Scope *scope);
  Value unary(const ast::Expr &expr, Scope *scope);
  Value list(const ast::Expr &expr, Scope *scope);
  Value number(double number, Span span, bool literal = true, Type type = Type::Float);
  Value tensorValue(Tensor *tensor, Span span);
  /// Brings values to the same axes, then makes one node of their nodes.
  Value elementwise(Op op, std::vector<Value> operands, Span span);
  Value power(Value base, Value exponent, Span span);
  bool sameAxes(std::vector<Value> &operands, std::vector<Var *> &axes, Span span);
  const Node *typedOp(Op op, std::vector<const Node *> operands, const std::vector<Span> &spans, Span span);
  bool toFloat(const Node *&node, Span span);
  std::optional<int64_t> size(const ast::Expr &expr, Scope *scope);
  std::optional<double> constantOf(const ast::Expr &expr, Scope *scope, const char *what);

  //===-- indices.cpp -----------------------------------------------------------===//
  Value subscript(const ast::Expr &expr, Scope *scope);
  Value subscriptValue(Value base, const ast::Expr &expr, Scope *scope);
  bool useIndex(Var *var, const Dim &dim, Span use, const std::string &of);
  void group(std::vector<Var *> vars, const Dim &dim, Span span, const std::string &of);
  void resolveGroups(bool final);
  bool requireRange(Var *var, Scope *scope);
  bool rangeByName(Var *var, Scope *scope);
  /// From groups and from sizes of the same name; false where one is not known.
  bool inferRanges(const std::vector<Var *> &vars, Scope *scope);
  static std::string describe(const Value &value);

  //===-- calls.cpp --------------------------------------------------------------===//
  Value call(const ast::Expr &expr, Scope *scope);
  Value callDef(const ast::Statement &def, Scope *home, const ast::Expr &expr, Scope *scope);
  Value builtin(const std::string &name, const ast::Expr &expr, Scope *scope, bool &known);
  Value reduction(const std::string &name, const ast::Expr &expr, Scope *scope);
  Value where(const ast::Expr &expr, Scope *scope);
  Value random(const ast::Expr &expr, Scope *scope);
  Value callPredicate(const Value &predicate, const std::string &name, const ast::Expr &expr, Scope *scope);
  Value randomAt(const ast::Expr &expr, Scope *scope);
  const Node *randomNode(std::vector<const Node *> coordinates, Scope *scope, Span span);
  Value functionBody(const ast::Body &body, Scope *scope);
  std::vector<Value> positional(const ast::Expr &expr, Scope *scope, size_t count, const std::string &name,
                                bool &ok);
  void unknownFunction(const ast::Expr &callee, Scope *scope);
  Value batchMean(const Node *total, const Node *count, Span span);

  //===-- blocks.cpp -------------------------------------------------------------===//
  Value makeInstance(const Binding &block, const ast::Expr *call, const ast::Expr &at, Scope *scope);
  Value apply(Instance *instance, const ast::Expr &expr, Scope *scope);
  bool bindDims(const ast::FormalInput &formal, const Value &value, Span use, Scope *scope,
                const std::string &owner);
  bool checkResult(const ast::Statement &block, const Value &value, Span use, Scope *scope);
  Instance *child(Instance *parent, const std::string &name);
  std::string instanceName(const std::string &block, Scope *scope);
  void declareParams(const ast::Statement &s, Scope *scope);
  Tensor *makeParam(Binding &binding);
  void initialise(Tensor *param, Binding &binding);
  Value numberList(const ast::Expr &call, const std::vector<Var *> &dims);
  void repeat(const ast::Statement &s, Scope *scope);
  static std::string snakeCase(const std::string &name);

  //===-- tensors -----------------------------------------------------------------===//
  /// A tensor of its own, named; views (permuted loads) stay as they are unless `force`.
  Value materialise(Value value, const std::string &name, Scope *scope, Span span, bool force = false);
  Tensor *tensorOf(const Value &value, const std::string &name, Scope *scope, Span span);
  void noteValue(const std::string &name, const Value &value, Scope *scope);
  static void traits(const Node *node, bool &usesData, bool &hasBatchMean);
};

} // namespace gptc::typed
