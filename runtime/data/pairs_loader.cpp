#include "runtime/data/pairs_loader.h"

#include "runtime/files.h"
#include "runtime/lines.h"
#include "runtime/random.h"
#include "runtime/utf8.h"

#include "llvm/ADT/STLExtras.h"

#include <algorithm>
#include <numeric>

using llvm::ArrayRef;
using llvm::Error;
using llvm::Expected;
using llvm::StringRef;

namespace gptc::runtime {

static constexpr int64_t poolBatches = 32;

//===-- Reading ------------------------------------------------------------------===//

ArrayRef<int32_t> PairsLoader::Side::line(int64_t pair) const {
  size_t at = size_t(pair);
  return ArrayRef<int32_t>(tokens).slice(size_t(starts[at]), size_t(starts[at + 1] - starts[at]));
}

int64_t PairsLoader::Side::length(int64_t pair) const {
  return std::min(spec.bound, int64_t(line(pair).size()) + 1);
}

Error PairsLoader::read(Side &side, StringRef text, const Tokenizer &tokenizer) {
  if (side.spec.bound < 2)
    return failure("'{}' has at most {} tokens; a line needs 2 at least", side.spec.name, side.spec.bound);
  if (text.empty())
    return failure("{}: the file is empty", side.source);
  if (Error error = checkUtf8(text, side.source))
    return error;
  std::optional<SpecialTokens> specials = SpecialTokens::of(tokenizer);
  if (!specials)
    return failure("the tokenizer '{}' has no tokens <pad>, <s> and </s>, which pairs need",
                   tokenizer.kind());
  side.specials = *specials;
  side.starts.push_back(0);
  for (StringRef rest = text; !rest.empty();) {
    if (Error error = tokenizer.encodePart(nextLine(rest), text, side.tokens, side.source))
      return error;
    side.starts.push_back(int64_t(side.tokens.size()));
  }
  side.tokens.shrink_to_fit();
  return Error::success();
}

Expected<std::unique_ptr<PairsLoader>> PairsLoader::open(StringRef sourcePath, StringRef targetPath,
                                                         const Tokenizer &sourceTokenizer,
                                                         const Tokenizer &targetTokenizer,
                                                         const PairsOptions &options) {
  auto sourceText = readFile(sourcePath);
  if (!sourceText)
    return sourceText.takeError();
  auto targetText = readFile(targetPath);
  if (!targetText)
    return targetText.takeError();
  auto source = plainText((*sourceText)->getBuffer(), sourcePath);
  if (!source)
    return source.takeError();
  auto target = plainText((*targetText)->getBuffer(), targetPath);
  if (!target)
    return target.takeError();
  return create(*source, *target, {sourcePath, targetPath}, sourceTokenizer, targetTokenizer, options);
}

Expected<std::unique_ptr<PairsLoader>> PairsLoader::create(StringRef sourceText, StringRef targetText,
                                                           std::pair<StringRef, StringRef> names,
                                                           const Tokenizer &sourceTokenizer,
                                                           const Tokenizer &targetTokenizer,
                                                           const PairsOptions &options) {
  auto loader = std::make_unique<PairsLoader>();
  loader->source.spec = options.source;
  loader->source.source = names.first.str();
  loader->target.spec = options.target;
  loader->target.source = names.second.str();
  if (Error error = read(loader->source, sourceText, sourceTokenizer))
    return error;
  if (Error error = read(loader->target, targetText, targetTokenizer))
    return error;
  int64_t count = int64_t(loader->source.starts.size()) - 1;
  int64_t targetCount = int64_t(loader->target.starts.size()) - 1;
  if (count != targetCount)
    return failure("{} has {} line{}, {} has {}: the lines of the two files are pairs, so they need as many",
                   names.first, count, count == 1 ? "" : "s", names.second, targetCount);
  loader->count = count;
  bool apart = options.holdOut && options.validation > 0;
  double share = options.validation < 1 ? double(count) * options.validation + 1e-6
                                        : std::min(options.validation, double(count));
  int64_t kept = apart ? std::max<int64_t>(1, int64_t(share)) : 0;
  loader->split = std::max<int64_t>(1, count - kept);
  if (const llvm::json::Object *facts = apart ? options.heldOut.facts : nullptr)
    if (options.heldOut.keep || facts->getInteger("pairs") == count)
      loader->split = std::clamp<int64_t>(facts->getInteger("held_out_from").value_or(loader->split), 1, count);
  for (int64_t pair = 0; pair < loader->split; ++pair)
    if (!loader->source.tooLong(pair) && !loader->target.tooLong(pair))
      loader->kept.push_back(pair);
  return loader;
}

std::vector<std::string> PairsLoader::warnings() const {
  std::vector<int64_t> lines;
  for (int64_t pair = 0; pair < count; ++pair)
    if (source.tooLong(pair) || target.tooLong(pair))
      lines.push_back(pair + 1);
  if (lines.empty())
    return {};
  return {fmt::format("{}, {}: {} of {} pairs are longer than {} < {} or {} < {} tokens ({}): training "
                      "leaves them out, evaluation cuts them",
                      source.source, target.source, lines.size(), count, source.spec.extent,
                      source.spec.bound, target.spec.extent, target.spec.bound, nameLines(lines))};
}

llvm::json::Object PairsLoader::facts() const {
  return llvm::json::Object{{"pairs", count},
                            {"training_pairs", int64_t(kept.size())},
                            {"held_out_from", split},
                            {"source_tokens", int64_t(source.tokens.size())},
                            {"target_tokens", int64_t(target.tokens.size())}};
}

//===-- What a program takes -------------------------------------------------------===//

Error PairsLoader::check(ArrayRef<InputBuffer> inputs) const {
  auto lengthOf = [](const Side &side) { return "length(" + side.spec.name + ")"; };
  std::string next = "next(" + target.spec.name + ")";
  for (const InputBuffer &input : inputs) {
    const TensorInfo &info = *input.info;
    if (isLoopInput(info.name))
      continue;
    bool isLength = info.name == lengthOf(source) || info.name == lengthOf(target);
    const Side *side = info.name == source.spec.name                        ? &source
                       : info.name == target.spec.name || info.name == next ? &target
                                                                            : nullptr;
    if (!isLength && !side)
      return failure("{}, {}: these pairs have no '{}', only {}, {}, {} and lengths", source.source,
                     target.source, info.name, source.spec.name, target.spec.name, next);
    size_t rank = isLength ? 1 : 2;
    if (info.type != DType::I32 || info.shape.size() != rank)
      return failure("input '{}' is {} of rank {}; pairs have it as I32 of rank {}", info.name,
                     nameOf(info.type), info.shape.size(), rank);
    if (side && info.shape[1] != side->spec.bound)
      return failure("input '{}' takes {} tokens, lines have up to {}", info.name, info.shape[1],
                     side->spec.bound);
  }
  return Error::success();
}

Error PairsLoader::checkTraining(const BatchShape &shape) const {
  if (kept.empty())
    return failure("{}, {}: no pair of the training part is within {} and {} tokens", source.source,
                   target.source, source.spec.bound, target.spec.bound);
  int64_t longest = std::max(source.spec.bound, target.spec.bound);
  if (shape.tokens && shape.tokens < longest)
    return failure("a batch of {} tokens does not hold one pair of {} tokens (the bound of '{}')",
                   shape.tokens, longest, source.spec.bound == longest ? source.spec.name : target.spec.name);
  if (shape.wholeRows && trainingExamples() < shape.rows)
    return failure("{}, {}: the training part has {} pairs within the bounds, a batch needs {}",
                   source.source, target.source, kept.size(), shape.rows);
  return Error::success();
}

//===-- Batches ----------------------------------------------------------------------===//

ArrayRef<int64_t> PairsLoader::Plan::batch(int64_t index) const {
  int64_t begin = index == 0 ? 0 : ends[size_t(index) - 1];
  return ArrayRef<int64_t>(order).slice(size_t(begin), size_t(ends[size_t(index)] - begin));
}

void PairsLoader::sortByLength(llvm::MutableArrayRef<int64_t> pairs) const {
  // By target, then by source, up and down in turn: neighbours are alike on both
  // sides also where the target's length changes.
  std::stable_sort(pairs.begin(), pairs.end(), [&](int64_t a, int64_t b) {
    int64_t targetA = target.length(a), targetB = target.length(b);
    if (targetA != targetB)
      return targetA < targetB;
    int64_t sourceA = source.length(a), sourceB = source.length(b);
    return targetA % 2 ? sourceA < sourceB : sourceB < sourceA;
  });
}

void PairsLoader::cut(ArrayRef<int64_t> pairs, const BatchShape &shape, Plan &plan) const {
  int64_t begin = 0, longest = 0, base = int64_t(plan.order.size());
  plan.order.insert(plan.order.end(), pairs.begin(), pairs.end());
  for (int64_t i = 0; i < int64_t(pairs.size()); ++i) {
    int64_t pair = pairs[size_t(i)], with = std::max({longest, source.length(pair), target.length(pair)});
    bool full = i - begin == shape.rows || (shape.tokens && (i - begin + 1) * with > shape.tokens);
    if (full && i > begin) {
      plan.ends.push_back(base + i);
      begin = i;
      with = std::max(source.length(pair), target.length(pair));
    }
    longest = with;
  }
  if (begin < int64_t(pairs.size()))
    plan.ends.push_back(base + int64_t(pairs.size()));
}

PairsLoader::Plan PairsLoader::epochPlan(const BatchShape &shape, uint64_t seed, int64_t epoch) const {
  std::vector<int64_t> pairs = kept;
  for (size_t i = pairs.size(); i > 1; --i)
    std::swap(pairs[i - 1], pairs[randomBelow(randomBits(seed, RandomUse::Shuffle, uint64_t(epoch), i), i)]);
  Plan sorted;
  if (shape.wholeRows) // one batch or several of exactly so many; which ones are a batch is chance
    pairs.resize(pairs.size() / size_t(shape.rows) * size_t(shape.rows));
  size_t pool = size_t(std::min<int64_t>(shape.rows, INT32_MAX) * poolBatches);
  for (size_t begin = 0; begin < pairs.size(); begin += pool) {
    auto part = llvm::MutableArrayRef<int64_t>(pairs).slice(begin, std::min(pool, pairs.size() - begin));
    sortByLength(part);
    cut(part, shape, sorted);
  }
  std::vector<int64_t> batches(sorted.ends.size());
  std::iota(batches.begin(), batches.end(), 0);
  for (size_t i = batches.size(); i > 1; --i)
    std::swap(batches[i - 1],
              batches[randomBelow(randomBits(seed, RandomUse::BatchOrder, uint64_t(epoch), i), i)]);
  Plan plan;
  plan.order.reserve(pairs.size());
  for (int64_t batch : batches) {
    llvm::append_range(plan.order, sorted.batch(batch));
    plan.ends.push_back(int64_t(plan.order.size()));
  }
  return plan;
}

void PairsLoader::start(const BatchShape &shape, uint64_t seed) {
  bool same = shape.rows == plannedShape.rows && shape.tokens == plannedShape.tokens &&
              shape.wholeRows == plannedShape.wholeRows && seed == plannedSeed;
  if (same && plannedEpoch >= 0)
    return;
  plannedShape = shape;
  plannedSeed = seed;
  epochEnds.clear();
  plan = epochPlan(shape, seed, 0);
  plannedEpoch = 0;
  epochEnds.push_back(plan.batches());
}

// Epochs differ in their number of batches, so that each one has to be planned
// to know where the next begins.
int64_t PairsLoader::findEpoch(const BatchShape &shape, uint64_t seed, int64_t step) {
  start(shape, seed);
  while (epochEnds.back() <= step) {
    plannedEpoch = int64_t(epochEnds.size());
    plan = epochPlan(shape, seed, plannedEpoch);
    epochEnds.push_back(epochEnds.back() + plan.batches());
  }
  int64_t epoch = llvm::upper_bound(epochEnds, step) - epochEnds.begin();
  if (epoch != plannedEpoch) {
    plan = epochPlan(shape, seed, epoch);
    plannedEpoch = epoch;
  }
  return step - (epoch ? epochEnds[size_t(epoch) - 1] : 0);
}

int64_t PairsLoader::batchesOf(int64_t epochs, const BatchShape &shape, uint64_t seed) {
  if (kept.empty() || epochs < 1)
    return std::max<int64_t>(epochs, 0);
  start(shape, seed);
  while (int64_t(epochEnds.size()) < epochs)
    (void)findEpoch(shape, seed, epochEnds.back());
  return epochEnds[size_t(epochs) - 1];
}

Batch PairsLoader::fill(ArrayRef<int64_t> pairs, ArrayRef<InputBuffer> inputs) const {
  Batch batch;
  batch.rows = int64_t(pairs.size());
  batch.examples.assign(pairs.begin(), pairs.end());
  int64_t longest[2] = {0, 0};
  for (int64_t pair : pairs) {
    longest[0] = std::max(longest[0], source.length(pair));
    longest[1] = std::max(longest[1], target.length(pair));
    batch.items += target.length(pair);
  }
  batch.extents = {{source.spec.extent, longest[0]}, {target.spec.extent, longest[1]}};
  for (const InputBuffer &input : inputs) {
    StringRef name = input.info->name;
    if (isLoopInput(name))
      continue;
    auto *to = reinterpret_cast<int32_t *>(input.data);
    bool isLength = name.consume_front("length("), isNext = !isLength && name.consume_front("next(");
    if (isLength || isNext)
      name.consume_back(")");
    const Side &side = name == source.spec.name ? source : target;
    if (isLength) {
      for (int64_t pair : pairs)
        *to++ = int32_t(side.length(pair));
      continue;
    }
    int64_t extent = longest[&side == &target], stride = rowStride(*input.info, extent);
    bool begins = &side == &target && !isNext;
    for (int64_t pair : pairs) {
      ArrayRef<int32_t> line = side.line(pair);
      int64_t at = 0, length = side.length(pair);
      if (begins)
        to[at++] = side.specials.begin;
      int64_t words = std::min<int64_t>(int64_t(line.size()), length - at);
      std::copy_n(line.begin(), words, to + at);
      at += words;
      if (at < length)
        to[at++] = side.specials.end;
      std::fill(to + at, to + extent, side.specials.pad);
      to += stride;
    }
  }
  return batch;
}

Batch PairsLoader::training(const BatchShape &shape, uint64_t seed, int64_t step,
                            ArrayRef<InputBuffer> inputs) {
  int64_t index = findEpoch(shape, seed, step);
  return fill(plan.batch(index), inputs);
}

PairsLoader::Plan PairsLoader::evaluationPlan(Part part, const BatchShape &shape) const {
  int64_t first = part == Part::All ? 0 : split;
  std::vector<int64_t> pairs(size_t(count - first));
  std::iota(pairs.begin(), pairs.end(), first);
  sortByLength(pairs);
  Plan result;
  cut(pairs, shape, result);
  if (shape.wholeRows && !result.ends.empty() && int64_t(pairs.size()) % shape.rows)
    result.ends.pop_back();
  return result;
}

int64_t PairsLoader::evaluationBatches(Part part, const BatchShape &shape) const {
  return evaluationPlan(part, shape).batches();
}

Batch PairsLoader::evaluation(Part part, const BatchShape &shape, int64_t index,
                              ArrayRef<InputBuffer> inputs) {
  bool same = evaluated && evaluatedPart == part && evaluatedShape.rows == shape.rows &&
              evaluatedShape.tokens == shape.tokens && evaluatedShape.wholeRows == shape.wholeRows;
  if (!same) {
    evaluated = evaluationPlan(part, shape);
    evaluatedPart = part;
    evaluatedShape = shape;
  }
  return fill(evaluated->batch(index), inputs);
}

} // namespace gptc::runtime
