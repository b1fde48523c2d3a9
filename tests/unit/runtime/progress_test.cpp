#include "test_support.h"

#include "runtime/progress.h"

using namespace gptc::runtime;

namespace {

TEST(Progress, PlainLinesAndMessages) {
  std::FILE *file = std::tmpfile();
  ProgressOptions options;
  options.stream = file;
  {
    Progress progress(0, 100, "tokens", options);
    for (int64_t step = 1; step <= 100; ++step)
      progress.update(step, 1.0 / double(step), 12345,
                      step == 100 ? std::optional<double>(0.5) : std::nullopt);
    progress.message("a message");
  }
  std::rewind(file);
  char bytes[4000] = {};
  (void)!std::fread(bytes, 1, sizeof(bytes) - 1, file);
  std::fclose(file);
  std::string text = bytes;
  EXPECT_CONTAINS(text, "step 1/100  loss 1.0000  0:00, 0:00 left  12.3k tokens/s\n");
  EXPECT_CONTAINS(text, "a message\n");
  // The loss is smoothed over the last steps; the evaluation leaves its line once.
  EXPECT_CONTAINS(text, "step 100/100  loss 0.0112  val 0.5000  0:00  12.3k tokens/s");
  EXPECT_EQ(text.find("val 0.5000"), text.rfind("val 0.5000"));
  EXPECT_LT(std::count(text.begin(), text.end(), '\n'), 15);
  EXPECT_EQ(text.find('\033'), std::string::npos);
  EXPECT_EQ(formatDuration(3723), "1:02:03");
  EXPECT_EQ(formatCount(1234567), "1.2M");
}

} // namespace
