#include "runtime/data/csv.h"

#include "runtime/utf8.h"

#include "llvm/ADT/StringSet.h"

using llvm::Error;
using llvm::Expected;
using llvm::StringRef;

namespace gptc::runtime {

std::string CsvReader::placeOf(const CsvField &field) const {
  return fmt::format("{}:{}:{}", file, field.line, field.column);
}

void CsvReader::endLine() {
  if (!atEnd() && text[at] == '\r')
    ++at;
  if (!atEnd() && text[at] == '\n')
    ++at;
  ++line;
  lineStart = at;
}

Error CsvReader::readField(CsvField &field) {
  field.text.clear();
  while (!atEnd() && (text[at] == ' ' || text[at] == '\t'))
    ++at;
  field.line = line;
  field.column = int64_t(at - lineStart) + 1;
  if (atEnd() || text[at] != '"') {
    size_t end = std::min(text.find_first_of(",\r\n", at), text.size());
    StringRef bare = text.slice(at, end).rtrim(" \t");
    field.text.assign(bare.begin(), bare.end());
    at = end;
    return Error::success();
  }
  for (++at;; ++at) {
    if (atEnd())
      return failure("{}: the quote is never closed", placeOf(field));
    if (text[at] == '"') {
      if (at + 1 == text.size() || text[at + 1] != '"')
        break;
      ++at; // a doubled quote stands for one
    } else if (text[at] == '\n') {
      ++line;
      lineStart = at + 1;
    }
    field.text += text[at];
  }
  ++at;
  while (!atEnd() && (text[at] == ' ' || text[at] == '\t'))
    ++at;
  if (!atEnd() && text[at] != ',' && text[at] != '\n' && text[at] != '\r')
    return failure("{}:{}:{}: text after a closing quote", file, line, at - lineStart + 1);
  return Error::success();
}

/// The next row; no fields for a blank line that is none.
Error CsvReader::readRow(std::vector<CsvField> &row) {
  size_t end = text.find_first_of("\r\n", at), count = 0;
  if (text.slice(at, end).trim(" \t").empty()) {
    row.clear();
    if (names.size() == 1 && at < behindRows)
      row.push_back(CsvField{"", line, 1});
    at = std::min(end, text.size());
    endLine();
    return Error::success();
  }
  for (;;) {
    if (count == row.size()) // else the memory of the last row's field is used again
      row.emplace_back();
    if (Error error = readField(row[count++]))
      return error;
    if (atEnd() || text[at] != ',')
      break;
    ++at;
  }
  row.resize(count);
  endLine();
  return Error::success();
}

Expected<CsvReader> CsvReader::open(StringRef bytes, StringRef source) {
  Expected<StringRef> plain = plainText(bytes, source);
  if (!plain)
    return plain.takeError();
  StringRef text = *plain;
  if (Error error = checkUtf8(text, source))
    return error;
  // It would end a number for the C library's functions, and no editor shows it.
  if (size_t zero = text.find('\0'); zero != StringRef::npos) {
    StringRef before = text.take_front(zero);
    return failure("{}:{}:{}: a zero byte, so this is no text", source, before.count('\n') + 1,
                   zero - (before.rfind('\n') + 1) + 1);
  }
  CsvReader reader;
  reader.text = text;
  reader.file = source.str();
  reader.behindRows = text.rtrim(" \t\r\n").size();
  while (!reader.atEnd() && reader.names.empty())
    if (Error error = reader.readRow(reader.names))
      return error;
  if (reader.names.empty())
    return failure("{}: the file is empty; the first line must name the columns", source);
  llvm::StringSet<> seen;
  for (const CsvField &field : reader.names)
    if (!seen.insert(field.text).second)
      return failure("{}: two columns are called '{}'", reader.placeOf(field), shown(field.text));
  return reader;
}

Expected<bool> CsvReader::next(std::vector<CsvField> &row) {
  while (!atEnd()) {
    if (Error error = readRow(row))
      return error;
    if (row.empty())
      continue;
    if (row.size() != names.size())
      return failure("{}: the row has {} fields, the header {}", placeOf(row.front()), row.size(), names.size());
    return true;
  }
  return false;
}

} // namespace gptc::runtime
