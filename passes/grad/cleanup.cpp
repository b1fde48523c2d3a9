// What differentiation leaves behind: derivatives that nobody asked for, and
// the values that only they would have needed.
#include "passes/grad/tensors.h"

#include "mlir/IR/Dominance.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Transforms/CSE.h"

using namespace mlir;

namespace gptc::grad {
using namespace gpt;

void cleanUp(Operation *root) {
  removeUnused(root);
  IRRewriter rewriter(root->getContext());
  DominanceInfo dominance(root);
  eliminateCommonSubExpressions(rewriter, dominance, root);
  removeUnused(root);
}

} // namespace gptc::grad
