// gptc generate: text from a trained model, on standard output.
#include "compiler/commands/commands.h"
#include "compiler/payload.h"
#include "compiler/trained.h"

#include "runtime/generator.h"
#include "runtime/interrupt.h"

#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"

using namespace gptc;

/// The output over the vocabulary: the first one, as the file declares it.
static std::string logitsName(const Session &session) {
  std::vector<std::string> outputs = session.model->outputs();
  return outputs.empty() ? "" : outputs.front();
}

int gptc::generateCommand(llvm::ArrayRef<const char *> words) {
  CommonOptions options;
  std::string path, prompt = "\n", which = "latest";
  int64_t tokens = 300, topK = 0, seed = 1;
  double temperature = 1.0, topP = 1.0;
  Arguments arguments("generate RUN --prompt TEXT [--tokens N]",
                      "Continues the prompt with a trained model, token by token, on standard output. The same\n"
                      "seed gives the same text. What the model's generate { } says holds unless given here.");
  arguments.positional("RUN", "the directory of a run", path);
  arguments.option("--prompt", "TEXT", "the text to go on from (default: a new line)", prompt);
  arguments.option("--tokens", "N", "how many tokens to make (default 300)", tokens, 0, INT64_MAX / 2);
  arguments.option("--temperature", "T", "below 1 plainer, above 1 wilder, 0 always the likeliest (default 1)",
                   temperature, 0, 1e6);
  arguments.option("--top-k", "K", "choose among the K likeliest only; 0: all (default)", topK, 0, INT32_MAX);
  arguments.option("--top-p", "P", "choose among the likeliest that reach P together (default 1)", topP, 0, 1);
  arguments.option("--seed", "N", "of the choices (default 1)", seed, 0, INT64_MAX);
  arguments.choice("--checkpoint", "which weights (default latest)", {"latest", "best"}, which);
  addCompileOptions(arguments, options);
  if (std::optional<int> code = arguments.parse(words))
    return *code;

  Session session(options);
  std::optional<llvm::json::Object> config;
  std::optional<runtime::RunDirectory> run = openRun(session, path, config);
  if (!run || !session.analyse())
    return Failure;
  if (!session.tokenizer) {
    reportError(llvm::Twine(path) + " was not trained on text, so it generates none");
    return Failure;
  }
  auto field = [&](const char *name, const char *flag, auto &target) {
    auto found = session.model->generate().find(name);
    if (!arguments.given(flag) && found != session.model->generate().end() &&
        found->second.kind == ConfigValue::Number)
      target = found->second.number;
  };
  field("tokens", "--tokens", tokens);
  field("temperature", "--temperature", temperature);
  field("top_k", "--top-k", topK);
  field("top_p", "--top-p", topP);
  field("seed", "--seed", seed);

  runtime::GenerateOptions generation;
  generation.tokens = tokens;
  generation.sampling.temperature = temperature;
  generation.sampling.topK = topK;
  generation.sampling.topP = topP;
  generation.sampling.seed = uint64_t(seed);
  generation.result = logitsName(session);
  if (llvm::Error error = generation.sampling.check())
    return reportError(std::move(error));
  std::vector<int32_t> promptTokens;
  if (llvm::Error error = session.tokenizer->encode(prompt, promptTokens, "the prompt"))
    return reportError(std::move(error));

  runtime::InterruptGuard guard;
  auto program = session.compile(session.pipeline(ProgramKind::Outputs, 1, false));
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
  llvm::outs() << prompt;
  auto made = runtime::generate(**bound, *session.tokenizer, promptTokens, generation, [](llvm::StringRef text) {
    llvm::outs() << text;
    llvm::outs().flush();
    return !llvm::outs().has_error();
  });
  if (!made) {
    llvm::outs() << "\n";
    return reportError(made.takeError());
  }
  llvm::outs() << "\n";
  llvm::outs().flush();
  if (llvm::outs().has_error()) { // a closed pipe ends generation; that is no crash
    llvm::outs().clear_error();
    return Failure;
  }
  return runtime::interrupted() ? Interrupted : Success;
}
