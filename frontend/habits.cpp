#include "frontend/habits.h"

#include <algorithm>
#include <iterator>

namespace gptc {

const ForeignSign *foreignSign(std::string_view text) {
  // Longer ones first.
  static const ForeignSign signs[] = {
      {"**=", "=", "a value is defined once; a power is written `x ^ 2`"},
      {"**", "^", "a power is written `x ^ 2`"},
      {"//", "/",
       "`/` divides; the whole part of it is `int(a / b)`, the remainder `a % b`, and a comment "
       "starts with `#`"},
      {"&&", "and", "write `and`"},
      {"||", "or", "write `or`"},
      {":=", "=", "a value is defined with `let y = ...`"},
      {"+=", "=", "a value is defined once: give the new one a name, `let y2 = y + ...`"},
      {"-=", "=", "a value is defined once: give the new one a name, `let y2 = y - ...`"},
      {"*=", "=", "a value is defined once: give the new one a name, `let y2 = y * ...`"},
      {"/=", "=", "a value is defined once: give the new one a name, `let y2 = y / ...`"},
      {"<>", "!=", "write `!=`"},
      {"@", "*", "a product of matrices says its indices: `let y[i, j] = sum(k: a[i, k] * b[k, j])`"},
      {"!", "not", "write `not`"},
      {"&", "and", "write `and`"},
      {"|", "or", "write `or`"},
      {"?", "", "a choice is written `where(condition, a, b)`"},
      {"'", "", "a text stands in double quotes: \"...\""},
      {"$", "", ""},
  };
  for (const ForeignSign &sign : signs)
    if (text.substr(0, std::string_view(sign.sign).size()) == sign.sign)
      return *sign.help ? &sign : nullptr;
  return nullptr;
}

namespace {
struct Hint {
  const char *names; // separated and enclosed by blanks
  const char *help;
};

template <size_t count> std::string find(const Hint (&hints)[count], const std::string &name) {
  for (const Hint &hint : hints)
    if (std::string_view(hint.names).find(" " + name + " ") != std::string_view::npos)
      return hint.help;
  return "";
}
} // namespace

std::string helpForStatement(const std::string &word) {
  static const Hint hints[] = {
      {" if elif else switch match ", "a choice is a value: `where(condition, a, b)`"},
      {" for while loop ",
       "what holds for every index is `let y[i] = ...`, a sum is `sum(i: ...)`, and the same "
       "layer several times is `repeat layers[3] { ... }`"},
      {" return ", "a body's value is its last line, without a word before it"},
      {" import from include require ",
       "another file is read with `use \"layers.gpt\"`; the library is always there"},
      {" var const val auto float int Tensor ", "a value is defined with `let y = ...`"},
      {" print show echo ", "what is printed is declared: `output y`"},
      {" class module model layer network struct ", "a layer is a `block Name(settings) (inputs) { ... }`"},
      {" fn func function lambda ", "a function is a `def f(x) = ...`"},
      {" weight weights parameter params bias ", "parameters are declared with `param w[4] ~ normal(0.1)`"},
      {" input inputs data dataset ", "data are declared with `text`, `rows` or `pairs`"},
      {" criterion objective minimize ", "what is made small is the `loss ...`"},
      {" optimizer ", "it stands in `train { optimizer: adamw(lr: 1e-3) }`"},
      {" assert ", "sizes are checked by themselves; other conditions cannot be stated"},
  };
  return find(hints, word);
}

std::string helpForFunction(const std::string &name) {
  static const Hint hints[] = {
      {" matmul mm bmm dot einsum tensordot linear ",
       "a product says its indices: `let y[i, j] = sum(k: a[i, k] * b[k, j])`"},
      {" transpose permute swapaxes t T movedim ",
       "another order of indices is another let: `let t[j, i] = w[i, j]`"},
      {" reshape view flatten rearrange squeeze unsqueeze expand repeat_interleave tile ",
       "indices are merged and split by groups: `let flat[(i j)] = w[i, j]`"},
      {" cat stack concatenate hstack vstack ",
       "`concat(a, b)` joins two vectors; `where(i < 4, a[i], b[i - 4])` "
       "any others"},
      {" zeros ones full empty eye zeros_like ones_like ",
       "a constant is an expression of indices: `let z[i: 4] = 0`"},
      {" arange range linspace enumerate iota ", "an index is a number: `let ramp[i: 4] = float(i)`"},
      {" len size shape numel ", "a dimension's name is its size: in `rows x[n: 4]` it is `n`"},
      {" pow power square ", "a power is written `x ^ 2`"},
      {" maximum minimum clamp clip ", "write `max(a, b)` and `min(a, b)`"},
      {" argmin ", "write `argmax(i: -x[i])`"},
      {" prod cumsum cumprod ",
       "a product is `exp(sum(i: log(x[i])))`, a running sum `sum(j where j <= i: x[j])`"},
      {" sigmoid_ relu_ ReLU Relu Sigmoid Tanh GELU SiLU Softmax Exp ",
       "functions are written small, without parentheses of their own: `relu(x)`, `softmax(i: x[i])`"},
      {" Dropout ", "write `dropout(x, 0.1)`"},
      {" Embedding ", "an embedding is a parameter: `param e[vocabulary, 64] ~ normal(0.02)`, used as "
                      "`let x[t, c] = e[token[t], c]`"},
      {" Sequential ", "blocks are applied to each other: `let y = Linear(2)(relu(Linear(8)(x)))`"},
      {" CrossEntropyLoss cross_entropy_loss NLLLoss ", "write `cross_entropy(logits[t], next(token)[t])`"},
      {" mse mse_loss MSELoss ", "write `mean(i: (x[i] - y[i])^2)`"},
      {" one_hot_ onehot OneHot ", "write `one_hot(y)`, or use the class as an index: `w[y]`"},
      {" Conv1d Conv2d conv conv1d conv2d ", "a convolution is a sum over shifted indices: "
                                             "`let y[t] = sum(k: w[k] * x[t + k - 1])`"},
      {" Adam adam AdamW SGD RMSprop ", "the optimizer stands in `train { optimizer: adamw(lr: 1e-3) }`"},
      {" if_else ifelse cond select ", "a choice is written `where(condition, a, b)`"},
      {" mask masked_fill tril triu ", "a mask is a condition of indices: `where(s <= t, x[t, s], -inf)`"},
      {" log10 log2 ", "write `log(x) / log(10)`"},
      {" floor trunc round ceil ", "`int(x)` drops what is behind the point"},
      {" detach no_grad ", "write `stop_gradient(x)`"},
      {" rand randn ", "write `random[i]`, a number from 0 to below 1 for each i; parameters start as "
                       "`param w[4] ~ normal(1)`"},
  };
  return find(hints, name);
}

std::string helpForMember(const std::string &name) {
  std::string help = helpForFunction(name);
  if (!help.empty())
    return help;
  static const Hint hints[] = {
      {" sum mean max min ", "write `sum(i: x[i])`: it says over which index"},
      {" softmax log_softmax argmax ", "write `softmax(i: x[i])`: it says over which index"},
      {" mT ", "another order of indices is another let: `let t[j, i] = w[i, j]`"},
      {" relu exp log sqrt tanh abs sigmoid sin cos ", "functions stand before their argument: `relu(x)`"},
      {" float int long to type half double ", "write `float(x)` and `int(x)`"},
      {" weight bias data grad ",
       "give a parameter out as the block's value, or declare it outside of the block"},
  };
  return find(hints, name);
}

std::string helpForName(const std::string &name) {
  static const Hint hints[] = {
      {" True False ", "truth values are `true` and `false`"},
      {" None null nil nan NaN ",
       "there is no such value; what is left out is said with `where(condition, x, 0)`"},
      {" torch np numpy nn F tf jnp jax math self ",
       "functions are used by their own name: `exp(x)`, `Linear(4)(x)`"},
      {" lambda ", "a function is a `def f(x) = ...`"},
      {" e ", "write `exp(1)`"},
  };
  if (namesTheBatch(name))
    return "a model is written for one example: it has no index and no size of the batch, and the loss is "
           "averaged "
           "over it by itself";
  return find(hints, name);
}

bool namesTheBatch(const std::string &name) {
  static const char *const names[] = {"b", "B", "n", "N", "batch", "batch_size", "example", "examples", "bs"};
  return std::any_of(std::begin(names), std::end(names), [&](const char *one) { return name == one; });
}

} // namespace gptc
