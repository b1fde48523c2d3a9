#include "runtime/pattern.h"

#include "runtime/utf8.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

using llvm::Error;
using llvm::Expected;
using llvm::StringRef;

namespace gptc::runtime {

// Steps of backtracking: so many, and so many more for each byte of the text.
static constexpr uint64_t matchSteps = 10'000'000, matchStepsPerByte = 64;
static constexpr size_t smallestStack = 32 << 10, largestStack = 64 << 20;

struct Pattern::Code {
  pcre2_code *code = nullptr;
  pcre2_match_data *data = nullptr;
  pcre2_match_context *context = nullptr;
  pcre2_jit_stack *stack = nullptr;
  bool compiled = false; // to machine code

  ~Code() {
    pcre2_match_data_free(data);
    pcre2_match_context_free(context);
    pcre2_jit_stack_free(stack);
    pcre2_code_free(code);
  }
};

static std::string messageOf(int problem) {
  char text[256] = "";
  pcre2_get_error_message(problem, reinterpret_cast<PCRE2_UCHAR *>(text), sizeof(text));
  return text;
}

Expected<Pattern> Pattern::regex(StringRef expression) {
  Expected<std::string> translated = translatePattern(expression);
  if (!translated)
    return translated.takeError();
  Pattern pattern;
  pattern.code = std::make_shared<Code>();
  Code &made = *pattern.code;
  pcre2_compile_context *options = pcre2_compile_context_create(nullptr);
  pcre2_set_newline(options, PCRE2_NEWLINE_LF);
  int problem = 0;
  PCRE2_SIZE at = 0;
  made.code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated->data()), translated->size(),
                            PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C, &problem, &at,
                            options);
  pcre2_compile_context_free(options);
  if (!made.code)
    return failure("the regular expression '{}' is not understood: {}", shown(expression),
                   messageOf(problem));
  made.compiled = pcre2_jit_compile(made.code, PCRE2_JIT_COMPLETE) == 0;
  made.data = pcre2_match_data_create(1, nullptr);
  made.context = pcre2_match_context_create(nullptr);
  made.stack = pcre2_jit_stack_create(smallestStack, largestStack, nullptr);
  pcre2_jit_stack_assign(made.context, nullptr, made.stack);
  return pattern;
}

Pattern Pattern::string(StringRef text) {
  Pattern pattern;
  pattern.literal = text.str();
  return pattern;
}

std::optional<Pattern::Match> Pattern::Matches::next() {
  if (!pattern.code) {
    size_t at = text.find(pattern.literal, from);
    if (at == StringRef::npos)
      return std::nullopt;
    from = at + pattern.literal.size();
    return Match(at, from);
  }
  const Code &code = *pattern.code;
  auto subject = reinterpret_cast<PCRE2_SPTR>(text.data());
  if (from == 0)
    pcre2_set_match_limit(
        code.context, uint32_t(std::min<uint64_t>(matchSteps + matchStepsPerByte * text.size(), UINT32_MAX)));
  while (from <= text.size() && problem == 0) {
    int found =
        code.compiled
            ? pcre2_jit_match(code.code, subject, text.size(), from, 0, code.data, code.context)
            : pcre2_match(code.code, subject, text.size(), from, PCRE2_NO_UTF_CHECK, code.data, code.context);
    if (found == PCRE2_ERROR_NOMATCH)
      return std::nullopt;
    if (found < 0) {
      problem = found;
      return std::nullopt;
    }
    PCRE2_SIZE *range = pcre2_get_ovector_pointer(code.data);
    Match match(range[0], range[1]);
    if (match.first == match.second && lastEnd == match.second) {
      if (from < text.size())
        (void)nextCodePoint(text, from);
      else
        ++from;
      continue;
    }
    from = match.second;
    lastEnd = match.second;
    return match;
  }
  return std::nullopt;
}

Error Pattern::Matches::takeError() {
  if (problem == 0)
    return Error::success();
  return failure("the search with a regular expression failed: {}", messageOf(problem));
}

} // namespace gptc::runtime
