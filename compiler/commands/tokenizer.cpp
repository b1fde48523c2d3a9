// gptc tokenizer: vocabularies of byte pairs, and text as tokens.
#include "compiler/commands/commands.h"
#include "compiler/session.h"

#include "runtime/checkpoint.h"
#include "runtime/files.h"
#include "runtime/tokenizer_json.h"
#include "runtime/utf8.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"

#include <chrono>

using namespace gptc;

using Tokenizer = std::unique_ptr<runtime::Tokenizer>;

static constexpr const char *tokenizerHelp = "a tokenizer.json, the directory of a run, or a model file";

// These report their errors and return null on one.

/// The tokenizer that a model file declares, where no text is needed for it.
static Tokenizer tokenizerOfModel(const std::string &path) {
  Session session((CommonOptions()));
  if (!session.open(path) || !session.readDataSpec())
    return nullptr;
  if (session.spec.tokenizer.empty())
    reportError(llvm::Twine(path) + " reads no text, so it has no tokenizer");
  else if (session.tokenizerNeedsText())
    reportError(llvm::Twine(path) + ": '" + session.spec.tokenizer +
                "' is made from a text; name a run that was trained, or learn one with `" + programName() +
                " tokenizer train`");
  else if (session.readVocabulary())
    return std::move(session.tokenizer);
  return nullptr;
}

static llvm::Expected<Tokenizer> tokenizerOfRun(const std::string &path) {
  auto run = runtime::RunDirectory::open(path);
  if (!run)
    return run.takeError();
  auto config = run->readConfig();
  if (!config)
    return config.takeError();
  const llvm::json::Object *data = config->getObject("data");
  const llvm::json::Object *saved = data ? data->getObject("tokenizer") : nullptr;
  if (!saved)
    return runtime::failure("{} was not trained on text, so it has no tokenizer", path);
  return runtime::loadTokenizer(*saved, run->file("config.json"));
}

static Tokenizer openTokenizer(const std::string &path) {
  if (llvm::StringRef(path).ends_with(".gpt"))
    return tokenizerOfModel(path);
  auto made = llvm::sys::fs::is_directory(path) ? tokenizerOfRun(path) : runtime::readTokenizer(path);
  if (made)
    return std::move(*made);
  reportError(made.takeError());
  return nullptr;
}

namespace {
/// A file of text, or standard input for "-".
struct Input {
  std::unique_ptr<llvm::MemoryBuffer> buffer;
  llvm::StringRef text;
};
} // namespace

static llvm::Expected<Input> readInput(const std::string &path) {
  auto buffer = runtime::readFile(path);
  if (!buffer)
    return buffer.takeError();
  Input input;
  input.buffer = std::move(*buffer);
  auto text = runtime::plainText(input.buffer->getBuffer(), path == "-" ? "standard input" : path);
  if (!text)
    return text.takeError();
  input.text = *text;
  return input;
}

/// Bytes in quotes on one line; what is no valid UTF-8 as \xNN.
static std::string quoted(llvm::StringRef bytes) {
  std::string text = "\"";
  for (size_t at = 0; at < bytes.size();) {
    size_t first = at;
    int32_t codePoint = runtime::nextCodePoint(bytes, at);
    if (codePoint == '\n')
      text += "\\n";
    else if (codePoint == '\t')
      text += "\\t";
    else if (codePoint == '"' || codePoint == '\\')
      (text += '\\') += char(codePoint);
    else if (codePoint >= 0x20 && (codePoint < 0x7F || codePoint > 0xA0))
      text += bytes.slice(first, at);
    else
      for (at = std::max(at, first + 1); first < at; ++first)
        text += fmt::format("\\x{:02x}", unsigned(uint8_t(bytes[first])));
  }
  return text + "\"";
}

static std::string quoted(const runtime::Tokenizer &tokenizer, int32_t token) {
  std::string bytes;
  tokenizer.append(bytes, token);
  return quoted(bytes);
}

//===-- train -------------------------------------------------------------------===//

static int trainTokenizer(llvm::ArrayRef<const char *> words) {
  std::vector<std::string> data, specials;
  std::string output;
  int64_t vocabulary = 1000;
  Arguments arguments(
      "tokenizer train --data FILE [--data FILE]... [--vocabulary N] -o tokenizer.json",
      "Learns a vocabulary of byte pairs: it starts with the 256 bytes and makes one token of the two\n"
      "neighbours that are most frequent, again and again. Several texts share one vocabulary. The\n"
      "same texts give the same file; other tools read it as a Hugging Face tokenizer.json.");
  arguments.option("--data", "FILE", "a text to learn from; may be given several times", data);
  arguments.option("--vocabulary", "N", "the most tokens, bytes and special ones included (default 1000)",
                   vocabulary, 1, runtime::largestVocabulary);
  arguments.option("--special", "NAME",
                   "a token of its own, such as \"<pad>\", which no text becomes; the first one is token 0",
                   specials);
  arguments.option("-o", "FILE", "the tokenizer.json to write", output);
  arguments.example("tokenizer train --data text.txt --vocabulary 4000 -o tokenizer.json");
  if (std::optional<int> code = arguments.parse(words))
    return *code;
  if (data.empty())
    return arguments.usageError("--data is missing: a text to learn from");
  if (output.empty())
    return arguments.usageError("-o is missing: the tokenizer.json to write");
  auto start = std::chrono::steady_clock::now();
  std::vector<Input> inputs;
  std::vector<runtime::TokenizerText> texts;
  size_t bytes = 0;
  for (const std::string &file : data) {
    auto input = readInput(file);
    if (!input)
      return reportError(input.takeError());
    if (input->text.empty())
      return reportError(runtime::failure("{}: the file is empty", file));
    texts.push_back({input->text, file});
    bytes += input->text.size();
    inputs.push_back(std::move(*input));
  }
  auto pairs = runtime::trainBytePairs(texts, vocabulary, specials);
  if (!pairs)
    return reportError(pairs.takeError());
  if (llvm::Error error = runtime::atomicWriteFile(output, runtime::tokenizerJson(*pairs)))
    return reportError(std::move(error));
  double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  llvm::errs() << llvm::formatv("{0}: {1}: {2} tokens ({3} merges) from {4} bytes in {5:f2} s\n",
                                programName(), output, pairs->tokens.size(), pairs->merges.size(), bytes,
                                seconds);
  if (int64_t(pairs->tokens.size()) < vocabulary)
    llvm::errs() << programName() << ": fewer than " << vocabulary << ": no more pair occurs twice\n";
  return Success;
}

//===-- encode, decode, show --------------------------------------------------------===//

/// Numbers, a line for each line of the text, or one line for all of it.
static void printTokens(const runtime::Tokenizer &tokenizer, llvm::ArrayRef<int32_t> tokens, bool pieces,
                        bool oneLine) {
  bool atStart = true;
  for (int32_t token : tokens) {
    if (!atStart)
      llvm::outs() << " ";
    std::string bytes;
    tokenizer.append(bytes, token);
    if (pieces)
      llvm::outs() << quoted(bytes);
    else
      llvm::outs() << token;
    atStart = !oneLine && llvm::StringRef(bytes).ends_with("\n");
    if (atStart)
      llvm::outs() << "\n";
  }
  if (!atStart || oneLine)
    llvm::outs() << "\n";
}

/// Calls `action` with each line of a file; errors name the file and the line.
static llvm::Error eachLine(llvm::StringRef text, const std::string &file,
                            llvm::function_ref<llvm::Error(llvm::StringRef, const std::string &)> action) {
  for (size_t line = 1; !text.empty(); ++line) {
    auto [first, rest] = text.split('\n');
    if (llvm::Error error = action(first, fmt::format("{}:{}", file, line)))
      return error;
    text = rest;
  }
  return llvm::Error::success();
}

static llvm::Expected<std::string> readJsonString(llvm::StringRef line, const std::string &place) {
  llvm::Expected<llvm::json::Value> value = llvm::json::parse(line);
  if (!value)
    return runtime::failure("{}: {}", place, llvm::toString(value.takeError()));
  if (auto text = value->getAsString())
    return text->str();
  return runtime::failure("{}: a JSON string is expected, such as \"a text\"", place);
}

static int encodeText(llvm::ArrayRef<const char *> words) {
  std::string path, text, data;
  std::vector<std::string> specials;
  bool pieces = false, allSpecials = false, framed = false, lines = false;
  Arguments arguments("tokenizer encode TOKENIZER --text TEXT|--data FILE",
                      "Prints a text's tokens as numbers, on as many lines as the text has.");
  arguments.positional("TOKENIZER", tokenizerHelp, path);
  arguments.option("--text", "TEXT", "the text", text);
  arguments.option("--data", "FILE", "the file that holds the text; - is standard input", data);
  arguments.option("--special", "NAME",
                   "where NAME stands in the text, it is that special token; may be given several times",
                   specials);
  arguments.flag("--all-specials", "the same for the names of all special tokens that the tokenizer has",
                 allSpecials);
  arguments.flag("--frame", "with the begin and end tokens that the file puts around a text (post_processor)",
                 framed);
  arguments.flag("--lines", "each line of the data is a text of its own, written as a JSON string", lines);
  arguments.flag("--pieces", "the tokens as text in quotes instead", pieces);
  arguments.example("tokenizer encode tokenizer.json --text \"unforgettable cats\" --pieces");
  if (std::optional<int> code = arguments.parse(words))
    return *code;
  if (arguments.given("--text") == arguments.given("--data"))
    return arguments.usageError("give one of --text and --data");
  if (lines && !arguments.given("--data"))
    return arguments.usageError("--lines goes with --data");
  auto tokenizer = openTokenizer(path);
  if (!tokenizer)
    return Failure;
  if (allSpecials)
    for (const runtime::SpecialToken &token : tokenizer->specials())
      specials.push_back(token.name);
  runtime::TextFrame frame = framed ? tokenizer->frame() : runtime::TextFrame();
  auto encode = [&](llvm::StringRef one, const std::string &source) -> llvm::Error {
    std::vector<int32_t> tokens = frame.begin;
    if (llvm::Error error = tokenizer->encode(one, specials, tokens, source))
      return error;
    tokens.insert(tokens.end(), frame.end.begin(), frame.end.end());
    printTokens(*tokenizer, tokens, pieces, lines);
    return llvm::Error::success();
  };
  llvm::Error error = llvm::Error::success();
  if (arguments.given("--text")) {
    error = encode(text, "the text");
  } else {
    auto input = readInput(data);
    if (!input)
      return reportError(input.takeError());
    if (!lines)
      error = encode(input->text, data);
    else
      error = eachLine(input->text, data, [&](llvm::StringRef line, const std::string &place) -> llvm::Error {
        llvm::Expected<std::string> one = readJsonString(line, place);
        return one ? encode(*one, place) : one.takeError();
      });
  }
  if (error)
    return reportError(std::move(error));
  return Success;
}

static int decodeTokens(llvm::ArrayRef<const char *> words) {
  std::string path, list, data;
  bool lines = false;
  Arguments arguments(
      "tokenizer decode TOKENIZER --tokens NUMBERS|--data FILE",
      "Prints the text of tokens, given as numbers with white space between them. What `encode` made\n"
      "of a text gives that text, byte for byte (a byte order mark is no part of it); after --tokens\n"
      "a line end follows.");
  arguments.positional("TOKENIZER", tokenizerHelp, path);
  arguments.option("--tokens", "NUMBERS", "the tokens: \"301 12 7\"", list);
  arguments.option("--data", "FILE", "the file that holds the tokens; - is standard input", data);
  arguments.flag("--lines", "each line of the data is a text of its own; prints each as a JSON string",
                 lines);
  arguments.example("tokenizer decode run --tokens \"301 12 7\"");
  if (std::optional<int> code = arguments.parse(words))
    return *code;
  if (arguments.given("--tokens") == arguments.given("--data"))
    return arguments.usageError("give one of --tokens and --data");
  if (lines && !arguments.given("--data"))
    return arguments.usageError("--lines goes with --data");
  auto tokenizer = openTokenizer(path);
  if (!tokenizer)
    return Failure;
  auto numbers = runtime::makeTokenizer("ids", {std::to_string(tokenizer->vocabulary())}, "", "");
  if (!numbers)
    return reportError(numbers.takeError());
  std::vector<int32_t> tokens;
  llvm::Error error = llvm::Error::success();
  if (arguments.given("--tokens")) {
    error = (*numbers)->encode(list, tokens, "the tokens");
  } else {
    auto input = readInput(data);
    if (!input)
      return reportError(input.takeError());
    if (!lines)
      error = (*numbers)->encode(input->text, tokens, data);
    else
      error = eachLine(input->text, data, [&](llvm::StringRef line, const std::string &) -> llvm::Error {
        std::vector<int32_t> ofLine;
        if (llvm::Error wrong = (*numbers)->encodePart(line, input->text, ofLine, data))
          return wrong;
        llvm::outs() << llvm::json::Value(tokenizer->decode(ofLine)) << "\n";
        return llvm::Error::success();
      });
  }
  if (error)
    return reportError(std::move(error));
  if (lines)
    return Success;
  llvm::outs() << tokenizer->decode(tokens) << (arguments.given("--tokens") ? "\n" : "");
  return Success;
}

static int showTokenizer(llvm::ArrayRef<const char *> words) {
  std::string path;
  Arguments arguments(
      "tokenizer show TOKENIZER",
      "Prints the vocabulary, one token per line: its number, its text, and the two tokens that were\n"
      "merged into it.");
  arguments.positional("TOKENIZER", tokenizerHelp, path);
  arguments.example("tokenizer show run");
  if (std::optional<int> code = arguments.parse(words))
    return *code;
  auto made = openTokenizer(path);
  if (!made)
    return Failure;
  const runtime::Tokenizer &tokenizer = *made;
  std::vector<runtime::SpecialToken> specials = tokenizer.specials();
  size_t special = 0;
  size_t width = std::to_string(tokenizer.vocabulary() - 1).size();
  for (int32_t token = 0; token < tokenizer.vocabulary(); ++token) {
    llvm::outs() << llvm::right_justify(std::to_string(token), unsigned(width)) << "  "
                 << quoted(tokenizer, token);
    if (special < specials.size() && specials[special].id == token) {
      ++special;
      llvm::outs() << "  special";
    } else if (auto parts = tokenizer.parts(token)) {
      llvm::outs() << "  " << quoted(tokenizer, parts->first) << " + " << quoted(tokenizer, parts->second);
    }
    llvm::outs() << "\n";
  }
  return Success;
}

//===-- the command -----------------------------------------------------------------===//

llvm::ArrayRef<Command> gptc::tokenizerActions() {
  static const Command table[] = {
      {"train", "learns a vocabulary of byte pairs from texts", trainTokenizer},
      {"encode", "text to tokens", encodeText},
      {"decode", "tokens to text", decodeTokens},
      {"show", "the vocabulary", showTokenizer},
  };
  return table;
}

static void printHelp(llvm::raw_ostream &out) {
  out << "usage: " << programName() << " tokenizer ACTION ...\n\n";
  for (const Command &action : tokenizerActions())
    out << llvm::formatv("  {0,-8} {1}\n", action.name, action.summary);
  out << "\n  " << programName() << " tokenizer ACTION --help   says what an action takes\n\n"
      << "For example:\n"
      << "  " << programName() << " tokenizer train --data text.txt --vocabulary 1000 -o tokenizer.json\n"
      << "  " << programName() << " tokenizer encode tokenizer.json --text \"cats\" --pieces\n\n"
      << "A model file reads text with it as\n"
      << "  text token[t < 64]: tokenizer(\"tokenizer.json\")\n"
      << "and bpe(1000) in its place learns one when training starts.\n"
      << "Exit codes: 0 success, 1 bad input or failure, 2 wrong usage.\n";
}

int gptc::tokenizerCommand(llvm::ArrayRef<const char *> words) {
  llvm::StringRef first = words.empty() ? "" : words.front();
  if (first == "--help" || first == "-h" || first == "help") {
    printHelp(llvm::outs());
    return Success;
  }
  if (const Command *action = findCommand(tokenizerActions(), first))
    return action->run(words.drop_front());
  std::vector<std::string> names;
  for (const Command &action : tokenizerActions())
    names.push_back(action.name);
  std::string meant = nearestName(first, names);
  if (words.empty())
    llvm::errs() << programName() << ": tokenizer: what is to be done?\n\n";
  else
    llvm::errs() << programName() << ": tokenizer: unknown action `" << first << "`"
                 << (meant.empty() ? "" : "; did you mean `" + meant + "`?") << "\n\n";
  printHelp(llvm::errs());
  return Usage;
}
