// Random models of the whole language.
#pragma once

#include "differential/numbers.h"
#include "differential/program.h"

#include <map>
#include <string>
#include <vector>

namespace gptc::differential {

/// The model of a seed, the same on every machine.
ModelTree generate(uint64_t seed);

/// Makes one model. Expressions are in generator_expressions.cpp, statements of
/// known structure (attention, norms, repeats) in generator_pieces.cpp.
class Generator {
public:
  explicit Generator(uint64_t seed);
  ModelTree make();

private:
  enum class Type { Float, Int, Bool };
  /// What an expression may subscript.
  struct Value {
    NameId name;
    std::vector<int64_t> dims;
    std::vector<std::string> extents; // "" where a dimension's size is known
    Type type = Type::Float;
    int64_t limit = 0; // Int: below this
    double size = 1;   // about how large the numbers are
    ExprPtr base;      // null: the name
  };
  struct Index {
    NameId name;
    int64_t size;
    std::string extent;
    bool plain = false;   // stands alone somewhere, where it fits
    bool shorter = false; // stands alone where it is shorter: its size must be written
    bool mayDeclare = true;
  };
  struct Made {
    ExprPtr e;
    double size = 1;
  };
  struct Function {
    NameId name;
    enum { Unary, Binary, OfIndex, OverIndex } kind;
  };

  ModelTree p;
  Draw d;
  std::vector<int64_t> palette;
  std::vector<Value> values;
  std::vector<Index *> indices; // innermost last
  std::vector<Function> functions;
  std::vector<NameId> settings;
  std::map<NameId, double> settingValues;
  std::vector<StmtPtr> *into = nullptr;
  std::string data; // rows, text, pairs or none
  int64_t length = 0, vocabulary = 0;
  bool isLarge = false;
  int inRepeat = 0;

  //===-- generator.cpp -------------------------------------------------------===//
  int64_t size();
  void choosePalette();
  void makeSettings();
  void makeData();
  void makeParams();
  void makeFunctions();
  void makeObjective();
  bool hasParameter(const ExprPtr &root) const;
  void makeTrain();
  void add(Stmt stmt) { into->push_back(std::make_shared<const Stmt>(std::move(stmt))); }
  const Value &param(std::vector<int64_t> dims, double std = 0.5);
  const Value &let(std::vector<Dim> dims, Made value, std::vector<int64_t> sizes,
                   std::vector<std::string> extents);
  Value *anyValue(size_t least, size_t most, Type type = Type::Float);
  static int64_t count(const Value &value);

  //===-- generator_expressions.cpp --------------------------------------------===//
  Made number(int budget);
  Made leaf();
  Made load(const Value &value, const std::map<size_t, Index *> &fixed = {});
  ExprPtr subscript(int64_t size, const std::string &extent);
  Made unary(Made x);
  Made binary(Made a, Made b);
  /// Over indices of its own; `kind`: sum, mean, max or min; "": any.
  Made reduction(int budget, std::string kind = "");
  Made any(int budget);
  Made choice(int budget);
  Made ofIndex(int budget);
  Made bounded(Made x, double most = 4);
  ExprPtr integer(int64_t limit, int budget);
  ExprPtr truth(int budget);
  ExprPtr indexRef(Index *index) { return makeRef(index->name); }

  //===-- generator_pieces.cpp ---------------------------------------------------===//
  void piece();
  void freeLet();
  void wholeLet();
  void integerLet();
  void linear();
  void attention();
  void libraryBlock();
  void ownBlock();
  void norm();
  void productAndFolds();
  void embedding();
  void restLet();
  void groupLet();
  void scan();
  void joined();
  void gained();
  void longReduction();
  void repeat();
  std::string act();
  Made activated(Made x);
  Value *matrix();
};

} // namespace gptc::differential
