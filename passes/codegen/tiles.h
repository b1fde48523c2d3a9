// How a contraction is cut: merged dimensions, roles, pieces, register tile,
// panels and scratch. Decides everything from shapes and register width, builds no IR.
#pragma once

#include "passes/codegen/contraction.h"

#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/MathExtras.h"

namespace gptc {

enum class ContractionRole { Batch, M, N, K };

/// One dimension of the plan: one or more contiguous original dimensions.
struct PlanDim {
  ContractionRole role = ContractionRole::Batch;
  int64_t size = 1;                         ///< the most counts: the extent's bound, or half of it
  gpt::Length count = 1;                    ///< the extent
  int64_t step = 1;                         ///< elements that one count stands for: 2 where k is in pairs
  llvm::SmallVector<unsigned, 2> originals; ///< outer to inner
  gpt::Length strideA, strideB, strideOut;  ///< of a count
  gpt::Length halfA, halfB;                 ///< of a pair's second element
  llvm::SmallVector<gpt::Length, 2> others;
  bool separate = false;
  bool dynamic() const { return !count.isConstant(); }
};

/// How panels of B come about.
enum class PanelKind {
  Direct,     ///< no panel: rows of B are read where they are
  Copy,       ///< n is contiguous
  Transpose,  ///< the innermost k is contiguous
  Gather,     ///< neither
};

/// How rows of A come to the inner loop.
enum class RowsKind {
  Direct,  ///< no panel: read where they are
  Columns, ///< copied to [tile][k][row]: m is contiguous
  Rows,    ///< k is contiguous: copied to [tile][row][k], so that a tile's rows don't share cache sets
};

/// A and B are named by their role: B is the operand that has the vectorised
/// dimension (`swapped`: it is the spec's `a`).
struct ContractionPlan {
  const ContractionSpec *spec = nullptr;
  bool swapped = false;
  llvm::SmallVector<PlanDim, 6> dims;
  llvm::SmallVector<unsigned> outer;   ///< dims that count groups of pieces, outer to inner
  std::optional<unsigned> m;           ///< rows of tiles; none for one row
  unsigned n = 0;                      ///< columns of tiles
  llvm::SmallVector<unsigned> k;       ///< outer to inner

  int64_t rows = 8;        ///< register tile, rows
  int64_t vectors = 2;     ///< register tile, vectors a row
  int64_t rowBlock = 8;    ///< rows of a piece, a multiple of `rows`
  int64_t columnBlock = 32;///< columns of a piece, a multiple of a panel's
  int64_t group = 1;       ///< outer points of a piece
  unsigned kLevel = 0;     ///< k dims before this one are loops around the panels,
  int64_t kBlock = 0;      ///< which hold this many of dim kLevel and all of the others
  bool kBlocked = false;   ///< more than one panel along k: sums rest in scratch between
  int64_t kPanel = 1;      ///< largest number of k in a panel
  PanelKind panelB = PanelKind::Copy;
  RowsKind panelA = RowsKind::Direct;

  /// Panels of the whole operands lie in the launch's workspace: the first pieces fill them, each once, the others
  /// read them. Else a piece packs for itself, into its scratch.
  bool shared = false;
  /// A piece's own panel that whoever multiplies first fills, from the operand in place: rows of A in the first panel
  /// of columns, columns of B in the first tile of rows. The stores hide behind multiplications.
  bool fillsA = false, fillsB = false;
  int64_t kTotal = 1;         ///< all k
  int64_t panelsPerPiece = 1; ///< panels of B that a packing piece fills
  int64_t tilesPerPiece = 1;  ///< and tiles of A

  // Scratch, in bytes from its start; -1 where there is none. So in the workspace.
  int64_t panelBAt = -1, panelAAt = -1, sumsAt = -1, scratchBytes = 0;
  int64_t sharedBAt = -1, sharedAAt = -1, workspaceBytes = 0;

  /// Panels hold pairs of bf16 along the innermost k, as integers of 32 bits; that dim counts pairs and its strides are
  /// those of a pair. The last pair of an odd extent has a zero.
  bool pairs = false;
  Bf16 bf16() const { return pairs ? Bf16::Dot : spec->bf16 ? Bf16::Round : Bf16::Off; }

  /// A is bf16 in memory.
  bool narrowA() const { return swapped ? spec->narrowB : spec->narrowA; }
  bool narrowB() const { return swapped ? spec->narrowA : spec->narrowB; }

  bool packsB() const { return panelB != PanelKind::Direct; }
  bool packsA() const { return panelA != RowsKind::Direct; }
  bool sharesA() const { return shared && packsA() && !fillsA; }
  bool sharesB() const { return shared && packsB() && !fillsB; }
  /// k that a panel of A has room for.
  int64_t panelDepth() const { return sharesA() ? kTotal : kPanel; }
  /// Distance of two rows in a panel of kind Rows: odd in cache lines.
  int64_t pitchA() const { return (llvm::divideCeil(panelDepth(), lineElements()) | 1) * lineElements(); }
  /// Elements of A's panel that a tile has.
  int64_t tileElements() const { return rows * (panelA == RowsKind::Rows ? pitchA() : panelDepth()); }
  int64_t lineElements() const { return 64 / elementBytes(); }
  /// Elements of A's panels: of a piece, or of all of A.
  int64_t panelAElements() const {
    return (sharesA() ? llvm::divideCeil(mSize(), rows) : rowBlock / rows) * tileElements();
  }
  /// And of B's: of the one at work, or of all.
  int64_t panelBElements() const {
    return (sharesB() ? llvm::divideCeil(nSize(), columns()) * kTotal : kPanel) * columns();
  }
  /// Of the sums that rest in scratch: a piece's between panels along k, else a tile's on its way to the epilogue.
  int64_t sumsElements() const { return kBlocked ? rowBlock * columnBlock : rows * columns(); }
  int64_t mSize() const { return m ? dims[*m].size : 1; }
  int64_t nSize() const { return dims[n].size; }
  int64_t columns() const;   ///< of a full panel
  /// First column of the narrow last panel, and its columns; none: nSize, 0.
  int64_t tailStart() const { return nSize() - nSize() % columns(); }
  int64_t tailColumns() const { return nSize() % columns(); }
  int64_t elementBytes() const { return spec->isDouble ? 8 : 4; }
};

/// `rows` rows of memory `bytes` apart meet in few sets of the first cache (64 sets of 8 lines): they push each other
/// out.
bool rowsCollide(int64_t rows, int64_t bytes);

/// The plan of a contraction, or nothing where `canLowerContraction` is false.
std::optional<ContractionPlan> planContraction(const ContractionSpec &spec);

} // namespace gptc
