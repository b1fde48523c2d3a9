// gptc eval: the loss of a trained model on other data.
#include "compiler/classes.h"
#include "compiler/commands/commands.h"
#include "compiler/trained.h"
#include "compiler/translation.h"

#include "runtime/bleu.h"
#include "runtime/data/pairs_loader.h"
#include "runtime/evaluate.h"
#include "runtime/interrupt.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Format.h"
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
    auto text = readLines(data[i]);
    if (!text)
      return reportError(text.takeError());
    sides[i] = std::move(*text);
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
    (*translation)->warnOfEnds();
    auto score = runtime::bleu(hypotheses, sides[1]);
    if (!score)
      return reportError(score.takeError());
    llvm::outs() << "beam " << beam << " length_penalty " << llvm::formatv("{0}", options.lengthPenalty)
                 << " " << score->print() << "\n";
    llvm::outs().flush();
  }
  return Success;
}

namespace {
/// How often each class of a column was taken for each.
struct Confusion {
  ClassResult over;
  std::vector<int64_t> counts; // [actual, predicted]; what is no number counts nowhere

  void print() const {
    const std::vector<std::string> &names = over.column.classes;
    size_t width = over.title.size();
    for (const std::string &name : names)
      width = std::max(width, name.size());
    auto cell = [&](llvm::StringRef text) {
      llvm::outs() << "  " << llvm::right_justify(text, unsigned(width));
    };
    llvm::outs() << "\n"
                 << over.title << ": a row for what is, a column for what the model says\n"
                 << std::string(width, ' ');
    for (const std::string &name : names)
      cell(name);
    for (size_t actual = 0; actual < names.size(); ++actual) {
      llvm::outs() << "\n" << llvm::left_justify(names[actual], unsigned(width));
      for (size_t predicted = 0; predicted < names.size(); ++predicted)
        cell(std::to_string(counts[actual * names.size() + predicted]));
    }
    llvm::outs() << "\n";
  }
};
} // namespace

/// The confusions of the model's outputs over classes; none where it has none.
static llvm::Expected<std::vector<Confusion>> confusions(Session &session, Machine &machine, int64_t bound,
                                                         runtime::Loader::Part part, uint64_t seed) {
  std::vector<Confusion> found;
  bool hasClasses = llvm::any_of(session.spec.columns, [](const DataSpec::Column &c) { return c.isClass; });
  if (!hasClasses || session.model->outputs().empty())
    return found;
  auto program = session.compile(session.pipeline(ProgramKind::Outputs, bound, true));
  if (!program)
    return program.takeError();
  for (ClassResult &over : classResults(*session.model, *program)) {
    size_t count = over.column.classes.size();
    found.push_back({std::move(over), std::vector<int64_t>(count * count)});
  }
  if (found.empty())
    return found;
  auto ready = machine.bind(std::move(*program));
  if (!ready)
    return ready.takeError();
  runtime::ProgramRun &run = **ready;
  // The labels are no input of the outputs: they get memory of their own.
  std::vector<runtime::InputBuffer> inputs(run.inputs());
  std::vector<runtime::TensorInfo> infos(found.size());
  std::vector<std::vector<int32_t>> labels(found.size(), std::vector<int32_t>(size_t(bound)));
  for (size_t i = 0; i < found.size(); ++i) {
    infos[i].name = found[i].over.column.name;
    infos[i].type = runtime::DType::I32;
    infos[i].shape = {bound};
    infos[i].extents = {"b"};
    inputs.push_back({&infos[i], reinterpret_cast<char *>(labels[i].data())});
  }
  if (llvm::Error error = session.loader->check(inputs))
    return error;
  runtime::BatchShape shape = run.batchShape();
  shape.rows = std::min(shape.rows, bound); // so many labels have room
  for (int64_t i = 0, n = session.loader->evaluationBatches(part, shape); i < n; ++i) {
    if (runtime::interrupted())
      break;
    runtime::Batch batch = session.loader->evaluation(part, shape, i, inputs);
    if (llvm::Error error = run.setBatch(batch.rows, batch.length))
      return error;
    run.setLoopInputs(seed, 0, i * shape.rows);
    run.run();
    for (size_t c = 0; c < found.size(); ++c)
      for (int64_t row = 0; row < batch.rows; ++row)
        if (int64_t predicted = found[c].over.likeliest(run, row); predicted >= 0)
          ++found[c].counts[size_t(labels[c][size_t(row)]) * found[c].over.column.classes.size() +
                            size_t(predicted)];
  }
  return found;
}

int gptc::evalCommand(llvm::ArrayRef<const char *> words) {
  CommonOptions options;
  std::string path, which = "latest", part = "all";
  std::vector<std::string> data, beamWords;
  TranslationOptions translation;
  bool noBleu = false;
  Arguments arguments(
      "eval RUN --data FILE",
      "Prints the loss and the reports of a trained model on data, one `name value` per line:\n"
      "means over all tokens or rows. Where the model has a class column and an output over its\n"
      "classes, a table follows: how often each class was taken for each. For pairs also the\n"
      "perplexity, exp(loss), and the BLEU of translations (all of --data, or the validation\n"
      "part), one line for each --beam.");
  arguments.positional("RUN", "the directory of a run", path);
  arguments.option("--data", "FILE", "the text or table; for pairs of lines two files, source first", data);
  arguments.choice("--part", "all of it (default), or only the part that training keeps for validation",
                   {"all", "validation"}, part);
  arguments.option("--beam", "N", "for pairs: translate with so many hypotheses; 1: greedy; may be repeated",
                   beamWords);
  arguments.option("--length-penalty", "A", "for pairs: score log P / ((5 + length) / 6)^A (default 0.6)",
                   translation.lengthPenalty, 0, 100);
  arguments.flag("--no-bleu", "for pairs: only the loss, no translations", noBleu);
  addCheckpointOption(arguments, which);
  addCompileOptions(arguments, options);
  arguments.example("eval run --data other.txt");
  arguments.example("eval run --data text.txt --part validation --checkpoint best");
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
  runtime::InterruptGuard guard(programName() + ": interrupted: stops behind this batch");
  runtime::EvaluateOptions how;
  how.seed = uint64_t(seed);
  how.stop = runtime::interrupted;
  auto evaluation =
      runtime::evaluate(**bound, *session.loader, part == "all" ? Part::All : Part::Validation, how);
  if (!evaluation)
    return reportError(evaluation.takeError());
  if (evaluation->stopped)
    return Interrupted;
  auto tables =
      confusions(session, **machine, batch, part == "all" ? Part::All : Part::Validation, uint64_t(seed));
  if (!tables)
    return reportError(tables.takeError());
  if (runtime::interrupted())
    return Interrupted;
  llvm::outs() << llvm::formatv("loss {0:f6}\n", evaluation->loss);
  if (isPairs)
    llvm::outs() << llvm::formatv("perplexity {0:f4}\n", std::exp(evaluation->loss));
  // A report may have the name of another line.
  for (const auto &[name, value] : evaluation->reports) {
    bool taken = name == "loss" || name == "perplexity" || name == session.loader->items();
    llvm::outs() << llvm::formatv("{0}{1} {2:f6}\n", taken ? "reports." : "", name, value);
  }
  llvm::outs() << session.loader->items() << " " << evaluation->items << "\n";
  for (const Confusion &table : *tables)
    table.print();
  llvm::outs().flush();
  if (isPairs && !noBleu)
    return printBleu(session, **machine, *run, data, part != "all", beams, translation, which);
  return Success;
}
