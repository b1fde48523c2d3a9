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
  int definitions = 0;     // so far; orders bindings
  bool endless = false;    // the expansion has no end, or is too much: said once
  bool batchScope = false; // `mean` here is a mean over the batch
  std::string nameHint;    // the let that names the next instance
  std::map<std::string, Tensor *> inputs;
  std::map<std::string, int> valuePaths;
  std::set<std::string> outputNames, paramPaths;
  int unnamedOutputs = 1;
  int work = 0; // expressions evaluated
  static constexpr int mostWork = 1000000;
  struct PendingGroup {
    std::vector<Var *> vars;
    Dim dim;
    Span span;
    std::string of;
    int level = 0; // letDepth of the let that it stands in; one inside, as of a def, settles nothing of it
  };
  int letDepth = 0;
  std::vector<PendingGroup> pendingGroups;
  const ast::Statement *lossStatement = nullptr;

  //===-- scope.cpp ---------------------------------------------------------===//
  Scope *newScope(Scope *parent);
  Scope *viewOf(Scope *scope);
  Binding *lookup(Scope *scope, const std::string &name, Span span);
  void define(Scope *scope, const ast::Name &name, Binding binding);
  void defineValue(Scope *scope, const ast::Name &name, Value value);
  void declareSize(Scope *scope, const ast::Name &name, Dim size);
  void checkFormals(const ast::Statement &s);
  std::string freeName(Frame *frame, const std::string &name);
  bool nameIsFree(const ast::Name &name, Scope *scope);

  //===-- elaborate.cpp: statements ----------------------------------------===//
  Diagnostic &error(Span span, std::string message);
  void statement(const ast::Statement &s, Scope *scope);
  void setting(const ast::Statement &s, Scope *scope);
  void let(const ast::Statement &s, Scope *scope);
  void assign(const ast::Statement &s, Scope *scope);
  void assignedValue(const ast::Statement &s, Scope *scope);
  void output(const ast::Statement &s, Scope *scope);
  void objective(const ast::Statement &s, Scope *scope);

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

  //===-- expressions.cpp -----------------------------------------------------===//
  Value evaluate(const ast::Expr &expr, Scope *scope);
  Value name(const ast::Expr &expr, Scope *scope);
  Value bindingValue(Binding &binding, const std::string &name, Span span);
  Value binary(const ast::Expr &expr, Scope *scope);
  Value binaryOf(const ast::Expr &expr, Value left, Scope *scope);
  std::string helpFor(const std::string &word, Scope *scope) const;
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
  void indexFromData(const Node *index, const Dim &dim, const std::string &of);
  Value subscriptValue(Value base, const ast::Expr &expr, Scope *scope);
  bool useIndex(Var *var, const Dim &dim, Span use, const std::string &of);
  void group(std::vector<Var *> vars, const Dim &dim, Span span, const std::string &of);
  void resolveGroups(bool final);
  bool requireRange(Var *var, Scope *scope, bool binder = false);
  std::optional<Dim> dimensionAt(const ast::Expr &base, Scope *scope, size_t fromFront, size_t fromBack,
                                 bool afterRest);
  void rangeFromUses(Var *var, const ast::Expr &expr, Scope *scope);
  void rangeFromUses(Var *var, Scope *scope);
  bool callsDef(const ast::Expr &expr, Scope *scope) const;
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
  bool bindInputs(const std::vector<ast::FormalInput> &formals, const std::vector<Value> &values,
                  Scope *scope, const std::string &owner);
  bool bindNames(const ast::FormalInput &formal, const Value &value, Scope *scope, const std::string &owner);
  bool checkSizes(const ast::FormalInput &formal, const Value &value, Scope *scope, const std::string &owner);
  void dimensionDiffers(const ast::FormalInput &formal, const Value &value, const ast::Dimension &dim,
                        const Dim &actual, const std::string &expected, Span declared,
                        const std::string &owner);
  bool checkDefault(const ast::Statement &block, size_t place);
  bool checkResult(const ast::Statement &block, const Value &value, Span use, Scope *scope);
  Instance *child(Instance *parent, const std::string &name);
  void declareParams(const ast::Statement &s, Scope *scope);
  std::optional<int64_t> parameterSize(const Binding &binding, size_t place);
  Tensor *makeParam(Binding &binding);
  void initialise(Tensor *param, Binding &binding);
  Value numberList(const ast::Expr &call, const std::vector<Var *> &dims);
  void repeat(const ast::Statement &s, Scope *scope);
  static std::string snakeCase(const std::string &name);

  //===-- tensors -----------------------------------------------------------------===//
  /// A tensor of its own, named; views (permuted loads) stay as they are unless `force`.
  Value materialise(Value value, const std::string &name, Scope *scope, Span span, bool force = false);
  Tensor *tensorOf(const Value &value, const std::string &name, Scope *scope, Span span);
  /// Does a gradient of this reach any parameter?
  static bool dependsOnParameter(const Tensor *tensor);
  /// `value` as a tensor of its own where its expression has become too high for those who recurse into it.
  Value flattened(Value value, Scope *scope, Span span);
  void noteValue(const std::string &name, const Value &value, Scope *scope);
};

} // namespace gptc::typed
