// How values go into a repeat, from copy to copy, and out of it.
#pragma once

#include "ir/gpt/gpt.h"

#include "llvm/ADT/STLExtras.h"

namespace gptc::gpt {

/// Calls `follow(from, to)` wherever a value goes on under another name, and `visit` for the body between
/// what goes in and what comes out. A property that spreads is found by doing so until it grows no more.
inline void flowThroughRepeat(RepeatOp op, llvm::function_ref<void(mlir::Value, mlir::Value)> follow,
                              llvm::function_ref<void(mlir::Block &)> visit) {
  mlir::ValueRange yielded = op.getYield().getValues();
  for (auto [tensor, slice] : llvm::zip_equal(op.getStacked(), op.getSliceArguments()))
    follow(tensor, slice);
  for (auto [i, init] : llvm::enumerate(op.getInits())) {
    follow(init, op.getCarriedArguments()[i]);
    follow(yielded[i], op.getCarriedArguments()[i]);
  }
  visit(*op.getBlock());
  for (auto [value, result] : llvm::zip_equal(yielded, op.getResults()))
    follow(value, result);
  // Where no copy runs, the result is the initial value.
  for (auto [argument, result] : llvm::zip_equal(op.getCarriedArguments(), op.getCarried()))
    follow(argument, result);
}

} // namespace gptc::gpt
