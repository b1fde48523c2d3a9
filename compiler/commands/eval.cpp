// gptc eval: the loss of a trained model on other data.
#include "compiler/commands/commands.h"
#include "compiler/trained.h"

#include "runtime/evaluate.h"
#include "runtime/interrupt.h"

#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"

using namespace gptc;

int gptc::evalCommand(llvm::ArrayRef<const char *> words) {
  CommonOptions options;
  std::string path, which = "latest", part = "all";
  std::vector<std::string> data;
  Arguments arguments("eval RUN --data FILE",
                      "Prints the loss and the reports of a trained model on data, one `name value` a line:\n"
                      "means over all tokens or rows.");
  arguments.positional("RUN", "the directory of a run", path);
  arguments.option("--data", "FILE", "the text or table; for pairs of lines two files, source first", data);
  arguments.choice("--part", "all of it (default), or only the part that training keeps for validation",
                   {"all", "validation"}, part);
  arguments.choice("--checkpoint", "which weights (default latest)", {"latest", "best"}, which);
  addCompileOptions(arguments, options);
  if (std::optional<int> code = arguments.parse(words))
    return *code;
  if (data.empty())
    return arguments.usageError("--data is missing: the text or table to evaluate on");

  Session session(options);
  std::optional<llvm::json::Object> config;
  std::optional<runtime::RunDirectory> run = openRun(session, path, config);
  if (!run)
    return Failure;
  int64_t seed = config->getInteger("seed").value_or(1);
  if (!session.loadData(data, seed, config->getObject("data")) || !session.analyse())
    return Failure;
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
  for (const auto &[name, value] : evaluation->reports)
    llvm::outs() << llvm::formatv("{0} {1:f6}\n", name, value);
  llvm::outs() << session.loader->items() << " " << evaluation->items << "\n";
  return Success;
}
