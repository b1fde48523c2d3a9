// Where an operand's element lies at a point of an iteration space, and the
// loads and stores of scalars and vectors there.
//
// All memory is rank-1 memrefs. An address is a sum: stride * coordinate over
// the loop dimensions, stride * gathered index over the symbols, a constant.
// Strides are lengths: they may depend on extents.
#pragma once

#include "ir/gpt/maps.h"
#include "passes/codegen/extents.h"

#include "mlir/IR/ImplicitLocOpBuilder.h"

#include <functional>
#include <vector>

namespace gptc {

/// One dimension of a loop nest; neighbours may have been merged into one.
struct LoopDim {
  int64_t bound = 1;     ///< largest trip count
  gpt::Length count = 1; ///< the trip count
  bool reduction = false;
  bool isStatic() const { return count.isConstant(); }
};

/// Where something lies, as a sum over dimensions, symbols and a constant.
struct Offset {
  llvm::SmallVector<gpt::Length> dims;
  llvm::SmallVector<gpt::Length> symbols;
  gpt::Length constant;

  Offset() = default;
  Offset(const gpt::LinearIndex &index);
  Offset(unsigned numDims, unsigned numSymbols) : dims(numDims), symbols(numSymbols) {}
  /// Adds stride * index.
  void add(const gpt::LinearIndex &index, const gpt::Length &stride);
  /// What is known without symbols has none.
  bool usesSymbol(unsigned symbol) const { return symbol < symbols.size() && symbols[symbol] != 0; }
};

/// A coordinate of the operand that may leave [0, extent): what is read there is 0.
struct Guard {
  Offset index;
  gpt::Length extent;
};

struct Access {
  mlir::Value memref; ///< null for an element in a register
  mlir::Type element; ///< scalar type in the body; i1 is stored as i8
  Offset offset;      ///< in elements
  llvm::SmallVector<Guard, 1> guards;
  int64_t elements = 1; ///< of the memref, at most
  /// Place of an element that needs no load: the value that another op of the
  /// same loop yields (`producer`, `result`), or a scalar known before the loop.
  int producer = -1;
  unsigned result = 0;
  mlir::Value tensor;        ///< the graph value that is read or written
  bool past = false;         ///< whole vectors are written past the caches

  bool usesDim(unsigned dim) const;
  bool usesSymbols() const;
  void eraseDim(unsigned dim);
};

/// A point of the loop nest, or `lanes` neighbours along `vectorDim`.
struct Point {
  llvm::SmallVector<mlir::Value> coordinates; ///< index; that of lane 0 along vectorDim
  int vectorDim = -1;
  int64_t lanes = 1;
  mlir::Value mask; ///< vector of i1; null when all lanes are valid
  /// Set where coordinates are known in another form (tiles of contractions).
  std::function<mlir::Value(mlir::ImplicitLocOpBuilder &, llvm::ArrayRef<gpt::Length>)> linear;
  std::function<mlir::Value(mlir::ImplicitLocOpBuilder &, unsigned)> coordinate;

  bool isVector() const { return vectorDim >= 0 && lanes > 1; }
  /// Dimension -1 has one element, at 0.
  mlir::Value coordinateOf(mlir::ImplicitLocOpBuilder &b, int dim) const;
  /// sum of coordinate * coefficient, as an index.
  mlir::Value sum(mlir::ImplicitLocOpBuilder &b, Extents &extents,
                  llvm::ArrayRef<gpt::Length> coefficients) const;
};

/// The element type in memory of scalars of type `type`.
mlir::Type storageType(mlir::Type type);

mlir::Value constantIndex(mlir::ImplicitLocOpBuilder &b, int64_t value);
mlir::Value addIndex(mlir::ImplicitLocOpBuilder &b, mlir::Value lhs, mlir::Value rhs);
mlir::Value mulIndex(mlir::ImplicitLocOpBuilder &b, mlir::Value lhs, int64_t rhs);
/// A splat or scalar constant zero of `type`.
mlir::Value zeroOf(mlir::ImplicitLocOpBuilder &b, mlir::Type type);
/// `value` as a vector of `lanes` (unchanged where it is one).
mlir::Value broadcast(mlir::ImplicitLocOpBuilder &b, mlir::Value value, int64_t lanes);
/// start, start + step, ... as a constant vector of i32.
mlir::Value iota(mlir::ImplicitLocOpBuilder &b, int64_t lanes, int64_t step = 1);

/// Reads at the point. `symbols` holds the loaded elements (i32, scalar or
/// vector) of the index operands. Yields a vector where the address varies
/// along the point's vector dimension, else a scalar.
mlir::Value emitLoad(mlir::ImplicitLocOpBuilder &b, Extents &extents, const Access &access, const Point &point,
                     llvm::ArrayRef<mlir::Value> symbols);

/// Whether emitLoad yields a vector, given which symbols are vectors.
bool variesAlong(const Access &access, int vectorDim, llvm::ArrayRef<bool> symbolVaries);

/// Writes at the point; no guards, no symbols.
void emitStore(mlir::ImplicitLocOpBuilder &b, Extents &extents, const Access &access, const Point &point,
               mlir::Value value);

/// Asks for the cache line at the point, to read or to write; `second`: no nearer than into the second cache.
void emitPrefetch(mlir::ImplicitLocOpBuilder &b, Extents &extents, const Access &access, const Point &point,
                  bool write, bool second = false);

/// Adds to what lies at the point (guards and symbols allowed).
void emitAccumulate(mlir::ImplicitLocOpBuilder &b, Extents &extents, const Access &access, const Point &point,
                    llvm::ArrayRef<mlir::Value> symbols, mlir::Value value);

} // namespace gptc
