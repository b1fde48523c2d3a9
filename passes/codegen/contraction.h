// Fast loops for one contraction: out[batch, m, n] = sum over k of A * B.
//
// Knows nothing of ops: the caller describes the iteration space by strides and
// gets called back with vectors of finished sums, to which it applies fused
// elementwise work and which it stores.
#pragma once

#include "passes/codegen/extents.h"

#include <functional>
#include <optional>

namespace gptc {

/// How contractions of f32 multiply: as they are; or operands rounded to bf16 (nearest, ties to even), in f32; or in
/// pairs along k by VDPBF16PS. Sums are f32.
enum class Bf16 { Off, Round, Dot };

/// One dimension of the iteration space. Strides are in elements; 0 means that
/// the operand does not have the dimension. batch: in A, B and out; m: in A and
/// out; n: in B and out; k: in A and B only. A and B may be given in any order.
struct ContractionDim {
  int64_t size = 1;      ///< extent, or its bound when it is dynamic
  gpt::Length count = 1; ///< the extent
  gpt::Length strideA, strideB, strideOut;
  /// Strides of what else the epilogue reads or writes by vectors, one an operand;
  /// the same number in all dimensions. Vectors run along several n dimensions at
  /// once only where this is contiguous for all of them.
  llvm::SmallVector<gpt::Length, 2> others;
  /// The epilogue needs this coordinate itself (not only for addresses), so no
  /// vector may run across it and a neighbour.
  bool separate = false;
};

/// What an experiment asks for instead of what tiles.cpp would choose; 0: its choice. Rows and vectors of a register
/// tile, rows and columns of a piece. Too large a tile for the registers is slow, not wrong.
struct TileChoice {
  int64_t rows = 0, vectors = 0, rowBlock = 0, columnBlock = 0;
};
/// Reads "8x2" or "8x2,128x256"; nothing where the text is neither.
std::optional<TileChoice> parseTile(llvm::StringRef text);

struct ContractionSpec {
  llvm::SmallVector<ContractionDim, 6> dims;
  mlir::Value a, b;             ///< rank-1 memrefs; null for planning
  gpt::Length offsetA, offsetB; ///< elements, added to every index
  gpt::Limits limits;           ///< of products of extents
  bool isDouble = false;        ///< f64; else f32
  unsigned lanes = 16;          ///< elements of one vector register
  bool fma = true;              ///< the machine has fused multiply-add
  /// f32 operands are rounded to bf16 (nearest, ties to even) before they are multiplied; sums stay f32. With
  /// `dot`, by VDPBF16PS, on pairs along k: the sums of pairs are rounded once.
  bool bf16 = false;
  bool dot = false;             ///< the machine has it (512 bits)
  bool narrowA = false, narrowB = false; ///< rounded before, and bf16 in memory; only with `dot`
  TileChoice tile;
  /// The epilogue is a few operations a vector (bias, scale, plain store):
  /// emitted once for each register of the tile, instead of once in a loop.
  bool cheapEpilogue = false;
};

struct ContractionPlan;

/// Where one vector of sums belongs.
class TilePoint {
public:
  /// The coordinate along original dimension `dim` (not a k); for the dimension
  /// that the vector runs along, that of lane 0. Where the vector runs along
  /// several merged dimensions these are the coordinates of lane 0, too.
  mlir::Value coordinate(mlir::OpBuilder &b, mlir::Location loc, unsigned dim) const;
  /// sum over dimensions of coordinate * strides[dim] as one index value,
  /// without taking merged dimensions apart where the strides allow. Entries of
  /// k dimensions are ignored.
  mlir::Value linear(mlir::OpBuilder &b, mlir::Location loc, llvm::ArrayRef<gpt::Length> strides) const;
  /// The original dimension along which lanes are consecutive (the innermost).
  unsigned vectorDim() const;

  const ContractionPlan *plan = nullptr;
  Extents *extents = nullptr;
  /// For each dimension of the plan: value (null: 0) plus constant.
  llvm::SmallVector<std::pair<mlir::Value, int64_t>> position;
};

/// Called with a vector (`lanes` elements) of finished sums; `mask` (vector of
/// i1) is null where all lanes are valid. Must load and store by that mask.
using ContractionEpilogue = std::function<void(mlir::OpBuilder &, mlir::Location, const TilePoint &,
                                               mlir::Value vec, mlir::Value mask)>;

/// Called where a tile's sums are about to be computed, for each vector that the epilogue will be called
/// with: may ask for memory that the epilogue reads or writes. Called with positions past the end, too.
using ContractionPrefetch = std::function<void(mlir::OpBuilder &, mlir::Location, const TilePoint &)>;

/// Whether the loops below serve this contraction: some dimension in exactly one
/// of A and B has stride 1 in out, every k is in both A and B, every other
/// dimension is in out.
bool canLowerContraction(const ContractionSpec &spec);

struct PieceInfo {
  mlir::AffineExpr pieces;    ///< over symbols for the extents' names; a constant when all are static
  mlir::AffineExpr first;     ///< of these, how many must be done before any other begins (they fill panels)
  int64_t scratchBytes = 0;   ///< 64-byte aligned scratch that one thread needs
  int64_t workspaceBytes = 0; ///< 64-byte aligned memory that all pieces share; 0: none
};

/// A function of the shape and of the register width only.
PieceInfo contractionPieces(mlir::MLIRContext *context, const ContractionSpec &spec,
                            llvm::ArrayRef<mlir::StringAttr> names);

/// Emits the work of one piece at the builder's place. `scratch` is a
/// memref<?xi8> of at least `scratchBytes`, of which this uses the bytes from
/// `scratchOffset` (a multiple of 64) on; `workspace` one of `workspaceBytes`, null where that is 0. Operands `a` and
/// `b` must be set.
void emitContraction(mlir::OpBuilder &b, mlir::Location loc, Extents &extents, const ContractionSpec &spec,
                     mlir::Value piece, mlir::Value scratch, mlir::Value workspace,
                     const ContractionEpilogue &epilogue,
                     const ContractionPrefetch &prefetch = nullptr, int64_t scratchOffset = 0);

} // namespace gptc
