#include "passes/fuse/groups.h"

#include "mlir/IR/Operation.h"
#include "llvm/ADT/BitVector.h"
#include "llvm/ADT/STLExtras.h"

using namespace mlir;

namespace gptc::fuse {

Groups::Groups(Block &block) {
  for (Operation &op : block) {
    ids[&op] = ops.size();
    groups.push_back(ops.size());
    contents.push_back({static_cast<unsigned>(ops.size())});
    ops.push_back(&op);
  }
  for (Operation *op : ops) {
    SmallVector<unsigned> &list = users.emplace_back();
    for (Operation *user : op->getUsers())
      list.push_back(idOf(user));
    llvm::sort(list);
    list.erase(llvm::unique(list), list.end());
  }
}

unsigned Groups::idOf(Operation *op) const { return ids.at(ops.front()->getBlock()->findAncestorOpInBlock(*op)); }

bool Groups::reachesAround(unsigned from, unsigned to) const {
  llvm::BitVector seen(ops.size());
  SmallVector<unsigned> pending;
  auto pushUsers = [&](unsigned group) {
    for (unsigned id : contents[group])
      for (unsigned user : users[id]) {
        unsigned next = groups[user];
        // The step from `from` right into `to` goes around nothing.
        if (next == from || (group == from && next == to) || seen.test(next))
          continue;
        seen.set(next);
        pending.push_back(next);
      }
  };
  pushUsers(from);
  while (!pending.empty()) {
    unsigned group = pending.pop_back_val();
    if (group == to)
      return true;
    pushUsers(group);
  }
  return false;
}

bool Groups::merge(unsigned a, unsigned b) {
  if (a == b)
    return true;
  if (reachesAround(a, b) || reachesAround(b, a))
    return false;
  SmallVector<unsigned> both;
  std::merge(contents[a].begin(), contents[a].end(), contents[b].begin(), contents[b].end(),
             std::back_inserter(both));
  for (unsigned id : contents[b])
    groups[id] = a;
  contents[b].clear();
  contents[a] = std::move(both);
  return true;
}

} // namespace gptc::fuse
