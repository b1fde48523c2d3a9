#include "compiler/translation.h"
#include "compiler/decode.h"

#include "runtime/files.h"
#include "runtime/interrupt.h"
#include "runtime/lines.h"
#include "runtime/utf8.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/raw_ostream.h"

#include <chrono>
#include <numeric>

using namespace gptc;

/// Hypotheses of one step: enough for contractions to run at full speed.
static constexpr int64_t rowsOfAStep = 64;
/// Lines that are sorted by length before they are cut into batches.
static constexpr size_t linesOfAPool = 1024;

llvm::Expected<std::unique_ptr<Translation>> Translation::create(Session &session, Machine &machine,
                                                                 int64_t beams) {
  std::optional<runtime::SpecialTokens> specials = runtime::SpecialTokens::of(*session.tokenizer);
  if (!specials)
    return runtime::failure("the tokenizer has no tokens for padding, begin and end");
  llvm::Expected<std::string> logits = session.logitsName();
  if (!logits)
    return logits.takeError();
  std::unique_ptr<Translation> translation(new Translation(*session.tokenizer));
  translation->specials = *specials;
  translation->never = {specials->pad, specials->begin};
  // A line in is a line out: no line of the training text holds such a token either.
  for (int32_t token = 0; token < session.tokenizer->vocabulary(); ++token) {
    std::string bytes;
    session.tokenizer->append(bytes, token);
    if (llvm::StringRef(bytes).contains('\n') && token != specials->end)
      translation->never.push_back(token);
  }
  int64_t rows = std::max(rowsOfAStep, beams);
  auto decode = DecodePrograms::create(session, *logits, rows);
  if (!decode)
    return decode.takeError();
  bool cached = (*decode)->info().derived;
  auto bind = [&](llvm::Expected<runtime::Program> program, std::unique_ptr<runtime::ProgramRun> &run) -> llvm::Error {
    if (!program)
      return program.takeError();
    auto bound = machine.bind(std::move(*program));
    if (!bound)
      return bound.takeError();
    run = std::move(*bound);
    return llvm::Error::success();
  };
  if (llvm::Error error = bind(session.compile(session.pipeline(ProgramKind::Prepare, rows, true)), translation->prepare))
    return error;
  // A model whose targets look ahead looks at all of them again in each step.
  auto step = cached ? (*decode)->extend(1) : session.compile(session.pipeline(ProgramKind::Step, rows, true));
  if (llvm::Error error = bind(std::move(step), translation->step))
    return error;
  runtime::Translator::Names names{session.spec.streams.front().name, session.spec.streams.back().name,
                                   *logits};
  auto translator = runtime::Translator::create(*translation->prepare, *translation->step, machine.store,
                                                std::move(names), *specials);
  if (!translator)
    return translator.takeError();
  translation->translator = std::move(*translator);
  return translation;
}

llvm::Expected<bool> Translation::translatePool(llvm::ArrayRef<std::vector<int32_t>> sources,
                                                const TranslationOptions &options, int64_t firstLine,
                                                std::vector<std::string> &results) {
  runtime::BeamOptions search;
  search.beams = options.beams;
  search.lengthPenalty = options.lengthPenalty;
  search.tokens = options.tokens;
  search.begin = specials.begin;
  search.end = specials.end;
  search.never = never;
  if (llvm::Error error = search.check(*translator))
    return error;
  std::vector<size_t> order(sources.size());
  std::iota(order.begin(), order.end(), 0);
  llvm::stable_sort(order, [&](size_t a, size_t b) { return sources[a].size() > sources[b].size(); });
  llvm::erase_if(order, [&](size_t i) { return sources[i].empty(); });
  results.assign(sources.size(), "");
  size_t together = size_t(translator->maxRows() / options.beams);
  for (size_t first = 0; first < order.size(); first += together) {
    llvm::ArrayRef<size_t> batch =
        llvm::ArrayRef(order).slice(first, std::min(together, order.size() - first));
    std::vector<std::vector<int32_t>> inputs;
    for (size_t i : batch)
      inputs.push_back(sources[i]);
    if (llvm::Error error = translator->begin(inputs))
      return error;
    auto found = runtime::beamSearch(*translator, int64_t(inputs.size()), search,
                                     [] { return runtime::interrupted(); });
    if (!found)
      return found.takeError();
    if (found->empty())
      return false;
    for (auto [i, hypotheses] : llvm::zip_equal(batch, *found)) {
      results[i] = tokenizer.decode(hypotheses.front().tokens);
      bool asked = options.tokens && options.tokens < translator->maxTokens();
      if (!hypotheses.front().ended && !asked)
        cutResults.push_back(firstLine + int64_t(i));
    }
  }
  llvm::sort(cutResults);
  return true;
}

llvm::Expected<bool> Translation::translate(llvm::ArrayRef<std::string> lines, llvm::StringRef source,
                                            const TranslationOptions &options,
                                            const std::function<bool(llvm::StringRef)> &each) {
  using Clock = std::chrono::steady_clock;
  auto said = Clock::now();
  cutSources.clear();
  cutResults.clear();
  for (size_t first = 0; first < lines.size(); first += linesOfAPool) {
    size_t count = std::min(linesOfAPool, lines.size() - first);
    std::vector<std::vector<int32_t>> sources(count);
    for (size_t i = 0; i < count; ++i) {
      if (llvm::StringRef(lines[first + i]).trim().empty())
        continue;
      if (llvm::Error error = tokenizer.encode(
              lines[first + i], sources[i],
              lines.size() == 1 ? source.str() : fmt::format("{}, line {}", source, first + i + 1)))
        return error;
      if (int64_t(sources[i].size()) + 1 > translator->maxSource())
        cutSources.push_back(int64_t(first + i) + 1);
    }
    std::vector<std::string> results;
    llvm::Expected<bool> whole = translatePool(sources, options, int64_t(first) + 1, results);
    if (!whole || !*whole)
      return whole;
    for (const std::string &result : results)
      if (!each(result))
        return false;
    if (Clock::now() - said > std::chrono::seconds(10)) {
      said = Clock::now();
      llvm::errs() << programName() << ": " << first + count << " of " << lines.size() << " lines\n";
    }
  }
  return true;
}

std::vector<std::string> gptc::linesOf(llvm::StringRef text) {
  std::vector<std::string> lines;
  while (!text.empty())
    lines.push_back(runtime::nextLine(text).str());
  return lines;
}

llvm::Expected<std::vector<std::string>> gptc::readLines(const std::string &path) {
  auto buffer = runtime::readFile(path);
  if (!buffer)
    return buffer.takeError();
  auto text = runtime::plainText((*buffer)->getBuffer(), path);
  if (!text)
    return text.takeError();
  return linesOf(*text);
}

void Translation::warnOfSources(llvm::StringRef source) const {
  if (!cutSources.empty())
    llvm::errs() << programName() << ": warning: " << source << ": " << runtime::nameLines(cutSources)
                 << (cutSources.size() == 1 ? " has" : " have") << " more tokens than the "
                 << translator->maxSource() << " that the model reads, the end among them; "
                 << (cutSources.size() == 1 ? "it was" : "they were") << " cut\n";
}

void Translation::warnOfEnds() const {
  if (!cutResults.empty())
    llvm::errs() << programName() << ": warning: the translation"
                 << (cutResults.size() == 1 ? " of " : "s of ") << runtime::nameLines(cutResults)
                 << (cutResults.size() == 1 ? " has" : " have") << " no end within the "
                 << translator->maxTokens() << " tokens that the model makes\n";
}

int gptc::translateCommand(Session &session, const runtime::RunDirectory &run,
                           const TranslationRequest &request) {
  std::vector<std::string> lines = linesOf(request.prompt);
  if (lines.empty())
    lines.push_back("");
  if (!request.data.empty()) {
    auto text = readLines(request.data);
    if (!text)
      return reportError(text.takeError());
    lines = std::move(*text);
  }
  runtime::InterruptGuard guard(programName() + ": interrupted: stops behind these lines");
  auto machine = Machine::create(session.options.threads);
  if (!machine)
    return reportError(machine.takeError());
  auto translation = Translation::create(session, **machine, request.options.beams);
  if (!translation)
    return reportError(translation.takeError());
  if (llvm::Error error = (*machine)->load(session, run, request.which))
    return reportError(std::move(error));
  std::string source = request.data.empty() ? "the prompt" : request.data;
  auto whole = (*translation)->translate(lines, source, request.options, [](llvm::StringRef line) {
    llvm::outs() << line << "\n";
    llvm::outs().flush();
    return !llvm::outs().has_error();
  });
  (*translation)->warnOfSources(source);
  (*translation)->warnOfEnds();
  if (!whole)
    return reportError(whole.takeError());
  if (llvm::outs().has_error()) { // a closed pipe
    llvm::outs().clear_error();
    return Failure;
  }
  return *whole ? Success : Interrupted;
}

void gptc::readTranslationOptions(const Session &session, const Arguments &arguments,
                                  TranslationOptions &options) {
  const auto &fields = session.model->generate();
  auto read = [&](const char *name, const char *flag, auto &target) {
    auto found = fields.find(name);
    if (!arguments.given(flag) && found != fields.end() && found->second.kind == ConfigValue::Number)
      target = found->second.number;
  };
  read("beam", "--beam", options.beams);
  read("length_penalty", "--length-penalty", options.lengthPenalty);
  read("tokens", "--tokens", options.tokens);
}
