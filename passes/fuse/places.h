// Where each value of a program lies, and when its memory is in use.
#pragma once

#include "passes/fuse/arena.h"
#include "passes/fuse/destinations.h"

#include "llvm/ADT/StringRef.h"

namespace gptc::fuse {

/// An address: a base, a constant number of bytes, and bytes that depend on
/// which copies of the enclosing repeats run.
struct Place {
  enum Base { Arena, Variable, Input, Constant } base = Arena;
  unsigned buffer = 0;              ///< Arena
  mlir::FlatSymbolRefAttr variable; ///< Variable
  int64_t position = 0;             ///< Input: the argument's
  mlir::ElementsAttr constant;      ///< Constant
  int64_t offset = 0;

  struct Term {
    enum Kind {
      Copy,      ///< stride times the copy's number
      Turn,      ///< stride in every second copy that runs, from the second on
      OtherTurn, ///< stride in the first copy that runs and every second after it
    } kind;
    mlir::Operation *repeat;
    int64_t stride; ///< bytes
    bool operator==(const Term &other) const {
      return kind == other.kind && repeat == other.repeat && stride == other.stride;
    }
  };
  llvm::SmallVector<Term, 1> terms;

  /// Whether both are the same memory from the same byte on.
  bool operator==(const Place &other) const {
    return base == other.base && buffer == other.buffer && variable == other.variable &&
           position == other.position && constant == other.constant && offset == other.offset && terms == other.terms;
  }
  Place plus(int64_t bytes) const;
  Place plus(Term term) const;
};

struct Places {
  llvm::DenseMap<mlir::Value, Place> values;
  llvm::SmallVector<Buffer> buffers;
  int64_t arenaBytes = 0;
};

/// Gives every tensor of `main` its place: buffers live as long as something may
/// read them, and share the arena otherwise. `main` is as planDestinations
/// leaves it. Fails, with an error reported, where the result is not sound.
mlir::FailureOr<Places> assignPlaces(mlir::func::FuncOp main, const Destinations &destinations);

} // namespace gptc::fuse
