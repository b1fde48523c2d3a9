// gptc generate: text from a trained model, on standard output.
#include "compiler/commands/commands.h"
#include "compiler/commands/results.h"
#include "compiler/decode.h"
#include "compiler/payload.h"
#include "compiler/trained.h"
#include "compiler/translation.h"

#include "runtime/files.h"
#include "runtime/generator.h"
#include "runtime/interrupt.h"
#include "runtime/utf8.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Unicode.h"
#include "llvm/Support/raw_ostream.h"

#include <utility>

using namespace gptc;

/// `u    u 50 %, m 25 %, a 0.4 %`: the token that was chosen, then what it was chosen from.
static void printCandidates(const runtime::Tokenizer &tokenizer, int32_t token,
                            llvm::ArrayRef<runtime::Candidate> candidates) {
  std::string chosen = visibleToken(tokenizer, token);
  int width = llvm::sys::unicode::columnWidthUTF8(chosen);
  (llvm::outs() << chosen).indent(unsigned(std::max(2, 6 - width)));
  llvm::ListSeparator comma;
  for (const runtime::Candidate &candidate : candidates) {
    double percent = 100 * candidate.probability;
    llvm::outs() << comma << visibleToken(tokenizer, candidate.token)
                 << llvm::format(percent < 1 ? " %.1f %%" : " %.0f %%", percent);
  }
  llvm::outs() << "\n";
}

/// What ends the text: the options, or else the model file, or else the tokenizer.
static llvm::Error readEnds(const Session &session, const Arguments &arguments, std::vector<std::string> stops,
                            std::vector<std::string> ends, runtime::GenerateOptions &generation) {
  const auto &fields = session.model->generate();
  auto words = [&](const char *name, std::vector<std::string> &into) {
    auto found = fields.find(name);
    if (found == fields.end())
      return false;
    if (found->second.kind == ConfigValue::Word)
      into.push_back(found->second.word);
    for (const auto &element : found->second.arguments)
      into.push_back(element.second.word);
    return true;
  };
  if (!arguments.given("--stop"))
    words("stop", stops);
  for (const std::string &stop : stops) {
    if (stop.empty())
      return runtime::failure("a stop is a text of one character or more, not \"\"");
    if (llvm::Error error = runtime::checkUtf8(stop, "stop"))
      return error;
  }
  generation.stops = std::move(stops);
  if (!arguments.given("--end") && !words("end", ends)) {
    // Of several tokens that end a text the first is where it ends.
    if (runtime::TextFrame frame = session.tokenizer->frame(); !frame.end.empty())
      generation.ends.push_back(frame.end.front());
    return llvm::Error::success();
  }
  for (const std::string &name : ends) {
    if (name.empty())
      continue;
    std::vector<int32_t> token;
    if (llvm::Error error = session.tokenizer->encode(name, {name}, token, "end"))
      return error;
    generation.ends.insert(generation.ends.end(), token.begin(), token.end());
  }
  return llvm::Error::success();
}

int gptc::generateCommand(llvm::ArrayRef<const char *> words) {
  CommonOptions options;
  std::string path, prompt = "\n", promptFile, pad, which = "latest", data;
  std::vector<std::string> specials, stops, ends;
  int64_t tokens = 300, topK = 0, window = 64, seed = 1, candidates = 0, slide = 0;
  bool greedy = false;
  double temperature = 1.0, topP = 1.0, minP = 0, penalty = 1;
  TranslationOptions translation;
  Arguments arguments(
      "generate RUN --prompt TEXT [--tokens N]",
      "Continues the prompt with a trained model, token by token, on standard output. The same\n"
      "seed gives the same text. What the model's generate { } says holds unless given here.\n"
      "A model of pairs translates the prompt, or each line of a file, by beam search.");
  arguments.positional("RUN", "the directory of a run", path);
  arguments.option("--prompt", "TEXT", "the text to go on from (default: a new line)", prompt);
  arguments.option("--prompt-file", "FILE", "the same from a file, - for standard input; a line end at its end does not count",
                   promptFile);
  arguments.option("--special", "NAME", "where NAME stands in the prompt, it is that special token", specials);
  arguments.option("--pad", "SYMBOL",
                   "what fills a window of fixed length up on the left of a shorter prompt", pad);
  arguments.option("--tokens", "N", "how many tokens to make (default 300)", tokens, 0, INT64_MAX);
  arguments.option("--temperature", "T",
                   "below 1 plainer, above 1 wilder, 0 always the likeliest (default 1)", temperature, 0,
                   1e6);
  arguments.option("--top-k", "K", "choose among the K likeliest only; 0: all (default)", topK, 0, INT32_MAX);
  arguments.option("--top-p", "P", "choose among the likeliest that reach P together (default 1)", topP, 0,
                   1);
  arguments.option("--min-p", "P", "choose among those at least P times as likely as the likeliest (default 0: all)", minP,
                   0, 1);
  arguments.option("--repetition-penalty", "R",
                   "divides the logit of each token that was there by R, multiplies it where it is negative (default 1)",
                   penalty, 0.01, 100);
  arguments.option("--repetition-window", "N",
                   "how many last tokens the penalty looks at, the prompt's too; 0: all (default 64)", window, 0,
                   INT32_MAX);
  arguments.option("--stop", "TEXT", "end before this text, where it is made; may be repeated", stops);
  arguments.option("--end", "NAME",
                   "end at this special token; may be repeated; \"\": at none (default: that of a tokenizer's file)", ends);
  arguments.flag("--greedy", "always the likeliest token: --temperature 0", greedy);
  arguments.option("--slide", "N",
                   "past the model's context: 0 forgets the older half of it and reads the rest again (default); 1 "
                   "looks at the last tokens again for each new one",
                   slide, 0, 1);
  arguments.option("--seed", "N", "of the choices (default 1)", seed, 0, INT64_MAX);
  arguments.optional("--show-probs", "N",
                     "one line per token: it, and the N likeliest that it was chosen from (default 5 "
                     "where N is left out); "
                     "the text follows",
                     candidates, 5, 1, INT32_MAX);
  arguments.option("--data", "FILE", "for pairs: translate the lines of this file", data);
  arguments.option("--beam", "N", "for pairs: hypotheses kept per sentence; 1: greedy (default)",
                   translation.beams, 1, 1024);
  arguments.option("--length-penalty", "A", "for pairs: score log P / ((5 + length) / 6)^A (default 0.6)",
                   translation.lengthPenalty, 0, 100);
  addCheckpointOption(arguments, which);
  addCompileOptions(arguments, options);
  arguments.example("generate run --prompt \"Once upon\" --tokens 200 --temperature 0.8");
  arguments.example("generate translations --data lines.en --beam 4");
  addFields(arguments, /*training=*/false);
  if (std::optional<int> code = arguments.parse(words))
    return *code;
  if (arguments.given("--prompt") && arguments.given("--prompt-file"))
    return arguments.usageError("give one of --prompt and --prompt-file");
  if (greedy && arguments.given("--temperature") && temperature != 0)
    return arguments.usageError("give one of --greedy and --temperature");

  Session session(options);
  std::optional<llvm::json::Object> config;
  std::optional<runtime::RunDirectory> run = openRun(session, path, config);
  if (!run || !session.analyse())
    return Failure;
  if (!session.tokenizer) {
    reportError(llvm::Twine(path) + " was not trained on text, so it generates none");
    return Failure;
  }
  bool isPairs = session.spec.kind == DataSpec::Pairs;
  const std::initializer_list<const char *> forPairs = {"--data", "--beam", "--length-penalty"};
  const std::initializer_list<const char *> forText = {"--temperature",        "--top-k",
                                                       "--top-p",              "--min-p",
                                                       "--repetition-penalty", "--repetition-window",
                                                       "--stop",               "--end",
                                                       "--show-probs",         "--special",
                                                       "--prompt-file"};
  for (const char *flag : isPairs ? forText : forPairs)
    if (arguments.given(flag))
      return arguments.usageError(
          isPairs ? llvm::formatv("{0} is for texts: a translation is not drawn by chance but "
                                  "searched for (--beam)",
                                  flag)
                        .str()
                  : llvm::formatv("{0} is for pairs, and {1} was trained on a text", flag, path).str());
  if (isPairs) {
    if (arguments.given("--prompt") == !data.empty())
      return arguments.usageError("give one of --prompt TEXT and --data FILE to translate");
    if (arguments.given("--tokens"))
      translation.tokens = tokens;
    readTranslationOptions(session, arguments, translation);
    if (greedy)
      translation.beams = 1;
    return translateCommand(session, *run, {prompt, data, which, translation});
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
  field("min_p", "--min-p", minP);
  field("repetition_penalty", "--repetition-penalty", penalty);
  field("repetition_window", "--repetition-window", window);
  field("seed", "--seed", seed);
  field("slide", "--slide", slide);

  runtime::GenerateOptions generation;
  generation.tokens = tokens;
  generation.sampling.temperature = greedy ? 0 : temperature;
  generation.sampling.topK = topK;
  generation.sampling.topP = topP;
  generation.sampling.minP = minP;
  generation.sampling.repetitionPenalty = penalty;
  generation.sampling.repetitionWindow = window;
  generation.sampling.seed = uint64_t(seed);
  llvm::Expected<std::string> logits = session.logitsName();
  if (!logits)
    return reportError(logits.takeError());
  if (llvm::Error error = generation.sampling.check())
    return arguments.usageError(llvm::toString(std::move(error)));
  if (llvm::Error error = readEnds(session, arguments, stops, ends, generation))
    return reportError(std::move(error));
  if (!promptFile.empty()) {
    auto file = runtime::readFile(promptFile);
    if (!file)
      return reportError(file.takeError());
    auto text = runtime::plainText((*file)->getBuffer(), promptFile);
    if (!text)
      return reportError(text.takeError());
    llvm::StringRef body = *text; // editors and echo end a line
    if (body.consume_back("\n"))
      body.consume_back("\r");
    prompt = body.str();
  }
  auto padding = session.model->generate().find("pad");
  if (!arguments.given("--pad") && padding != session.model->generate().end())
    pad = padding->second.word;
  std::vector<int32_t> promptTokens, padTokens;
  if (llvm::Error error = session.tokenizer->encode(pad, padTokens, "pad"))
    return reportError(std::move(error));
  if (padTokens.size() == 1)
    generation.pad = padTokens[0];
  if (padTokens.size() > 1 || (padTokens.empty() && arguments.given("--pad"))) {
    reportError("pad is one token, but \"" + llvm::Twine(pad) + "\" is " + llvm::Twine(padTokens.size()));
    return Failure;
  }
  if (generation.pad && !arguments.given("--prompt") && promptFile.empty())
    prompt.clear(); // starts from pads alone
  if (llvm::Error error = session.tokenizer->encode(prompt, specials, promptTokens, "the prompt"))
    return reportError(std::move(error));
  prompt = session.tokenizer->decode(promptTokens); // as the text goes on: ids have blanks between them
  if (promptTokens.empty() && !generation.pad)
    return reportError(
        runtime::failure("the prompt is empty: the model needs at least one token to go on from"));

  auto machine = Machine::create(options.threads);
  if (!machine)
    return reportError(machine.takeError());
  auto model = makeGeneration(session, **machine, *logits, generation.pad, /*recompute=*/slide == 1);
  if (!model)
    return reportError(model.takeError());
  const DataSpec::Stream &stream = session.spec.streams.front();
  bool reads = (*model)->programs->info().ring && slide == 0; // all of it, however long
  if (!reads && !stream.extent.empty() && int64_t(promptTokens.size()) > stream.bound)
    say("warning: the prompt has " + llvm::Twine(promptTokens.size()) + " tokens, and the model sees the last " +
        llvm::Twine(stream.bound) + " of them");
  if (llvm::Error error = (*machine)->load(session, *run, which))
    return reportError(std::move(error));
  // What is made so far is whole then.
  runtime::InterruptGuard guard(programName() + ": interrupted: stops behind this token");
  std::string whole;             // shown behind the candidates
  if (candidates) {
    generation.candidates = size_t(candidates);
    generation.observe = [&](int32_t token, llvm::ArrayRef<runtime::Candidate> from) {
      printCandidates(*session.tokenizer, token, from);
    };
    whole = prompt;
  }
  // Nothing is printed before it is sure that the model can go on.
  bool started = candidates;
  auto start = [&] {
    if (!std::exchange(started, true))
      llvm::outs() << prompt;
  };
  auto made =
      runtime::generate(*(*model)->model, *session.tokenizer, promptTokens, generation, [&](llvm::StringRef text) {
        start();
        if (candidates)
          whole += text;
        else
          llvm::outs() << text;
        llvm::outs().flush();
        return !llvm::outs().has_error();
      });
  if (made)
    start();
  if (candidates && (made || whole != prompt))
    llvm::outs() << "\n" << whole;
  if (!made) {
    if (candidates ? whole != prompt : started)
      llvm::outs() << "\n";
    return reportError(made.takeError());
  }
  llvm::outs() << "\n";
  return runtime::interrupted() ? Interrupted : Success;
}
