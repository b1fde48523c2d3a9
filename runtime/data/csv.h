// Comma-separated values (RFC 4180) with the place of every field.
#pragma once

#include "runtime/error.h"

#include <vector>

namespace gptc::runtime {

struct CsvField {
  std::string text;             // without quotes, outer blanks removed where not quoted
  int64_t line = 0, column = 0; // from 1, in bytes
};

struct CsvTable {
  std::string source;
  std::vector<CsvField> header;
  std::vector<std::vector<CsvField>> rows; // each as wide as the header
};

/// "file:line:column", for messages.
std::string placeOf(const CsvTable &table, const CsvField &field);

/// Parses a table with a header. Fields may be quoted and then hold commas,
/// line ends and doubled quotes; blank lines are skipped, but where the table
/// has one column and a row follows, they are empty fields. Fails on rows that
/// are not as wide as the header, unclosed quotes, invalid UTF-8, UTF-16, zero
/// bytes, an empty file and a header with two equal names.
llvm::Expected<CsvTable> parseCsv(llvm::StringRef text, llvm::StringRef source);

} // namespace gptc::runtime
