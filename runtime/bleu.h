// BLEU: how near translations of a whole corpus are to reference translations.
#pragma once

#include "runtime/error.h"

#include "llvm/ADT/ArrayRef.h"

#include <array>
#include <string>
#include <vector>

namespace gptc::runtime {

/// Corpus BLEU of Papineni et al., "BLEU: a method for automatic evaluation of
/// machine translation" (ACL 2002): n-grams up to 4, one reference, brevity
/// penalty; case counts. Words are those of mteval-v13a; where an order has no
/// match, its k-th such precision counts as 1 / (2^k * total) (smoothing "exp").
/// Both are what sacreBLEU computes without options.
struct Bleu {
  double score = 0;                      // 0 to 100
  std::array<double, 4> precisions = {}; // of 1-grams to 4-grams, 0 to 100
  double brevity = 0;                    // the penalty, 0 to 1
  int64_t hypothesisWords = 0, referenceWords = 0;

  static constexpr const char *signature = "BLEU|nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp";
  /// `BLEU|... = 36.1 68.1/45.2/... (BP = 1.000 ratio = 1.010 hyp_len = 10 ref_len = 9)`
  std::string print() const;
};

/// The words of a line as mteval-v13a cuts them: symbols stand alone, `.` and
/// `,` unless between digits, `-` after a digit; four HTML entities are read.
std::vector<std::string> words13a(llvm::StringRef line);

/// One hypothesis and one reference a line. An error where their numbers
/// differ or there are none.
llvm::Expected<Bleu> bleu(llvm::ArrayRef<std::string> hypotheses, llvm::ArrayRef<std::string> references);

} // namespace gptc::runtime
