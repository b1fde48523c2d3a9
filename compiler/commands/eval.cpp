// gptc eval: the loss of a trained model on other data.
#include "compiler/commands/commands.h"
#include "compiler/trained.h"
#include "compiler/translation.h"

#include "runtime/bleu.h"
#include "runtime/data/pairs_loader.h"
#include "runtime/evaluate.h"
#include "runtime/files.h"
#include "runtime/interrupt.h"

#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"

#include <algorithm>
#include <cmath>

using namespace gptc;

/// Translates the sources of pairs and prints a line for each beam: `beam 4
/// length_penalty 0.6 BLEU|... = ...`.
static int printBleu(Session &session, Machine &machine, const runtime::RunDirectory &run,
                     const std::vector<std::string> &data, bool onlyValidation, llvm::ArrayRef<int64_t> beams,
                     TranslationOptions options, llvm::StringRef which) {
  std::vector<std::string> sides[2];
  for (int i = 0; i < 2; ++i) {
    auto text = runtime::readFile(data[i]);
    if (!text)
      return reportError(text.takeError());
    sides[i] = linesOf((*text)->getBuffer());
    if (onlyValidation) {
      int64_t training = static_cast<runtime::PairsLoader &>(*session.loader).trainingPairs();
      sides[i].erase(sides[i].begin(), sides[i].begin() + std::min<int64_t>(training, sides[i].size()));
    }
  }
  auto translation = Translation::create(session, machine, *std::max_element(beams.begin(), beams.end()));
  if (!translation)
    return reportError(translation.takeError());
  // What the new programs add to the store has no weights yet.
  if (llvm::Error error = machine.load(session, run, which))
    return reportError(std::move(error));
  for (int64_t beam : beams) {
    options.beams = beam;
    std::vector<std::string> hypotheses;
    auto whole = (*translation)->translate(sides[0], data[0], options, [&](llvm::StringRef line) {
      hypotheses.push_back(line.str());
      return true;
    });
    if (!whole)
      return reportError(whole.takeError());
    if (!*whole)
      return Interrupted;
    auto score = runtime::bleu(hypotheses, sides[1]);
    if (!score)
      return reportError(score.takeError());
    llvm::outs() << "beam " << beam << " length_penalty " << llvm::formatv("{0}", options.lengthPenalty)
                 << " " << score->print() << "\n";
    llvm::outs().flush();
  }
  return Success;
}

int gptc::evalCommand(llvm::ArrayRef<const char *> words) {
  CommonOptions options;
  std::string path, which = "latest", part = "all";
  std::vector<std::string> data, beamWords;
  TranslationOptions translation;
  bool noBleu = false;
  Arguments arguments(
      "eval RUN --data FILE",
      "Prints the loss and the reports of a trained model on data, one `name value` a line:\n"
      "means over all tokens or rows. For pairs also the perplexity, exp(loss), and the BLEU of\n"
      "translations (all of --data, or the validation part), one line for each --beam.");
  arguments.positional("RUN", "the directory of a run", path);
  arguments.option("--data", "FILE", "the text or table; for pairs of lines two files, source first", data);
  arguments.choice("--part", "all of it (default), or only the part that training keeps for validation",
                   {"all", "validation"}, part);
  arguments.option("--beam", "N", "for pairs: translate with so many hypotheses; 1: greedy; may be repeated",
                   beamWords);
  arguments.option("--length-penalty", "A", "for pairs: score log P / ((5 + length) / 6)^A (default 0.6)",
                   translation.lengthPenalty, 0, 100);
  arguments.flag("--no-bleu", "for pairs: only the loss, no translations", noBleu);
  arguments.choice("--checkpoint", "which weights (default latest)", {"latest", "best"}, which);
  addCompileOptions(arguments, options);
  if (std::optional<int> code = arguments.parse(words))
    return *code;
  if (data.empty())
    return arguments.usageError("--data is missing: the text or table to evaluate on");
  std::vector<int64_t> beams;
  for (const std::string &word : beamWords) {
    beams.push_back(0);
    if (llvm::StringRef(word).getAsInteger(10, beams.back()) || beams.back() < 1 || beams.back() > 1024)
      return arguments.usageError("--beam is an integer from 1 to 1024, not `" + word + "`");
  }

  Session session(options);
  std::optional<llvm::json::Object> config;
  std::optional<runtime::RunDirectory> run = openRun(session, path, config);
  if (!run)
    return Failure;
  int64_t seed = config->getInteger("seed").value_or(1);
  if (!session.loadData(data, seed, config->getObject("data")) || !session.analyse())
    return Failure;
  bool isPairs = session.spec.kind == DataSpec::Pairs;
  for (const char *flag : {"--beam", "--length-penalty", "--no-bleu"})
    if (!isPairs && arguments.given(flag))
      return arguments.usageError(std::string(flag) + " is for pairs, and " + path +
                                  " was not trained on any");
  readTranslationOptions(session, arguments, translation);
  if (beams.empty())
    beams.push_back(translation.beams);
  int64_t batch = config->getInteger("batch").value_or(1);
  auto program = session.compile(session.pipeline(ProgramKind::Eval, batch, true));
  if (!program)
    return reportError(program.takeError());
  auto machine = Machine::create(options.threads);
  if (!machine)
    return reportError(machine.takeError());
  auto bound = (*machine)->bind(std::move(*program));
  if (!bound)
    return reportError(bound.takeError());
  if (llvm::Error error = (*machine)->load(session, *run, which))
    return reportError(std::move(error));
  using Part = runtime::Loader::Part;
  runtime::InterruptGuard guard;
  auto evaluation = runtime::evaluate(**bound, *session.loader, part == "all" ? Part::All : Part::Validation,
                                      uint64_t(seed), [] { return runtime::interrupted(); });
  if (!evaluation)
    return reportError(evaluation.takeError());
  if (evaluation->stopped)
    return Interrupted;
  llvm::outs() << llvm::formatv("loss {0:f6}\n", evaluation->loss);
  if (isPairs)
    llvm::outs() << llvm::formatv("perplexity {0:f4}\n", std::exp(evaluation->loss));
  for (const auto &[name, value] : evaluation->reports)
    llvm::outs() << llvm::formatv("{0} {1:f6}\n", name, value);
  llvm::outs() << session.loader->items() << " " << evaluation->items << "\n";
  llvm::outs().flush();
  if (isPairs && !noBleu)
    return printBleu(session, **machine, *run, data, part != "all", beams, translation, which);
  return Success;
}
