// A generated model as a tree: printed to text, and shrunk by its parts.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace gptc::differential {

/// A name by number. What it is printed as is decided last (see `nameTexts`).
using NameId = int;

struct Name {
  enum Kind {
    Fixed,   // printed as `hint`: what data, files and paths know
    Index,   // of a let or a binder
    Value,   // a let, a def's or a block's input
    Size,    // a dimension's name, a setting
    Callable // a def, a block's predicate
  } kind = Fixed;
  std::string hint;
};

struct Expr;
using ExprPtr = std::shared_ptr<const Expr>;

struct Expr {
  enum Kind {
    Number,    // text
    Size,      // a whole number that is a size: `size`
    Word,      // text: `training`, a library function as argument
    Ref,       // name
    Subscript, // kids[0] [ kids[1], ... ]
    Group,     // binders: `(i j)`, inside of brackets
    Rest,      // `..`
    Call,      // text or name, ( kids ), `keys` for those that are named
    Apply,     // kids[0] ( kids[1], ... ): a block's instance to its inputs
    Bind,      // text or name, ( binders where kids[1] : kids[0] ), further arguments behind
    Unary,     // text kids[0]
    Binary,    // kids[0] text kids[1]
    List,      // [kids]
    Tuple,     // (kids)
  } kind = Number;
  std::string text;
  int64_t size = 0;
  NameId name = -1;
  std::vector<ExprPtr> kids;
  std::vector<NameId> binders;
  std::vector<std::string> keys; // Call: "" where positional
  bool fresh = true;             // Bind: the binders are new here, not indices around it
};

struct Dim {
  enum Kind { Named, Sized, Bounded, Anonymous, Group, Rest } kind = Anonymous;
  NameId name = -1;
  ExprPtr size;
  std::vector<NameId> group;
};

struct Stmt;
using StmtPtr = std::shared_ptr<const Stmt>;

struct Formal {
  NameId name = -1;
  bool hasDims = false;
  std::vector<Dim> dims;
};

struct Stmt {
  enum Kind {
    Setting, // name = value
    Data,    // text: rows, text or pairs; formals; words: what stands behind each `=`; tail behind the list
    Param,   // name dims init
    Let,     // name dims value
    Assign,  // name = value: an instance, or a carried value's next
    Def,     // name(binders: formals) = value, or { body value }; gradient
    Block,   // name(settings)(formals) { body value }
    Repeat,  // name[count] { body }
    Output,  // value, tail
    Loss,    // value
    Report,  // name = value
    Train,   // words: fields
  } kind = Let;
  std::string text, tail;
  NameId name = -1;
  std::vector<Dim> dims;
  bool hasDims = false;
  ExprPtr value, gradient, count;
  std::vector<NameId> binders;
  std::vector<Formal> formals,
      settings; // settings with dims are predicates: the dims' names are their indices
  std::vector<StmtPtr> body;
  std::vector<std::string> words;
};

struct ModelTree {
  std::vector<Name> names;
  std::vector<StmtPtr> statements;
  // What the model is run on.
  uint64_t seed = 0;
  int64_t batch = 3;
  int dataMode = 0; // how numbers are drawn: 0 any, 1 few (ties), 2 small integers and zeros

  NameId name(Name::Kind kind, std::string hint) {
    names.push_back({kind, std::move(hint)});
    return NameId(names.size() - 1);
  }
};

/// What each name is printed as. Unique ones, or (`hide`, with a seed) names that
/// hide outer ones wherever nothing inside means the outer one.
std::vector<std::string> nameTexts(const ModelTree &program, bool hide);
std::string print(const ModelTree &program, const std::vector<std::string> &texts);
/// `rows x[4] = columns(x0, ...)`: the columns that a data statement reads.
int64_t sizeOfDims(const std::vector<Dim> &dims);

//===-- Making expressions -----------------------------------------------------===//

ExprPtr makeNumber(double value);
ExprPtr makeSize(int64_t size);
ExprPtr makeWord(std::string text);
ExprPtr makeRef(NameId name);
ExprPtr makeSubscript(ExprPtr base, std::vector<ExprPtr> indices);
ExprPtr makeGroup(std::vector<NameId> names);
ExprPtr makeRest();
ExprPtr makeCall(std::string text, std::vector<ExprPtr> kids, std::vector<std::string> keys = {});
ExprPtr makeCallOf(NameId name, std::vector<ExprPtr> kids);
ExprPtr makeApply(ExprPtr callee, std::vector<ExprPtr> inputs);
ExprPtr makeBind(std::string text, std::vector<NameId> binders, ExprPtr value, ExprPtr condition = nullptr,
                 bool fresh = true);
ExprPtr makeBindOf(NameId def, std::vector<NameId> binders, ExprPtr value, bool fresh);
ExprPtr makeUnary(std::string text, ExprPtr kid);
ExprPtr makeBinary(std::string text, ExprPtr a, ExprPtr b);
ExprPtr times(ExprPtr a, ExprPtr b);
/// `name[i, j]`.
ExprPtr at(NameId name, std::vector<NameId> indices);
/// Dimensions: `i`, `i: 3`, `..`.
Dim named(NameId name);
Dim sized(NameId name, int64_t size);
Dim rest();
ExprPtr makeWhere(ExprPtr condition, ExprPtr yes, ExprPtr no);

} // namespace gptc::differential
