#include "runtime/program.h"

#include <algorithm>

namespace gptc::runtime {

size_t sizeOf(DType type) {
  switch (type) {
  case DType::F32:
  case DType::I32: return 4;
  case DType::F64: return 8;
  case DType::Bool: return 1;
  }
  return 0;
}

const char *nameOf(DType type) {
  switch (type) {
  case DType::F32: return "F32";
  case DType::F64: return "F64";
  case DType::I32: return "I32";
  case DType::Bool: return "BOOL";
  }
  return "?";
}

int64_t TensorInfo::elements() const {
  int64_t product = 1;
  for (int64_t size : shape)
    product *= size;
  return product;
}

std::optional<int64_t> TensorInfo::bytes() const {
  constexpr int64_t most = int64_t(1) << 46;
  int64_t product = int64_t(sizeOf(type));
  bool empty = false;
  for (int64_t size : shape) {
    empty |= size == 0;
    // A size of 0 hides no overflow of the others, which strides are made of.
    if (size < 0 || __builtin_mul_overflow(product, std::max<int64_t>(size, 1), &product) || product > most)
      return std::nullopt;
  }
  return empty ? 0 : product;
}

std::vector<int64_t> TensorInfo::strides(const std::function<int64_t(const std::string &)> &extent) const {
  auto isDynamic = [&](size_t d) { return d < extents.size() && !extents[d].empty(); };
  size_t dense = 0; // dimensions before the first with an extent
  int64_t room = most ? most : elements();
  while (dense < shape.size() && !isDynamic(dense))
    room /= std::max<int64_t>(shape[dense++], 1);
  std::vector<int64_t> strides(shape.size());
  int64_t stride = 1;
  for (size_t d = shape.size(); d-- > 0;) {
    if (d + 1 == dense)
      stride = room;
    strides[d] = stride;
    stride *= isDynamic(d) ? extent(extents[d]) : shape[d];
  }
  return strides;
}

} // namespace gptc::runtime
