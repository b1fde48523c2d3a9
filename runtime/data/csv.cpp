#include "runtime/data/csv.h"

#include "runtime/utf8.h"

#include "llvm/ADT/StringSet.h"

using llvm::Error;
using llvm::Expected;
using llvm::StringRef;

namespace gptc::runtime {

std::string placeOf(const CsvTable &table, const CsvField &field) {
  return fmt::format("{}:{}:{}", table.source, field.line, field.column);
}

namespace {
class Reader {
public:
  Reader(StringRef text, StringRef source) : text(text), source(source) {}

  bool atEnd() const { return at == text.size(); }
  int64_t lineNumber() const { return line; }

  /// The next row; empty for a blank line.
  Expected<std::vector<CsvField>> row() {
    std::vector<CsvField> fields;
    size_t end = text.find_first_of("\r\n", at);
    if (text.slice(at, end).trim(" \t").empty()) {
      at = std::min(end, text.size());
      endLine();
      return fields;
    }
    for (;;) {
      Expected<CsvField> field = next();
      if (!field)
        return field.takeError();
      fields.push_back(std::move(*field));
      if (!atEnd() && text[at] == ',') {
        ++at;
        continue;
      }
      endLine();
      return fields;
    }
  }

private:
  Expected<CsvField> next() {
    CsvField field;
    while (!atEnd() && (text[at] == ' ' || text[at] == '\t'))
      ++at;
    field.line = line;
    field.column = int64_t(at - lineStart) + 1;
    if (atEnd() || text[at] != '"') {
      size_t end = std::min(text.find_first_of(",\r\n", at), text.size());
      field.text = text.slice(at, end).rtrim(" \t").str();
      at = end;
      return field;
    }
    for (++at;; ++at) {
      if (atEnd())
        return failure("{}:{}:{}: the quote is never closed", source, field.line, field.column);
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
      return failure("{}:{}:{}: text after a closing quote", source, line, at - lineStart + 1);
    return field;
  }

  void endLine() {
    if (!atEnd() && text[at] == '\r')
      ++at;
    if (!atEnd() && text[at] == '\n')
      ++at;
    ++line;
    lineStart = at;
  }

  StringRef text, source;
  size_t at = 0, lineStart = 0;
  int64_t line = 1;
};
} // namespace

Expected<CsvTable> parseCsv(StringRef bytes, StringRef source) {
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
  CsvTable table;
  table.source = source.str();
  Reader reader(text, source);
  std::vector<int64_t> blank; // lines, of which a table with one column is not to lose any
  while (!reader.atEnd()) {
    int64_t line = reader.lineNumber();
    Expected<std::vector<CsvField>> row = reader.row();
    if (!row)
      return row.takeError();
    if (row->empty()) {
      if (table.header.size() == 1)
        blank.push_back(line);
      continue;
    }
    if (table.header.empty()) {
      table.header = std::move(*row);
      llvm::StringSet<> names;
      for (const CsvField &field : table.header)
        if (!names.insert(field.text).second)
          return failure("{}: two columns are called '{}'", placeOf(table, field), field.text);
      continue;
    }
    if (row->size() != table.header.size())
      return failure("{}: the row has {} fields, the header {}", placeOf(table, row->front()), row->size(),
                     table.header.size());
    for (int64_t number : blank)
      table.rows.push_back({CsvField{"", number, 1}});
    blank.clear();
    table.rows.push_back(std::move(*row));
  }
  if (table.header.empty())
    return failure("{}: the file is empty; the first line must name the columns", source);
  return table;
}

} // namespace gptc::runtime
