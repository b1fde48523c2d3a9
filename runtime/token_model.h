// What a model of texts says comes next.
#pragma once

#include "runtime/runner.h"

#include <functional>
#include <optional>

namespace gptc::runtime {

/// The logits of the next token, given those so far.
class TokenModel {
public:
  virtual ~TokenModel() = default;
  virtual int64_t vocabulary() const = 0;
  /// Of the logits: F32 or F64.
  virtual DType type() const = 0;
  /// `tokens`: those so far, at least one. In calls that follow each other the list only grows. The logits
  /// are there until the next call.
  virtual llvm::Expected<const char *> next(llvm::ArrayRef<int32_t> tokens) = 0;

  uint64_t seed = 0; ///< of random numbers in the model
};

/// Looks at a whole window of tokens again for each: for models that look ahead, and for windows of one
/// length. `run` is a program with one input of tokens, [1, t], and the output `result`: [1, t, vocabulary],
/// or [1, vocabulary].
class WindowModel : public TokenModel {
public:
  /// `pad` fills a window of fixed length up on the left while there are fewer tokens.
  static llvm::Expected<std::unique_ptr<WindowModel>> create(ProgramRun &run, std::string result,
                                                             std::optional<int32_t> pad);
  int64_t vocabulary() const override { return info->shape.back(); }
  DType type() const override { return info->type; }
  llvm::Expected<const char *> next(llvm::ArrayRef<int32_t> tokens) override;
  /// Whether the window takes one number of tokens only.
  bool isFixed() const { return fixed; }
  int64_t window() const { return input->info->shape[1]; }

private:
  WindowModel(ProgramRun &run, std::string result, std::optional<int32_t> pad)
      : run(run), name(std::move(result)), pad(pad) {}

  ProgramRun &run;
  std::string name;
  std::optional<int32_t> pad;
  const InputBuffer *input = nullptr;
  const ResultInfo *info = nullptr;
  bool fixed = false;
};

/// Goes on from what earlier tokens left in caches. The programs are as `gpt-derive-decode` makes them, for
/// one stream: inputs NAME [1, rows], past(NAME) [1] and, with more than one row, count(NAME) [1]; the output
/// `result` [1, 1, vocabulary]; extents `positions.new` and `positions.history`. They share the caches.
class CachedModel : public TokenModel {
public:
  /// `chunk` gives the program for many new tokens, when it is first needed. `capacity`: the most tokens of
  /// the caches.
  using ChunkProgram = std::function<llvm::Expected<ProgramRun *>()>;
  static llvm::Expected<std::unique_ptr<CachedModel>> create(ProgramRun &token, ChunkProgram chunk,
                                                             std::string stream, std::string result,
                                                             int64_t capacity, bool ring);
  int64_t vocabulary() const override { return info->shape.back(); }
  DType type() const override { return info->type; }
  /// Where the caches are full and do not go round, the older half of the tokens is forgotten and the others
  /// are read again.
  llvm::Expected<const char *> next(llvm::ArrayRef<int32_t> tokens) override;

private:
  CachedModel(ProgramRun &token, ChunkProgram chunk, std::string stream, std::string result, int64_t capacity,
              bool ring)
      : token(token), chunkProgram(std::move(chunk)), stream(std::move(stream)), name(std::move(result)),
        capacity(capacity), ring(ring) {}
  llvm::Error extend(ProgramRun &run, llvm::ArrayRef<int32_t> tokens);

  ProgramRun &token;
  ChunkProgram chunkProgram;
  ProgramRun *chunk = nullptr, *last = nullptr;
  std::string stream, name;
  int64_t capacity, first = 0, past = 0; ///< the first token that the caches have, and how many they have
  bool ring;                             ///< caches go round: a stream has no end
  const ResultInfo *info = nullptr;
};

} // namespace gptc::runtime
