// Texts that end before a string, however they are cut into pieces.
#include "runtime/stop.h"

#include "gtest/gtest.h"

#include <algorithm>

using gptc::runtime::StopFinder;

namespace {

/// The text that comes out, its end with '|' where a stop was found.
std::string cut(std::vector<std::string> stops, llvm::StringRef text, size_t piece) {
  StopFinder finder(std::move(stops));
  std::string out;
  for (; !text.empty(); text = text.drop_front(std::min(piece, text.size())))
    out += finder.push(text.take_front(piece));
  bool found = finder.found();
  out += finder.finish();
  return out + (found ? "|" : "");
}

TEST(Stop, EndsBeforeTheTextWhereverItIsCut) {
  for (size_t piece : {1, 2, 3, 5, 100}) {
    EXPECT_EQ(cut({"END"}, "an EEND and more", piece), "an E|");
    EXPECT_EQ(cut({"aab"}, "aaaab", piece), "aa|");
    EXPECT_EQ(cut({"abc", "bx"}, "zabx", piece), "za|");
    EXPECT_EQ(cut({"abcd", "bc"}, "abcd", piece), "a|") << "the one that ends first";
    EXPECT_EQ(cut({"bc", "abc"}, "zabc", piece), "z|") << "of two that end together the longer";
    EXPECT_EQ(cut({"END"}, "an EN", piece), "an EN") << "what was held back comes at the end";
    EXPECT_EQ(cut({}, "all", piece), "all");
    EXPECT_EQ(cut({""}, "all", piece), "all");
  }
}

TEST(Stop, HoldsBackNoMoreThanItMust) {
  StopFinder finder({"\n\n"});
  EXPECT_EQ(finder.push("a\n"), "a");
  EXPECT_EQ(finder.push("b"), "\nb");
  EXPECT_EQ(finder.push("\n"), "");
  EXPECT_EQ(finder.push("\nc"), "");
  EXPECT_TRUE(finder.found());
  EXPECT_EQ(finder.push("d") + finder.finish(), "");
}

TEST(Stop, KeepsCharactersWhole) {
  StopFinder finder({"\u00e9t\u00e9"});
  EXPECT_EQ(finder.push("\u00e8"), "\u00e8"); // its first byte is that of the stop
  EXPECT_EQ(finder.push("\u00e9t"), "");
  EXPECT_EQ(finder.push("\u00e8"), "\u00e9t\u00e8");
}

} // namespace
