// --set reaches settings and every field, as if its value were written in the file.
#include "model_fixture.h"

using namespace gptc;
using namespace gptc::test;

namespace {

const std::string text = "setting width = 4, half = width / 2\n"
                         "rows x[4] = columns(a, b, c, d), y = columns(e)\n"
                         "param w[4, width] ~ normal(0.1)\n"
                         "let h[j] = sum(i: x[i] * w[i, j])\n"
                         "def fall(high, low) = high / (step + low)\n"
                         "loss (sum(j: h[j]) - y)^2\n"
                         "train { steps: 10, batch: 2, optimizer: adamw(2 * fall(0.1, 3), betas: (0.9, 0.99)) }\n";

std::string optimizer(const std::map<std::string, std::string> &overrides) {
  Analysed m(text, overrides);
  return m.model ? m.model->written("optimizer") : m.errors;
}

TEST(Overrides, PartsByTheirNames) {
  EXPECT_EQ(optimizer({}), "adamw(2 * fall(0.1, 3), betas: [0.9, 0.99])");
  EXPECT_EQ(optimizer({{"optimizer.lr", "1e-3"}}), "adamw(1e-3, betas: [0.9, 0.99])");
  EXPECT_EQ(optimizer({{"optimizer.lr.low", "7"}}), "adamw(2 * fall(0.1, 7), betas: [0.9, 0.99])");
  EXPECT_EQ(optimizer({{"train.optimizer.lr.high", "1 / 4"}}), "adamw(2 * fall(1 / 4, 3), betas: [0.9, 0.99])");
  EXPECT_EQ(optimizer({{"optimizer.decay", "0.5"}}), "adamw(2 * fall(0.1, 3), betas: [0.9, 0.99], decay: 0.5)");
  EXPECT_EQ(optimizer({{"optimizer", "sgd(1)"}, {"optimizer.lr", "2"}, {"optimizer.momentum", "0.5"}}),
            "sgd(2, momentum: 0.5)");
  EXPECT_NE(optimizer({{"optimizer.lr.width", "7"}}).find("the value of 'lr' has no 'width'"), std::string::npos);
}

TEST(Overrides, FieldsThatAreNotWritten) {
  Analysed m(text, {{"clip", "half"}, {"average", "0.9"}, {"temperature", "1 / 2"}, {"save_every", "10min"},
                    {"epochs", "3"}});
  ASSERT_TRUE(m.model) << m.errors;
  EXPECT_EQ(m.model->train().at("clip").number, 2);
  EXPECT_EQ(m.model->train().at("average").number, 0.9);
  EXPECT_EQ(m.model->generate().at("temperature").number, 0.5);
  EXPECT_EQ(m.model->train().at("save_every").seconds(), 600.0);
  // Of two that say the same the command line's counts.
  EXPECT_EQ(m.model->train().at("epochs").number, 3);
  EXPECT_FALSE(m.model->train().count("steps"));
}

TEST(Overrides, SettingsAreExpressions) {
  Analysed m(text, {{"width", "2 ^ 3"}});
  ASSERT_TRUE(m.model) << m.errors;
  EXPECT_EQ(m.model->settings()[0].value, 8);
  EXPECT_TRUE(m.model->settings()[0].overridden);
  EXPECT_EQ(m.model->settings()[1].value, 4); // those that follow from it follow
  EXPECT_FALSE(m.model->settings()[1].overridden);
}

TEST(Overrides, MistakesAreTheCommandLines) {
  auto errors = [](const std::string &name, const std::string &value) {
    return Analysed(text, {{name, value}}).errors;
  };
  EXPECT_NE(errors("steps", "3 +").find("--set steps:1:"), std::string::npos);
  EXPECT_NE(errors("steps", "3 4").find("--set steps:1:3"), std::string::npos);
  EXPECT_NE(errors("clip", "widht").find("'clip' is a number, not 'widht'"), std::string::npos);
  EXPECT_NE(errors("eval_every", "10min").find("--set eval_every"), std::string::npos);
  EXPECT_NE(errors("generate.steps", "3").find("no setting 'generate.steps'"), std::string::npos);
  EXPECT_NE(errors("average.from", "3").find("the model gives no average"), std::string::npos);
}

TEST(Overrides, TimesStandInTrainOnly) {
  EXPECT_NE(Analysed("let a = 10min\noutput a\n").errors.find("'10min' is neither a number nor a name"),
            std::string::npos);
  Analysed m(text + "\n", {{"save_every", "0.5h"}});
  ASSERT_TRUE(m.model) << m.errors;
  EXPECT_EQ(m.model->train().at("save_every").seconds(), 1800.0);
}

} // namespace
