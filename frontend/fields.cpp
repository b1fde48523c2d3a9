#include "frontend/fields.h"

namespace gptc {

const std::vector<ConfigField> &trainFields() {
  static const std::vector<ConfigField> fields = {
      {"optimizer", "adamw(lr: 1e-3, betas: (0.9, 0.999), eps: 1e-8, decay: 0.01, decay_min_rank: 2) or "
                    "sgd(0.1, momentum: 0, decay: 0, decay_min_rank: 2)",
       "how steps are taken; all but the learning rate have the values shown where not given", ""},
      {"batch", "32, all or tokens(4096)", "examples per step", "1"},
      {"steps", "1000", "how long; 0: a run of the weights at the start", "as epochs says"},
      {"epochs", "10", "how long, where there are no steps", "1"},
      {"clip", "1.0", "the most that the gradient's norm over all parameters may be", "no limit"},
      {"average", "0.999 or ema(0.999, from: 1000)",
       "an average of the weights is kept, evaluated and used by what follows", "none"},
      {"validation", "0.1 or 5000", "what is kept apart: a share of the data, or tokens (rows, pairs)",
       "0.1, none with --val"},
      {"eval_every", "100", "steps from one evaluation to the next; 0: none", "a quarter of the steps"},
      {"save_every", "100 or 10min", "steps from one checkpoint to the next, and one every ten minutes besides; 0: only at the end",
       "that of eval_every"},
      {"seed", "1", "of initial weights, batches and random masks; --seed comes first", "1"},
  };
  return fields;
}

const std::vector<ConfigField> &generateFields() {
  static const std::vector<ConfigField> fields = {
      {"tokens", "300", "how many tokens to make", "300; of pairs, what the model takes"},
      {"temperature", "0.8", "below 1 plainer, above 1 wilder, 0 always the likeliest", "1"},
      {"top_k", "50", "choose among so many likeliest tokens; 0: all", "0"},
      {"top_p", "0.9", "choose among the likeliest that reach this probability together", "1"},
      {"min_p", "0.05", "choose among those at least so likely as this share of the likeliest", "0"},
      {"repetition_penalty", "1.1", "makes tokens that were there less likely: divides their logit, or multiplies a negative one", "1"},
      {"repetition_window", "64", "how many last tokens the penalty looks at, the prompt's too; 0: all", "64"},
      {"stop", "\"\\n\" or [\"A:\", \"B:\"]", "the text ends before the first of these strings", "none"},
      {"end", "\"</s>\"", "the text ends at this special token; \"\": at none", "that of a tokenizer's file"},
      {"seed", "1", "of the choices", "1"},
      {"slide", "1", "past the context: 1 looks at the last tokens again for each new one; 0 forgets half", "0"},
      {"pad", "\" \"", "what fills a window of fixed length up on the left", "nothing"},
      {"beam", "4", "of pairs: hypotheses per sentence; 1: greedy", "1"},
      {"length_penalty", "0.6", "of pairs: score log P / ((5 + length) / 6)^A", "0.6"},
  };
  return fields;
}

} // namespace gptc
