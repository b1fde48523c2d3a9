// Derivatives: the tape backwards.
#include "differential/numbers.h"
#include "differential/oracle.h"

#include <cmath>

using namespace gptc;
using namespace gptc::differential;
using typed::Tensor;

std::map<std::string, Array> Oracle::gradients(Tensor *loss) {
  const Number *result = numbers(loss, frameOf(-1));
  // Beside each cotangent the sum of the sizes of all its terms, on all ways from the loss: what rounding
  // leaves where they cancel. Disturbed runs add it, as equal terms are disturbed alike and cancel there,
  // too.
  std::vector<double> cotangents(tape.size(), 0.0), sizes(tape.size(), 0.0);
  if (result->place >= 0)
    cotangents[size_t(result->place)] = sizes[size_t(result->place)] = 1;
  auto give = [&](int32_t to, double cotangent, double factor) {
    if (to < 0)
      return;
    double &sum = cotangents[size_t(to)];
    double term = disturbed(cotangent * factor, keyOf(100, cotangent, factor));
    sum = sum == 0 ? term : summed(sum, term, keyOf(101, sum, term));
  };
  const bool disturbs = rounding.unit != 0;
  auto giveSize = [&](int32_t to, double size, double factor) {
    if (to >= 0 && (size != 0 || !std::isfinite(factor)))
      sizes[size_t(to)] += size * std::fabs(factor); // NaN for a singular derivative times nothing
  };
  for (size_t i = tape.size(); i-- > 0;) {
    double cotangent = cotangents[i];
    if (disturbs) {
      giveSize(tape[i].a, sizes[i], tape[i].da);
      giveSize(tape[i].b, sizes[i], tape[i].db);
    }
    if (cotangent ==
        0) // and a singular derivative times nothing is nothing, or, with other rounding, anything
      continue;
    give(tape[i].a, cotangent, tape[i].da);
    give(tape[i].b, cotangent, tape[i].db);
  }
  auto atPlace = [&](size_t place) {
    double rest = rounding.unit * sizes[place]; // NaN where something is singular
    double share =
        2 * (double(scramble(place ^ scramble(rounding.seed + 77)) >> 11) / 9007199254740992.0) - 1;
    return disturbs ? cotangents[place] + rest * share : cotangents[place];
  };
  std::map<std::string, Array> gradients;
  for (auto &[path, param] : params) {
    Array &gradient = gradients[path];
    gradient.shape = param.second;
    for (const Number &number : param.first)
      gradient.data.push_back(atPlace(size_t(number.place)));
  }
  return gradients;
}
