// The elaborated model as a module of the gpt dialect.
#pragma once

#include "frontend/elaborate.h"
#include "ir/gpt/gpt.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

#include <functional>

namespace gptc::typed {

/// Emits one program. Tensors are emitted when something needs them, each once
/// in the region (function or repeat) that it belongs to.
class Emitter {
public:
  Emitter(mlir::MLIRContext *context, Elaborated &model, const SourceManager &sources, bool f64);
  /// `params`: every parameter of the model, also those that this program leaves alone.
  mlir::OwningOpRef<mlir::ModuleOp> emit(gptc::Program program, const std::vector<std::string> &show,
                                         const std::vector<Tensor *> &params, const std::string &source);

private:
  /// An expression as a tensor over these indices, in this order.
  struct NodeTensor {
    mlir::Value value;
    std::vector<Var *> dims;
  };

  /// A function's body, or a repeat's while it is built (its op comes last, so
  /// that what it needs from outside still lands before it).
  struct State {
    State *parent = nullptr;
    Region *region = nullptr;
    mlir::Block *block = nullptr;
    std::map<const Tensor *, mlir::Value> tensors;
    std::map<const Node *, NodeTensor> nodes;
    std::map<std::pair<void *, const void *>, mlir::Value> reshapes;
    std::vector<std::pair<const Tensor *, mlir::Value>> stacked; // operand by parameter
    std::vector<mlir::Value> results, stacks;                    // of the finished repeat
  };

  /// What one structured op is made of.
  struct Generic {
    State *state;
    std::vector<Var *> space;
    std::vector<mlir::Value> indices, inputs;
    std::vector<mlir::AffineMap> indexMaps, inputMaps;
    std::map<const Node *, unsigned> leaves; // input by node
    std::set<const Node *> factors;          // emitted as tensors of their own
    unsigned placeOf(Var *var) const;
  };

  mlir::MLIRContext *context;
  Elaborated &model;
  const SourceManager &sources;
  mlir::Type floatType;
  mlir::OpBuilder builder;
  mlir::ModuleOp module;
  Graph scratch; // nodes of initialisers
  std::deque<State> states;
  std::map<Region *, State *> repeats;
  State *function = nullptr;
  int nesting = 0; // of emit()
  std::vector<mlir::Attribute> argumentAttributes;

  //===-- emit.cpp: programs ------------------------------------------------===//
  Tensor *countOf(const Tensor *mean);
  void emitMain(gptc::Program program, const std::vector<std::string> &show,
                const std::vector<Tensor *> &params);
  void emitInit(const std::vector<Tensor *> &params);
  void emitLearningRate();
  void emitVariables(const std::vector<Tensor *> &params);
  void emitFunction(llvm::StringRef name, Span span, bool named,
                    llvm::function_ref<void(std::vector<std::pair<std::string, mlir::Value>> &)> body);
  void moduleAttributes(gptc::Program program, const std::string &source);
  Tensor *shown(const Value &value);

  //===-- emit_tensor.cpp: tensors ---------------------------------------------===//
  mlir::Value emit(Tensor *tensor, State *state);
  /// Emits first what a long chain of tensors ends in, so that none of it recurses.
  void emitBefore(Tensor *root, State *home);
  mlir::Value emitParam(Tensor *tensor, State *state);
  mlir::Value emitInput(Tensor *tensor, State *state);
  mlir::Value emitConstant(Tensor *tensor, State *state);
  void emitRepeat(Region *region, State *state);
  /// A tensor over `node->free`. The first op that uses it has its indices in the same order.
  const NodeTensor &emitNode(const Node *node, const Generic &user);
  mlir::Value emitOver(const Node *node, const std::vector<Var *> &dims, State *state, mlir::Location loc);
  mlir::Value emitGeneric(const std::vector<Var *> &parallel, const std::vector<Var *> &reduced, bool isMax,
                          const Node *body, State *state, mlir::Location loc);
  mlir::Value reshape(mlir::Value value, mlir::RankedTensorType type, State *state, mlir::Location loc);

  //===-- emit_scalar.cpp: bodies --------------------------------------------------===//
  void collect(const Node *node, Generic &generic, std::set<const Node *> &seen);
  void addLoad(const Node *node, Generic &generic);
  void addInput(const Node *node, mlir::Value value, mlir::AffineMap map, Generic &generic);
  mlir::AffineExpr affine(const Linear &form, const Generic &generic);
  unsigned indexOperand(const Node *node, Generic &generic);
  mlir::Value scalar(const Node *node, const Generic &generic, mlir::OpBuilder &b, mlir::Location loc,
                     mlir::ValueRange arguments, std::map<const Node *, mlir::Value> &done);

  mlir::Type elementType(Type type);
  gpt::DimAttr dimOf(const Var *var);
  mlir::RankedTensorType typeOf(const std::vector<Var *> &dims, Type type);
  mlir::RankedTensorType paramType(const Tensor *param);
  mlir::Location locate(Span span, const std::string &name = {});
};

} // namespace gptc::typed
