#include "runtime/program.h"

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

} // namespace gptc::runtime
