// What a name may mean while a model is expanded.
#pragma once

#include "frontend/ast.h"
#include "frontend/typed.h"

namespace gptc::typed {

/// Where the expression uses a name that no binder inside declares; null where it does not.
const ast::Expr *findName(const ast::Expr &expr, const std::string &name);

/// A tensor as a function of its indices: `node` over `axes` (positions that
/// are not subscripted yet) and whatever indices are free besides.
struct Value {
  enum Kind { Error, Tensor, Function, Instance } kind = Error;
  const Node *node = nullptr;
  std::vector<Var *> axes;
  Span span;
  const ast::Statement *def = nullptr; // Function
  struct Scope *home = nullptr;        // Function: where it was defined
  struct Instance *instance = nullptr;
  size_t arity = 0; // Tensor given as a predicate: how many indices the call has; the last ones are the axes

  bool ok() const { return kind != Error; }
  bool isConstant() const { return kind == Tensor && node->op == Op::Const && axes.empty(); }
};

/// A use of a block: its settings, and the parameters it owns.
struct Instance {
  /// The hint that gives an instance in a repeat the name of the copies.
  static constexpr const char *ownName = ".";
  Instance *parent = nullptr;
  const ast::Statement *block = nullptr; // null: the file itself, or the copies of a repeat
  Scope *home = nullptr;
  std::map<std::string, Value> settings;
  std::string path;
  std::vector<std::string> pathParts;
  std::vector<const void *> copyKeys; // repeats that this lies in
  std::vector<int64_t> copyCounts;
  std::map<std::string, std::unique_ptr<Instance>> children;
  std::map<std::string, typed::Tensor *> params;
  Span span;
  int randomUses = 0;
};

/// One run through a body: a file, a block applied, a repeat's body.
struct Frame {
  Instance *instance = nullptr;
  Region *region = nullptr;
  std::map<std::string, int> names; // how often an unnamed instance or a let has taken a name
  bool ownNameTaken = false;        // repeat: the copies' name has gone to an instance
};

/// `..` in one declaration: unknown until the first use gives its length.
struct Rest {
  bool known = false;
  std::vector<Var *> vars;
};

struct Binding {
  enum Kind { Value, Index, Size, Def, Block, Param } kind = Value;
  Span span;
  typed::Value value;
  Var *var = nullptr;                    // Index
  Dim size;                              // Size
  const ast::Statement *stmt = nullptr;  // Def, Block
  const ast::ParamDecl *param = nullptr; // Param: made when first used
  const ast::Expr *init = nullptr;
  bool distribution = false;
  Instance *owner = nullptr;
  Scope *home = nullptr;
  std::map<std::string, int64_t> sizes; // Param: of its named dimensions, `d: 3`
  int order = 0;                        // counts definitions; 0: there from the start

  /// The number of a dimension's name or of a constant that can be a size.
  std::optional<int64_t> sizeIfKnown() const;
};

struct Scope {
  Scope *parent = nullptr;
  std::map<std::string, Binding> names;
  Rest *rest = nullptr;
  Frame *frame = nullptr;
  bool isFunction = false; // a def's body: its binders are indices of the caller
  bool isBody = false;     // a def's or a block's own names: whatever is further out is not the body's
  /// For what is evaluated after it is written: the number of definitions then. What `parent` has got
  /// since hides nothing.
  std::optional<int> seen;
  /// Where the indices of this scope are used: their ranges may follow from further down.
  std::vector<const ast::Expr *> uses;

  struct Found {
    Binding *binding = nullptr; // the nearest; null: unknown
    Scope *scope = nullptr;     // where that is
    Binding *other = nullptr;   // it was defined after the one who asks was written, and this stands outside
  };
  Found look(const std::string &name);
  Binding *find(const std::string &name) { return look(name).binding; }
  /// Does the way from here to `owner` leave the body of a def or block?
  bool crossesBody(const Scope *owner) const;
  Rest *findRest();
  Frame *findFrame();
};

} // namespace gptc::typed
