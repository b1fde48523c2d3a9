// Source files, places in them, and the errors that point there.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gptc {

/// A range of bytes in a file. `file` counts the files of a SourceManager; the
/// null span (file < 0) points nowhere.
struct Span {
  int32_t file = -1;
  uint32_t begin = 0, end = 0;
  bool valid() const { return file >= 0; }
  /// From the start of this to the end of `other`.
  Span to(Span other) const;
};

/// Owns the text of every file that a model uses.
class SourceManager {
public:
  /// Adds text under a name; returns the file's number.
  int32_t add(std::string name, std::string text);
  /// Reads a file; empty, with `error` set, where it cannot be read.
  std::optional<int32_t> open(const std::string &path, std::string &error);
  /// The file of this name, if it is here already.
  std::optional<int32_t> find(const std::string &name) const;
  const std::string &name(int32_t file) const { return files[file].name; }
  const std::string &text(int32_t file) const { return files[file].text; }
  std::string_view slice(Span span) const;
  /// The slice for a message: on one line, and not longer than one reads.
  std::string quote(Span span) const;
  /// 1-based line and column (in characters, not bytes) of the span's begin.
  struct Place { unsigned line, column; };
  Place place(Span span) const;
  /// The text of the line that holds the span's begin, without its newline.
  std::string_view line(Span span) const;

private:
  struct File { std::string name, text; std::vector<uint32_t> lineStarts; };
  std::deque<File> files;
};

/// One error, with notes at other places. Printed as
/// `file:line:column: error: message`, the line, and the underline.
struct Diagnostic {
  Span span;
  std::string message;
  struct Note { Span span; std::string message; };
  std::vector<Note> notes;
  std::string help; // how to mend it; may be empty
};

/// A message as people can read it: a word of hundreds of bytes is cut, and nothing in it moves the cursor.
std::string readable(const std::string &text);

/// Collects errors; parsing and checking go on after one.
class Diagnostics {
public:
  explicit Diagnostics(const SourceManager &sources) : sources(sources) {}
  Diagnostic &error(Span span, std::string message);
  bool hasErrors() const { return !errors.empty(); }
  const std::deque<Diagnostic> &all() const { return errors; }
  /// All errors in the order of their places, as text (`colour`: ANSI).
  std::string render(bool colour) const;

  /// So many are kept; the others are counted.
  static constexpr size_t mostErrors = 1000;

private:
  const SourceManager &sources;
  std::deque<Diagnostic> errors;
  Diagnostic spare;
  size_t unkept = 0;
};

} // namespace gptc
