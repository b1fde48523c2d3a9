// The elaborated model: every block and def expanded, every index with its
// range. Scalar expressions over free indices; tensors that name them.
#pragma once

#include "frontend/source.h"

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace gptc::typed {

enum class Type { Float, Int, Bool };
const char *typeName(Type type);

/// The range of an index or of a tensor's dimension. A dynamic one has the name
/// of its extent; `size` is then its bound.
struct Dim {
  std::string name;
  int64_t size = 0;
  std::string extent;
  bool bounded = false; // written `t < size`: may index anything at least as long
  Span span;            // where it is declared
  bool isDynamic() const { return !extent.empty(); }
  bool sameRange(const Dim &other) const { return size == other.size && extent == other.extent; }
  /// `64`, or `t <= 64` for a dynamic one.
  std::string text() const;
};

/// An index. Its range may become known after the first use.
struct Var {
  int id = 0; // counts up; orders the dimensions of unnamed intermediate tensors
  std::string name;
  std::optional<Dim> range;
  bool declared = false; // the range is written, so it may be shorter than what it indexes
  Span span;             // where it is introduced
  Span fixedAt;          // the use that gave the range
  std::string fixedBy;   // name of the tensor in that use
};

struct Tensor;

enum class Op {
  Const,
  Index,
  Merge,
  Load,
  Reduce,
  Random,
  Add,
  Sub,
  Mul,
  Div,
  Rem,
  Neg,
  Max,
  Min,
  Less,
  LessEq,
  Equal,
  NotEqual,
  And,
  Or,
  Not,
  Select,
  Exp,
  Log,
  Sqrt,
  Rsqrt,
  Tanh,
  Erf,
  Sin,
  Cos,
  Abs,
  StopGradient,
  ToFloat,
  ToInt,
};
const char *opName(Op op);

/// A scalar expression; immutable, shared.
struct Node {
  Op op = Op::Const;
  Type type = Type::Float;
  Span span;
  double number = 0;                  // Const
  bool literal = false;               // Const: takes the type of what it meets
  bool exact = false;                 // Int: small enough that a float holds it
  int64_t limit = 0;                  // Int: values lie in [0, limit); 0: not known
  Var *var = nullptr;                 // Index
  Tensor *tensor = nullptr;           // Load
  std::vector<const Node *> operands; // Load: one index a dimension; Merge: outermost first
  std::vector<Var *> bound;           // Reduce: its indices; Merge: where the sizes come from
  bool isMax = false;                 // Reduce
  int32_t site = 0;                   // Random
  std::vector<Var *> free;            // indices it depends on, by id
  // Of the whole expression, so that nobody walks it again:
  bool reduces = false;  // a Reduce is in it
  bool usesData = false; // a tensor of it differs from example to example
  bool hasBatchMean = false;
  int height = 1; // operators from here to the leaves
};

/// A `repeat` in one place of the program: tensors inside belong to it.
struct Region {
  Region *parent = nullptr;
  const void *key = nullptr; // the same for every use of the same parameters
  std::string name;
  int64_t count = 0;
  Span span;
  Tensor *copy = nullptr;                 // the copy's number
  std::vector<Tensor *> inits, arguments; // of carried values
  std::vector<Tensor *> nexts, results;
  std::vector<Tensor *> stackSources, stacks; // values collected over the copies
};

struct Initialiser {
  enum Kind { Expression, Normal, Uniform } kind = Expression;
  double first = 0, second = 0; // Normal: std; Uniform: low, high
  const Node *value = nullptr;  // Expression over `dims`
};

struct Tensor {
  enum Kind { Let, Param, Input, Constant, Reshape, BatchMean, Carried, Result, Stack, Copy } kind = Let;
  std::string name; // as written; may be empty
  std::string path; // with the instance's path before it
  std::vector<Var *> dims;
  Type type = Type::Float;
  int64_t limit = 0;
  Span span;
  Region *region = nullptr;
  bool usesData = false; // differs from example to example
  bool hasBatchMean = false;
  const Node *body = nullptr;         // Let, over dims
  Initialiser init;                   // Param
  std::vector<const void *> copyKeys; // Param: regions whose copies have one each, outermost first
  std::vector<int64_t> copyCounts;
  std::vector<std::string> pathParts; // Param: "*" for a copy's number
  bool perExample = false;            // Input
  std::vector<double> values;         // Constant
  Tensor *source = nullptr;           // Reshape; BatchMean: the total
  Tensor *count = nullptr;            // BatchMean
  Region *of = nullptr;               // Carried, Result, Stack, Copy
  size_t position = 0;                // Carried, Result, Stack
};

/// Owns everything that one elaboration makes.
class Graph {
public:
  Var *makeVar(std::string name, Span span);
  Var *makeVar(const Dim &range);
  Tensor *makeTensor(Tensor::Kind kind, std::string name, std::vector<Var *> dims, Type type, Span span);
  Region *makeRegion();
  const Node *make(Node node);

  const Node *constant(double number, Span span, bool literal = true, Type type = Type::Float);
  const Node *index(Var *var, Span span);
  const Node *load(Tensor *tensor, std::vector<const Node *> indices, Span span);
  const Node *op(Op op, Type type, std::vector<const Node *> operands, Span span);
  const Node *reduce(bool isMax, std::vector<Var *> bound, const Node *body, Span span);
  /// `node` with indices replaced by integer expressions, all at once.
  const Node *substitute(const Node *node, const std::map<Var *, const Node *> &with);
  /// `node` as a value of the type (Bool and exact Int become Float, literals anything).
  const Node *convert(const Node *node, Type type);

  std::vector<Tensor *> params; // in order of first use
  const std::deque<Tensor> &allTensors() const { return tensors; }
  const std::deque<Node> &allNodes() const { return nodes; }

private:
  int nextVar = 0;
  std::deque<Var> vars;
  std::deque<Node> nodes;
  std::deque<Tensor> tensors;
  std::deque<Region> regions;
};

/// The product of two sizes; sizes.cpp refuses what is so large that it was cut (gpt::mostPoints).
int64_t times(int64_t x, int64_t y);
/// The product of the ranges.
int64_t points(const std::vector<Var *> &vars);

/// An affine form of indices: sum of coefficient * index, plus a constant.
struct Linear {
  std::vector<std::pair<Var *, int64_t>> terms;
  int64_t constant = 0;
};
std::optional<Linear> linearForm(const Node *node);
/// The index that this is and nothing else, or null.
inline Var *plainIndex(const Node *node) {
  return node->op == Op::Index ? node->var : nullptr;
}

/// `[t=64, c=128]`
std::string dimsText(const std::vector<Var *> &dims);
std::string nodeText(const Node *node);
/// 32-bit FNV-1a: the site of randomness from a path.
int32_t stableHash(const std::string &text);
std::string numberText(double number);

} // namespace gptc::typed
