#include "frontend/source.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <sys/stat.h>

namespace gptc {

Span Span::to(Span other) const {
  if (!valid())
    return other;
  if (!other.valid() || other.file != file)
    return *this;
  return {file, begin, std::max(end, other.end)};
}

int32_t SourceManager::add(std::string name, std::string text) {
  // A byte order mark is no character of the text.
  if (text.compare(0, 3, "\xEF\xBB\xBF") == 0)
    text.erase(0, 3);
  File file{std::move(name), std::move(text), {0}};
  for (uint32_t i = 0; i < file.text.size(); ++i)
    if (file.text[i] == '\n')
      file.lineStarts.push_back(i + 1);
  files.push_back(std::move(file));
  return static_cast<int32_t>(files.size()) - 1;
}

std::optional<int32_t> SourceManager::find(const std::string &name) const {
  for (size_t i = 0; i < files.size(); ++i)
    if (files[i].name == name)
      return static_cast<int32_t>(i);
  return std::nullopt;
}

std::optional<int32_t> SourceManager::open(const std::string &path, std::string &error) {
  // Spans are 32 bit, and no model file is near that.
  constexpr off_t largest = 16 << 20;
  struct stat info;
  if (stat(path.c_str(), &info) != 0) {
    error = fmt::format("cannot read '{}': {}", path, strerror(errno));
    return std::nullopt;
  }
  if (S_ISDIR(info.st_mode)) {
    error = fmt::format("cannot read '{}': it is a directory", path);
    return std::nullopt;
  }
  if (info.st_size > largest) {
    error = fmt::format("cannot read '{}': {} bytes, more than the {} that a model file may have", path,
                        static_cast<long long>(info.st_size), static_cast<long long>(largest));
    return std::nullopt;
  }
  std::FILE *handle = std::fopen(path.c_str(), "rb");
  if (!handle) {
    error = fmt::format("cannot read '{}': {}", path, strerror(errno));
    return std::nullopt;
  }
  std::string text;
  char buffer[65536];
  while (size_t n = std::fread(buffer, 1, sizeof buffer, handle)) {
    text.append(buffer, n);
    if (text.size() > static_cast<size_t>(largest))
      break;
  }
  bool failed = std::ferror(handle);
  int reason = errno;
  std::fclose(handle);
  if (failed) {
    error = fmt::format("cannot read '{}': {}", path, strerror(reason));
    return std::nullopt;
  }
  if (text.size() > static_cast<size_t>(largest)) { // a device or a pipe, whose size nothing says
    error = fmt::format("cannot read '{}': more than the {} bytes that a model file may have", path,
                        static_cast<long long>(largest));
    return std::nullopt;
  }
  std::string_view start = std::string_view(text).substr(0, 2);
  if (start == "\xFF\xFE" || start == "\xFE\xFF") {
    error = fmt::format("cannot read '{}': it is in UTF-16; save it as UTF-8", path);
    return std::nullopt;
  }
  return add(path, std::move(text));
}

std::string_view SourceManager::slice(Span span) const {
  std::string_view text = files[span.file].text;
  return text.substr(span.begin, span.end - span.begin);
}

/// The first byte of a character at or before `at`.
static size_t characterAt(std::string_view text, size_t at) {
  while (at > 0 && at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80)
    --at;
  return std::min(at, text.size());
}

std::string SourceManager::quote(Span span) const {
  constexpr size_t most = 60;
  std::string_view text = slice(span);
  size_t end = std::min(text.find('\n'), characterAt(text, most));
  return std::string(text.substr(0, end)) + (end < text.size() ? "..." : "");
}

static size_t lineOf(const std::vector<uint32_t> &starts, uint32_t offset) {
  return std::upper_bound(starts.begin(), starts.end(), offset) - starts.begin() - 1;
}

static unsigned characters(std::string_view text) {
  unsigned count = 0;
  for (unsigned char c : text)
    count += (c & 0xC0) != 0x80;
  return count;
}

SourceManager::Place SourceManager::place(Span span) const {
  const File &file = files[span.file];
  size_t line = lineOf(file.lineStarts, span.begin);
  uint32_t start = file.lineStarts[line];
  return {static_cast<unsigned>(line) + 1,
          characters(std::string_view(file.text).substr(start, span.begin - start)) + 1};
}

std::string_view SourceManager::line(Span span) const {
  const File &file = files[span.file];
  size_t index = lineOf(file.lineStarts, span.begin);
  uint32_t start = file.lineStarts[index];
  uint32_t end = index + 1 < file.lineStarts.size() ? file.lineStarts[index + 1] : file.text.size();
  std::string_view line = std::string_view(file.text).substr(start, end - start);
  while (!line.empty() && (line.back() == '\n' || line.back() == '\r'))
    line.remove_suffix(1);
  return line;
}

Diagnostic &Diagnostics::error(Span span, std::string message) {
  // More than anybody reads would only take memory.
  if (errors.size() >= mostErrors) {
    ++unkept;
    spare = Diagnostic();
    return spare;
  }
  errors.push_back({span, std::move(message), {}, {}});
  return errors.back();
}

std::string readable(const std::string &text) {
  constexpr size_t longest = 300, most = 60; // of a word
  std::string result;
  for (size_t at = 0; at < text.size();) {
    size_t end = std::min(text.find_first_of(" \n", at), text.size());
    if (end - at > longest) {
      result += text.substr(at, characterAt(text, at + most) - at) + fmt::format("... ({} bytes)", end - at);
      result += text[end - 1] == '\'' ? "'" : ""; // what was quoted
    } else {
      result += text.substr(at, end - at);
    }
    if (end < text.size())
      result += text[end++];
    at = end;
  }
  for (size_t at = 0; at < result.size(); ++at)
    if (auto c = static_cast<unsigned char>(result[at]); (c < 0x20 && c != '\n' && c != '\t') || c == 0x7F)
      result.replace(at, 1, fmt::format("\\x{:02x}", c));
  return result;
}

namespace {
struct Printer {
  const SourceManager &sources;
  bool colour;
  std::string out;

  void message(Span span, const char *kind, const char *ansi, const std::string &text) {
    if (span.valid()) {
      auto place = sources.place(span);
      out += fmt::format("{}:{}:{}: ", sources.name(span.file), place.line, place.column);
    }
    std::string words = readable(text);
    out += colour ? fmt::format("\033[{}m{}:\033[0m {}\n", ansi, kind, words)
                  : fmt::format("{}: {}\n", kind, words);
    if (span.valid())
      underline(span);
  }

  void underline(Span span) {
    auto place = sources.place(span);
    std::string_view line = sources.line(span);
    size_t at = 0;
    for (unsigned column = 1; at < line.size() && column < place.column; ++column)
      for (++at; at < line.size() && (static_cast<unsigned char>(line[at]) & 0xC0) == 0x80;)
        ++at;
    // Of a long line what stands around the place.
    constexpr size_t most = 240, before = 80;
    size_t first = line.size() > most && at > before ? characterAt(line, at - before) : 0;
    size_t last = line.size() > first + most ? characterAt(line, first + most) : line.size();
    std::string lead = first ? "..." : "", tail = last < line.size() ? "..." : "";
    std::string shown(line.substr(first, last - first));
    for (char &c : shown) // nothing that moves the cursor
      if (c != '\t' && (static_cast<unsigned char>(c) < 0x20 || c == 0x7F))
        c = '?';
    out += fmt::format("{:5} | {}{}{}\n", place.line, lead, shown, tail);
    out += fmt::format("{:5} | {:{}}", "", "", lead.size());
    line = line.substr(first, last - first);
    // Tabs stay tabs, so that the caret stands under its character.
    size_t i = 0;
    while (i < at - first) {
      out += line[i] == '\t' ? '\t' : ' ';
      for (++i; i < line.size() && (static_cast<unsigned char>(line[i]) & 0xC0) == 0x80;)
        ++i;
    }
    // The first line of a span that crosses lines.
    size_t bytes = std::min<size_t>(span.end > span.begin ? span.end - span.begin : 1, line.size() - i);
    unsigned width = std::max(1u, characters(line.substr(i, bytes)));
    std::string mark = "^" + std::string(width - 1, '~');
    out += colour ? fmt::format("\033[1;32m{}\033[0m\n", mark) : mark + "\n";
  }
};
} // namespace

std::string Diagnostics::render(bool colour) const {
  std::vector<const Diagnostic *> ordered;
  for (const Diagnostic &error : errors)
    ordered.push_back(&error);
  std::stable_sort(ordered.begin(), ordered.end(), [](const Diagnostic *a, const Diagnostic *b) {
    return std::make_pair(a->span.file, a->span.begin) < std::make_pair(b->span.file, b->span.begin);
  });
  Printer printer{sources, colour, {}};
  // Past these, errors are mostly consequences of each other.
  constexpr size_t mostShown = 20;
  size_t more = ordered.size() > mostShown ? ordered.size() - mostShown : 0;
  ordered.resize(ordered.size() - more);
  more += unkept;
  for (const Diagnostic *error : ordered) {
    printer.message(error->span, "error", "1;31", error->message);
    for (const Diagnostic::Note &note : error->notes)
      printer.message(note.span, "note", "1;36", note.message);
    if (!error->help.empty())
      printer.out += "help: " + readable(error->help) + "\n";
  }
  if (more)
    printer.out += fmt::format("and {} more error{}\n", more, more == 1 ? "" : "s");
  return printer.out;
}

} // namespace gptc
