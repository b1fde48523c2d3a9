// The cheapest set of values that cuts what is needed from what it is made of.
#pragma once

#include "llvm/ADT/SmallVector.h"

#include <cstdint>

namespace gptc::grad {

/// A graph whose nodes cost something to cut (minimum vertex cut, by augmenting paths: Ford and Fulkerson,
/// 1956).
class MinCut {
public:
  static constexpr int64_t never = int64_t(1) << 60;
  /// Returns the node's number.
  unsigned addNode(int64_t cost);
  /// `to` is made of `from`.
  void addEdge(unsigned from, unsigned to) { connect(out(from), in(to), never); }
  /// Nothing before this node can be cut.
  void markSource(unsigned node) { connect(source, in(node), never); }
  /// This node is needed.
  void markSink(unsigned node) { connect(out(node), sink, never); }
  /// The nodes to cut, of equally cheap sets the one nearest to the sinks. Empty, with `possible` false,
  /// where only nodes that may never be cut would do.
  llvm::SmallVector<unsigned> cut(bool &possible);

private:
  struct Edge {
    unsigned to;
    int64_t capacity;
    unsigned back; ///< the edge the other way, in the list of `to`
  };
  static constexpr unsigned source = 0, sink = 1;
  static unsigned in(unsigned node) { return 2 + 2 * node; }
  static unsigned out(unsigned node) { return 3 + 2 * node; }
  void connect(unsigned from, unsigned to, int64_t capacity);
  int64_t augment();

  llvm::SmallVector<llvm::SmallVector<Edge, 4>> edges{{}, {}};
  unsigned nodes = 0;
};

} // namespace gptc::grad
