// gptc bleu: the BLEU of translations that are there already.
#include "compiler/commands/commands.h"
#include "compiler/translation.h"

#include "runtime/bleu.h"

#include "llvm/Support/raw_ostream.h"

using namespace gptc;

int gptc::bleuCommand(llvm::ArrayRef<const char *> words) {
  std::string hypotheses, references;
  Arguments arguments(
      "bleu --hypotheses FILE --references FILE",
      "Prints the corpus BLEU of translations, one per line, against one reference per line: its\n"
      "signature, the score, the precisions of 1- to 4-grams, the brevity penalty and lengths.");
  arguments.option("--hypotheses", "FILE", "the translations", hypotheses);
  arguments.option("--references", "FILE", "what they should be", references);
  arguments.example("bleu --hypotheses made.de --references test.de");
  if (std::optional<int> code = arguments.parse(words))
    return *code;
  if (hypotheses.empty() || references.empty())
    return arguments.usageError(hypotheses.empty() ? "--hypotheses is missing" : "--references is missing");
  std::vector<std::string> lines[2];
  for (auto [path, into] : {std::pair{&hypotheses, &lines[0]}, std::pair{&references, &lines[1]}}) {
    auto text = readLines(*path);
    if (!text)
      return reportError(text.takeError());
    *into = std::move(*text);
  }
  if (lines[0].size() != lines[1].size()) {
    reportError(llvm::Twine(hypotheses) + " has " + llvm::Twine(lines[0].size()) + " lines, " + references +
                " " + llvm::Twine(lines[1].size()) + ": each translation needs its reference");
    return Failure;
  }
  auto score = runtime::bleu(lines[0], lines[1]);
  if (!score)
    return reportError(score.takeError());
  llvm::outs() << score->print() << "\n";
  return Success;
}
