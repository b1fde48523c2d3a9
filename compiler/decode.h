// A model of a growing stream as programs that go on from token to token.
#pragma once

#include "compiler/trained.h"

#include "runtime/token_model.h"

namespace gptc {

/// What a model keeps of earlier positions, or why it cannot.
struct DecodeInfo {
  struct State {
    std::string name, line;  ///< "cache.blocks.attention.key", "model.gpt:12: let key ..."
    int64_t bytes = 0;       ///< of one stream, all copies together
    int64_t perPosition = 0; ///< 0 where it does not grow with positions
  };
  std::vector<State> states;
  bool derived = false;
  bool ring = false;        ///< positions only count, so streams have no end
  std::string reason, line; ///< where not derived
};

/// Programs of one model's stream: made when they are needed.
class DecodePrograms {
public:
  /// `output`: the one that is wanted; "" for all. Reports nothing: where the model looks ahead, info() says
  /// so. `streams`: how many go on together.
  static llvm::Expected<std::unique_ptr<DecodePrograms>> create(Session &session, std::string output,
                                                                int64_t streams);

  const DecodeInfo &info() const { return found; }
  /// The most positions of a stream.
  int64_t capacity() const { return most; }
  /// What is computed once before; nothing where there is no such thing.
  llvm::Expected<std::optional<runtime::Program>> prepare();
  /// For up to so many new positions; with `all` at each of them, else at the last.
  /// `ring`: in caches that go round; for one row, where info() says so.
  llvm::Expected<runtime::Program> extend(int64_t rows, bool ring = false, bool all = false);

private:
  DecodePrograms(Session &session, std::string output, int64_t streams)
      : session(session), output(std::move(output)), streams(streams) {}
  mlir::OwningOpRef<mlir::ModuleOp> part(ProgramKind kind);
  PipelineOptions pipeline(ProgramKind kind) const;
  void describe(mlir::ModuleOp module);

  Session &session;
  std::string output;
  int64_t streams, most = 0;
  DecodeInfo found;
};

/// A model of texts, ready to be asked for the next token: with caches, or where it looks ahead or asks for
/// it by `recompute`, by its whole window. Load the weights after it. The machine must outlive it.
struct Generation {
  std::unique_ptr<runtime::ProgramRun> token, chunk;
  std::unique_ptr<DecodePrograms> programs;
  std::unique_ptr<runtime::TokenModel> model;
};
llvm::Expected<std::unique_ptr<Generation>> makeGeneration(Session &session, Machine &machine,
                                                           const std::string &output,
                                                           std::optional<int32_t> pad, bool recompute);

} // namespace gptc
