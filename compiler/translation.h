// A trained model of pairs, compiled and ready to translate lines.
#pragma once

#include "compiler/trained.h"

#include "runtime/translator.h"

namespace gptc {

struct TranslationOptions {
  int64_t beams = 1;          // 1: greedy
  double lengthPenalty = 0.6; // runtime/beam.h
  int64_t tokens = 0;         // the most of a translation; 0: what the model takes
};

class Translation {
public:
  /// Compiles what a session's model of pairs needs. The machine must outlive
  /// the result; load the weights before the first translation.
  static llvm::Expected<std::unique_ptr<Translation>> create(Session &session, Machine &machine,
                                                             int64_t beams);

  /// Translates the lines, sentences of about one length together, and gives
  /// the translations to `each` in the lines' order; a line without text has an
  /// empty one. `source` names the text in errors. `each` returns false to stop.
  /// False where it, or an interrupt, did.
  llvm::Expected<bool> translate(llvm::ArrayRef<std::string> lines, llvm::StringRef source,
                                 const TranslationOptions &options,
                                 const std::function<bool(llvm::StringRef)> &each);
  /// What the last translate() has cut, as warnings: sources longer than the model
  /// takes, and translations that came to the end of what it makes.
  void warnOfSources(llvm::StringRef source) const;
  void warnOfEnds() const;

private:
  explicit Translation(const runtime::Tokenizer &tokenizer) : tokenizer(tokenizer) {}
  llvm::Expected<bool> translatePool(llvm::ArrayRef<std::vector<int32_t>> sources,
                                     const TranslationOptions &options, int64_t firstLine,
                                     std::vector<std::string> &results);

  const runtime::Tokenizer &tokenizer;
  runtime::SpecialTokens specials;
  std::vector<int32_t> never; // tokens that are part of no line
  std::vector<int64_t> cutSources, cutResults; // lines of the last translate(), from 1
  std::unique_ptr<runtime::ProgramRun> prepare, step;
  std::unique_ptr<runtime::Translator> translator;
};

/// The lines of a text, without their ends; a last empty one does not count.
std::vector<std::string> linesOf(llvm::StringRef text);
/// Those of a file.
llvm::Expected<std::vector<std::string>> readLines(const std::string &path);

/// `gptc generate` for a model of pairs: the translations of the prompt or of
/// the lines of a file, one a line on standard output. Returns the exit code.
struct TranslationRequest {
  std::string prompt, data, which;
  TranslationOptions options;
};
int translateCommand(Session &session, const runtime::RunDirectory &run, const TranslationRequest &request);

/// What generate { } says of `beam` and `length_penalty` and flags do not.
void readTranslationOptions(const Session &session, const Arguments &arguments, TranslationOptions &options);

} // namespace gptc
