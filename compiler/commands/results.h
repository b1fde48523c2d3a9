// What `gptc run` prints: a program's results as CSV or as tables to read.
#pragma once

#include "compiler/classes.h"
#include "runtime/runner.h"
#include "runtime/tokenizer.h"

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

namespace gptc {

/// Prints to standard output, batch after batch.
class ResultPrinter {
public:
  virtual ~ResultPrinter() = default;
  /// Once, before the first batch.
  virtual void header() {}
  /// The results of a run of the program on a batch; false where nobody reads any more (a closed pipe).
  virtual bool rows(const runtime::Batch &batch) = 0;
};

/// One line an example, one column an element. Elements outside of an extent
/// (a text shorter than its bound) are empty. Results over classes have these
/// as heads and the likeliest one's name behind them.
std::unique_ptr<ResultPrinter> printCsv(const runtime::ProgramRun &run, std::vector<ClassResult> classes);

/// For people: each value under its name; the last two dimensions as rows and
/// columns of a matrix, one for each place of the others. Dimensions along a
/// text have its tokens as heads: `streams` says which input each extent
/// belongs to ("t" -> "token"). `only`: the results to print; empty: all.
/// `classes` as for a CSV.
std::unique_ptr<ResultPrinter> printTables(const runtime::ProgramRun &run,
                                           const runtime::Tokenizer *tokenizer,
                                           std::map<std::string, std::string> streams,
                                           std::set<std::string> only, std::vector<ClassResult> classes);

/// A token's text in quotes of its own kind: a line's end as \n, a space as ␣,
/// so that it has no blank and one line.
std::string visibleToken(const runtime::Tokenizer &tokenizer, int32_t token);

/// A field of a CSV, quoted where RFC 4180 has it.
std::string csvField(const std::string &text);

} // namespace gptc
