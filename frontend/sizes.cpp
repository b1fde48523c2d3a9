// Values and sums that are too large to be computed with.
#include "frontend/elaborate.h"

#include "ir/gpt/most.h"

#include <fmt/format.h>

namespace gptc::typed {

int64_t times(int64_t x, int64_t y) { return gpt::boundedProduct(x, y); }

int64_t points(const std::vector<Var *> &vars) {
  int64_t product = 1;
  for (const Var *var : vars)
    product = times(product, var->range ? var->range->size : 1);
  return product;
}

/// "65536 x 65536"
static std::string sizesText(const std::vector<Var *> &vars) {
  std::string text;
  for (const Var *var : vars)
    text += fmt::format("{}{}", text.empty() ? "" : " x ", var->range ? var->range->size : 1);
  return text.empty() ? "1" : text;
}

/// Where the program trains, values are made for a whole batch, and a repeat keeps one for each of its copies.
void Elaborator::checkSizes() {
  auto batch = result->train.find("batch");
  bool isNumber = batch != result->train.end() && batch->second.kind == ConfigValue::Number;
  int64_t examples = result->loss && isNumber ? int64_t(batch->second.number) : 1;
  for (const Tensor &tensor : graph->allTensors()) {
    int64_t copies = 1;
    for (int64_t count : tensor.copyCounts)
      copies = times(copies, count);
    for (const Region *region = result->loss ? tensor.region : nullptr; region; region = region->parent)
      copies = times(copies, region->count);
    int64_t each = tensor.usesData || tensor.kind == Tensor::Input ? examples : 1;
    int64_t elements = times(points(tensor.dims), times(copies, each));
    if (elements <= gpt::mostElements || !tensor.span.valid())
      continue;
    std::string many = copies > 1 ? fmt::format(" in each of {} copies", copies) : "";
    if (each > 1)
      many += fmt::format("{} for each of {} examples", many.empty() ? "" : " and", each);
    error(tensor.span, fmt::format("{} has {} elements{}, more than the {} that a value may have",
                                   tensor.name.empty() ? "this value" : "'" + tensor.name + "'",
                                   sizesText(tensor.dims), many, gpt::mostElements))
        .help = "smaller sizes are needed; memory has room for far less";
    return; // what is made of it is as large
  }
  for (const Node &node : graph->allNodes())
    if (node.op == Op::Reduce &&
        times(times(points(node.free), points(node.bound)), examples) > gpt::mostElements * 4096) {
      error(node.span, fmt::format("this takes {} terms for each of {} values, more than can be computed",
                                   sizesText(node.bound), sizesText(node.free)))
          .help = "smaller sizes are needed";
      return;
    }
}

} // namespace gptc::typed
