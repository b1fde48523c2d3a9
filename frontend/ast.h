// The syntax tree of a model file, as written; nothing is resolved here.
// docs/language.md has the grammar whose productions these are.
#pragma once

#include "frontend/source.h"

#include <memory>
#include <string>
#include <vector>

namespace gptc::ast {

struct Expr;
using ExprPtr = std::unique_ptr<Expr>;

struct Name {
  std::string text;
  Span span;
};

/// One position between the brackets of `x[...]`, used or declared:
/// an expression `t - 1`, a group `(h e)`, or `..` (any leading indices).
struct Index {
  enum Kind { Expression, Group, Rest } kind = Expression;
  Span span;
  ExprPtr expr;            // Expression; a plain name is a Name expression
  std::vector<Name> group; // Group, outermost first
};

/// One argument of a call: positional, `key: value`, or with binders
/// `i, j where cond: value`. `key: value` and one binder look alike: `names` has
/// one element; which of the two it is follows from what is called.
struct Argument {
  std::vector<Name> names; // empty: positional
  ExprPtr condition;       // after `where`; may be null
  ExprPtr value;
  Span span;
};

/// `let a = ...; let b = ...; value`
struct Statement;
struct Body {
  std::vector<Statement> statements;
  ExprPtr value; // null where the body ends without one
  Span span;
};

struct Expr {
  enum Kind {
    Number,  // number, isInteger
    String,  // text
    Name,    // text
    Unary,   // text: "-", "not"; children[0]
    Binary,  // text: + - * / % ^ < <= > >= == != and or; children[0], children[1]
    Call,    // children[0] is called (a Name, or a Call: `Linear(c)(x)`); arguments
    Subscript, // children[0] is indexed; indices
    List,    // [a, b, [c, d]]: children
    Member,  // children[0] . text
  } kind;
  Span span;
  std::string text;
  double number = 0;
  bool isInteger = false;
  std::vector<ExprPtr> children;
  std::vector<Argument> arguments;
  std::vector<Index> indices;
};

/// One index of a declaration: `t`, `t < 64`, `hidden: 3`, `4`, `(h e)`, `..`.
struct Dimension {
  enum Kind { Named, Sized, Bounded, Anonymous, Group, Rest } kind = Named;
  Span span;
  ast::Name name;          // Named `t`, Sized `hidden: 3`, Bounded `t < 64`
  ExprPtr size;            // Sized, Bounded, Anonymous `4`, `2 * width`
  std::vector<ast::Name> group; // Group `(h e)`, outermost first
};

/// `w1[4, hidden: 3] ~ uniform(-1, 1)`; without its own, the initialiser of
/// the next parameter in the list holds.
struct ParamDecl {
  Name name;
  std::vector<Dimension> dims;
  bool distribution = false; // `~` rather than `=`
  ExprPtr init;              // null: none given in the whole list
  bool sharesInit = false;   // taken from a later one of the list (init is null)
};

struct Field { // `name: value` in train { }, generate { }; `name = value` of setting
  Name name;
  ExprPtr value;
  bool overridden = false; // the value is not the file's: --set
};

/// A data column or stream: `token[t < context]`, `x[4] = standardise(a, b)`.
struct DataDecl {
  Name name;
  std::vector<Dimension> dims;
  ExprPtr value; // rows: after `=`; else null
};

struct FormalInput { // a block's tensor input `x[t, c]`, or a def's argument
  Name name;
  std::vector<Dimension> dims; // empty for a scalar, or where hasDims is false
  bool hasDims = false;
};

struct FormalSetting { // of a block: `heads`, `width = 3`, a predicate `see(t, s)`
  Name name;
  bool isFunction = false;
  std::vector<Name> parameters; // isFunction
  ExprPtr defaultValue;
};

struct Statement {
  enum Kind {
    Use,      // text: path
    Setting,  // fields
    Data,     // text: "text", "rows" or "pairs"; data; value: tokenizer after `:` or null
    Param,    // params
    Let,      // name, dims (hasDims), value
    Assign,   // name = value: an instance, or in repeat the next value of a carried name
    Def,      // name; binders; inputs; body; gradient: `gradient` clause or null
    Block,    // name; settings; inputs; results; body
    Repeat,   // name; count; body
    Output,   // name expression `value`; over: name or empty
    Loss,     // value
    Report,   // name, value
    Train,    // fields
    Generate, // fields
  } kind;
  Span span;
  std::string text;
  ast::Name name;
  std::vector<ast::Dimension> dims;
  bool hasDims = false;
  ExprPtr value;
  ExprPtr count;
  ExprPtr gradient;
  ast::Name over;
  std::vector<ast::Name> binders;       // def softmax(i: x): {i}
  std::vector<FormalInput> inputs;
  std::vector<FormalSetting> settings;
  std::vector<std::vector<ast::Dimension>> results; // -> [t, c]
  std::vector<ParamDecl> params;
  std::vector<DataDecl> data;
  std::vector<Field> fields;
  std::unique_ptr<ast::Body> body;
};

struct File {
  int32_t file = -1; // in the SourceManager
  std::vector<Statement> statements;
};

} // namespace gptc::ast
