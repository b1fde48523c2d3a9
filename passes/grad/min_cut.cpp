#include "passes/grad/min_cut.h"

#include "llvm/ADT/BitVector.h"

#include <algorithm>

namespace gptc::grad {

unsigned MinCut::addNode(int64_t cost) {
  edges.emplace_back();
  edges.emplace_back();
  connect(in(nodes), out(nodes), std::min(cost, never));
  return nodes++;
}

void MinCut::connect(unsigned from, unsigned to, int64_t capacity) {
  edges[from].push_back({to, capacity, unsigned(edges[to].size())});
  edges[to].push_back({from, 0, unsigned(edges[from].size()) - 1});
}

/// Sends what one path from source to sink can take; 0 where there is none.
int64_t MinCut::augment() {
  llvm::SmallVector<std::pair<unsigned, unsigned>> cameBy(edges.size(), {~0u, 0}); // node and edge before
  llvm::SmallVector<unsigned> queue = {source};
  for (size_t next = 0; next < queue.size() && cameBy[sink].first == ~0u; ++next)
    for (auto [i, edge] : llvm::enumerate(edges[queue[next]]))
      if (edge.capacity > 0 && edge.to != source && cameBy[edge.to].first == ~0u) {
        cameBy[edge.to] = {queue[next], unsigned(i)};
        queue.push_back(edge.to);
      }
  if (cameBy[sink].first == ~0u)
    return 0;
  int64_t most = never;
  for (unsigned node = sink; node != source; node = cameBy[node].first)
    most = std::min(most, edges[cameBy[node].first][cameBy[node].second].capacity);
  for (unsigned node = sink; node != source; node = cameBy[node].first) {
    Edge &edge = edges[cameBy[node].first][cameBy[node].second];
    edge.capacity -= most;
    edges[node][edge.back].capacity += most;
  }
  return most;
}

llvm::SmallVector<unsigned> MinCut::cut(bool &possible) {
  possible = true;
  while (int64_t flow = augment())
    if (flow >= never) {
      possible = false;
      return {};
    }
  // What still reaches the sink lies behind the cut that is nearest to it.
  llvm::BitVector reaches(edges.size());
  llvm::SmallVector<unsigned> queue = {sink};
  reaches.set(sink);
  for (size_t next = 0; next < queue.size(); ++next)
    for (const Edge &edge : edges[queue[next]])
      if (edges[edge.to][edge.back].capacity > 0 && !reaches.test(edge.to)) {
        reaches.set(edge.to);
        queue.push_back(edge.to);
      }
  llvm::SmallVector<unsigned> found;
  for (unsigned node = 0; node < nodes; ++node)
    if (!reaches.test(in(node)) && reaches.test(out(node)))
      found.push_back(node);
  return found;
}

} // namespace gptc::grad
