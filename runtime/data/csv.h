// Comma-separated values (RFC 4180) with the place of every field.
#pragma once

#include "runtime/error.h"

#include <vector>

namespace gptc::runtime {

struct CsvField {
  std::string text;             // without quotes, outer blanks removed where not quoted
  int64_t line = 0, column = 0; // from 1, in bytes
};

/// A table with a header, read row by row: of a file only one row at a time is held as fields. Fields may be quoted and
/// then hold commas, line ends and doubled quotes; blank lines are skipped, but where the table has one column and a row
/// follows, they are empty fields.
class CsvReader {
public:
  /// Reads the header. Fails on invalid UTF-8, UTF-16, zero bytes, an empty file and a header with two equal names. The
  /// text must outlive the reader.
  static llvm::Expected<CsvReader> open(llvm::StringRef bytes, llvm::StringRef source);
  const std::vector<CsvField> &header() const { return names; }
  const std::string &source() const { return file; }
  /// Makes `row` the next row; false where there is none. Fails on a row that is not as wide as the header and on
  /// unclosed quotes.
  llvm::Expected<bool> next(std::vector<CsvField> &row);
  /// "file:line:column", for messages.
  std::string placeOf(const CsvField &field) const;

private:
  bool atEnd() const { return at == text.size(); }
  llvm::Error readRow(std::vector<CsvField> &row);
  llvm::Error readField(CsvField &field);
  void endLine();

  llvm::StringRef text;
  std::string file;
  std::vector<CsvField> names;
  size_t at = 0, lineStart = 0;
  size_t behindRows = 0; // from here on there are blank lines only
  int64_t line = 1;
};

} // namespace gptc::runtime
