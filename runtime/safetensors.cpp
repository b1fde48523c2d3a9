#include "runtime/safetensors.h"
#include "runtime/doing.h"
#include "runtime/utf8.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/xxhash.h"

#include <algorithm>
#include <cmath>
#include <cstring>

using llvm::Error;
using llvm::Expected;
using llvm::StringRef;

namespace gptc::runtime {

static constexpr uint64_t largestHeader = 100000000; // as the format's own library
static constexpr size_t mostDimensions = 32;
static constexpr llvm::StringLiteral checksumKey = "xxh3";

struct TypeEntry {
  StoredType type;
  llvm::StringLiteral name;
  size_t size;
};
static constexpr TypeEntry types[] = {
    {StoredType::F32, "F32", 4},    {StoredType::F64, "F64", 8}, {StoredType::I32, "I32", 4},
    {StoredType::Bool, "BOOL", 1},  {StoredType::F16, "F16", 2}, {StoredType::BF16, "BF16", 2},
    {StoredType::F8, "F8_E4M3", 1}, {StoredType::I64, "I64", 8}, {StoredType::U64, "U64", 8},
    {StoredType::F8E5, "F8_E5M2", 1}, {StoredType::C64, "C64", 8},
    {StoredType::U32, "U32", 4},    {StoredType::I16, "I16", 2}, {StoredType::U16, "U16", 2},
    {StoredType::I8, "I8", 1},      {StoredType::U8, "U8", 1},   {StoredType::Other, "unknown", 1},
};

static const TypeEntry &entryOf(StoredType type) {
  return *llvm::find_if(types, [&](const TypeEntry &entry) { return entry.type == type; });
}
size_t sizeOf(StoredType type) {
  return entryOf(type).size;
}
StringRef nameOf(StoredType type) {
  return entryOf(type).name;
}

StoredType storedType(DType type) {
  switch (type) {
  case DType::F32: return StoredType::F32;
  case DType::F64: return StoredType::F64;
  case DType::I32: return StoredType::I32;
  case DType::Bool: return StoredType::Bool;
  }
  return StoredType::U8;
}

static int64_t productOf(const std::vector<int64_t> &shape) {
  int64_t product = 1;
  for (int64_t size : shape)
    product *= size;
  return product;
}
int64_t StoredTensor::elements() const {
  return productOf(shape);
}
size_t TensorView::bytes() const {
  return size_t(productOf(shape)) * sizeOf(type);
}

// One checksum over the tensors' own ones, in the order of their names.
static std::string checksumOf(const std::map<StringRef, StringRef> &bytes) {
  std::string sums;
  for (auto &[name, data] : bytes)
    sums += fmt::format("{}={:016x};", name, llvm::xxh3_64bits(data));
  return fmt::format("{:016x}", llvm::xxh3_64bits(sums));
}

namespace {
struct Range {
  uint64_t begin, end;
  const std::string *name;
};
} // namespace

static Expected<StoredTensor> parseEntry(const llvm::json::Value &value, StringRef where, Range &range) {
  const llvm::json::Object *entry = value.getAsObject();
  if (!entry)
    return failure("{}: its description is not an object", where);
  std::optional<StringRef> typeName = entry->getString("dtype");
  const llvm::json::Array *shape = entry->getArray("shape");
  const llvm::json::Array *offsets = entry->getArray("data_offsets");
  if (!typeName || !shape || !offsets)
    return failure("{}: its description needs dtype, shape and data_offsets", where);
  StoredTensor tensor;
  // A type that we do not know matters only where the tensor is asked for.
  const auto *type = llvm::find_if(types, [&](const TypeEntry &known) { return known.name == *typeName; });
  bool known = type != std::end(types) && type->type != StoredType::Other;
  tensor.type = known ? type->type : StoredType::Other;
  tensor.typeName = shown(*typeName);

  if (shape->size() > mostDimensions)
    return failure("{}: {} dimensions, at most {} are allowed", where, shape->size(), mostDimensions);
  uint64_t bytes = sizeOf(tensor.type);
  for (const llvm::json::Value &dimension : *shape) {
    std::optional<int64_t> size = dimension.getAsInteger();
    if (!size || *size < 0)
      return failure("{}: its shape has an entry that is no size", where);
    if (__builtin_mul_overflow(bytes, uint64_t(*size), &bytes))
      return failure("{}: the product of its shape overflows", where);
    tensor.shape.push_back(*size);
  }
  // A size of 0 hides a product of the other sizes that overflows later.
  if (bytes == 0) {
    int64_t product = 1;
    for (int64_t size : tensor.shape)
      if (size && __builtin_mul_overflow(product, size, &product))
        return failure("{}: the product of its shape overflows", where);
  }

  if (offsets->size() != 2)
    return failure("{}: data_offsets needs 2 numbers, not {}", where, offsets->size());
  std::optional<uint64_t> begin = (*offsets)[0].getAsUINT64(), end = (*offsets)[1].getAsUINT64();
  if (!begin || !end || *begin > *end)
    return failure("{}: its data_offsets are no range", where);
  if (known && *end - *begin != bytes)
    return failure("{}: {} bytes between its offsets, its shape and dtype need {}", where, *end - *begin,
                   bytes);
  range.begin = *begin;
  range.end = *end;
  return tensor;
}

Expected<SafeTensors> SafeTensors::parse(StringRef bytes, StringRef source) {
  SafeTensors file;
  file.name = source.str();
  if (bytes.size() < 8)
    return failure("{}: not a safetensors file: {} bytes long, the header alone needs 8", source,
                   bytes.size());
  uint64_t headerLength = llvm::support::endian::read64le(bytes.data());
  if (headerLength > bytes.size() - 8)
    return failure("{}: truncated or not a safetensors file: the header says {} bytes, {} follow", source,
                   headerLength, bytes.size() - 8);
  if (headerLength > largestHeader)
    return failure("{}: a header of {} bytes, at most {} are allowed", source, headerLength, largestHeader);
  StringRef header = bytes.substr(8, headerLength);
  if (!header.starts_with("{"))
    return failure("{}: not a safetensors file: the header is no JSON object", source);
  Expected<llvm::json::Object> object = parseJsonObject(header, fmt::format("{}: header", source));
  if (!object)
    return object.takeError();
  file.data = bytes.substr(8 + headerLength);

  std::vector<Range> ranges;
  for (auto &[key, value] : *object) {
    StringRef name = key;
    if (name == "__metadata__") {
      const llvm::json::Object *strings = value.getAsObject();
      if (!strings)
        return failure("{}: __metadata__ is not an object", source);
      for (auto &[name, text] : *strings) {
        std::optional<StringRef> string = text.getAsString();
        if (!string)
          return failure("{}: __metadata__ entry '{}' is not a string", source, shown(name));
        file.strings[StringRef(name).str()] = string->str();
      }
      continue;
    }
    Range range;
    Expected<StoredTensor> tensor = parseEntry(value, fmt::format("{}: tensor '{}'", source, shown(name)), range);
    if (!tensor)
      return tensor.takeError();
    if (range.end > file.data.size())
      return failure("{}: truncated: tensor '{}' ends at byte {} of the data, which has {}", source, shown(name),
                     range.end, file.data.size());
    tensor->bytes = file.data.slice(range.begin, range.end);
    auto inserted = file.entries.emplace(name.str(), std::move(*tensor)).first;
    range.name = &inserted->first;
    ranges.push_back(range);
  }

  std::sort(ranges.begin(), ranges.end(), [](const Range &a, const Range &b) {
    return a.begin != b.begin ? a.begin < b.begin : a.end < b.end;
  });
  uint64_t at = 0;
  const std::string *before = nullptr;
  for (const Range &range : ranges) {
    if (range.begin < at)
      return failure("{}: tensors '{}' and '{}' overlap", source, shown(*before), shown(*range.name));
    if (range.begin > at)
      return failure("{}: {} bytes before tensor '{}' belong to no tensor", source, range.begin - at,
                     shown(*range.name));
    at = range.end;
    before = range.name;
  }
  if (at != file.data.size())
    return failure("{}: {} bytes at its end belong to no tensor", source, file.data.size() - at);
  return file;
}

Expected<SafeTensors> SafeTensors::open(StringRef path) {
  Doing doing(fmt::format("reading {}", path));
  auto buffer = readFile(path);
  if (!buffer)
    return buffer.takeError();
  Expected<SafeTensors> file = parse((*buffer)->getBuffer(), path);
  if (file)
    file->buffer = std::move(*buffer);
  return file;
}

const StoredTensor *SafeTensors::find(StringRef name) const {
  auto found = entries.find(name.str());
  return found == entries.end() ? nullptr : &found->second;
}

Error SafeTensors::verify() const {
  auto stored = strings.find(checksumKey.str());
  if (stored == strings.end())
    return Error::success();
  std::map<StringRef, StringRef> bytes;
  for (auto &[name, tensor] : entries)
    bytes[name] = tensor.bytes;
  if (checksumOf(bytes) != stored->second)
    return failure("{}: damaged: the data does not match its checksum", name);
  return Error::success();
}

Error writeSafeTensors(StringRef path, llvm::ArrayRef<TensorView> tensors,
                       const std::map<std::string, std::string> &metadata) {
  llvm::json::Object header, strings;
  std::map<StringRef, StringRef> bytes;
  uint64_t at = 0;
  for (const TensorView &tensor : tensors) {
    llvm::json::Object entry;
    entry["dtype"] = nameOf(tensor.type);
    entry["shape"] = llvm::json::Array(tensor.shape);
    entry["data_offsets"] = llvm::json::Array{at, at + tensor.bytes()};
    if (tensor.name == "__metadata__" || !header.try_emplace(tensor.name, std::move(entry)).second)
      return failure("cannot write '{}': two tensors are called '{}'", path, tensor.name);
    bytes[tensor.name] = StringRef(tensor.data, tensor.bytes());
    at += tensor.bytes();
  }
  for (auto &[key, value] : metadata)
    strings[key] = value;
  strings.try_emplace("format", "pt"); // the layout of tensors is that of PyTorch: row-major
  strings[checksumKey] = checksumOf(bytes);
  header["__metadata__"] = std::move(strings);

  std::string text;
  llvm::raw_string_ostream(text) << llvm::json::Value(std::move(header));
  text.resize((text.size() + 7) / 8 * 8, ' '); // aligns the data
  char length[8];
  llvm::support::endian::write64le(length, text.size());

  Expected<AtomicFile> file = AtomicFile::create(path);
  if (!file)
    return file.takeError();
  if (Error error = file->write(length, sizeof(length)))
    return error;
  if (Error error = file->write(text.data(), text.size()))
    return error;
  for (const TensorView &tensor : tensors)
    if (Error error = file->write(tensor.data, tensor.bytes()))
      return error;
  return file->commit();
}

static float halfToFloat(uint16_t bits) {
  uint32_t sign = uint32_t(bits & 0x8000) << 16, exponent = bits >> 10 & 31, mantissa = bits & 1023;
  uint32_t result;
  if (exponent == 31) {
    result = sign | 0x7f800000 | mantissa << 13;
  } else if (exponent) {
    result = sign | (exponent + 112) << 23 | mantissa << 13;
  } else {
    float value = float(mantissa) * 0x1p-24f;
    return sign ? -value : value;
  }
  float value;
  std::memcpy(&value, &result, 4);
  return value;
}

static double readFloat(const char *from, StoredType type) {
  if (type == StoredType::F64) {
    double value;
    std::memcpy(&value, from, 8);
    return value;
  }
  uint16_t half;
  float value;
  if (type == StoredType::F32) {
    std::memcpy(&value, from, 4);
    return value;
  }
  std::memcpy(&half, from, 2);
  if (type == StoredType::F16)
    return halfToFloat(half);
  uint32_t bits = uint32_t(half) << 16;
  std::memcpy(&value, &bits, 4);
  return value;
}

static bool isFloat(StoredType type) {
  return type == StoredType::F32 || type == StoredType::F64 || type == StoredType::F16 ||
         type == StoredType::BF16;
}

std::optional<std::string> notFinite(const StoredTensor &from, DType type) {
  if (!isFloat(from.type) || (type != DType::F32 && type != DType::F64))
    return std::nullopt;
  size_t stride = sizeOf(from.type);
  for (int64_t i = 0, n = from.elements(); i < n; ++i) {
    double value = readFloat(from.bytes.data() + size_t(i) * stride, from.type);
    if (std::isfinite(type == DType::F32 ? float(value) : value))
      continue;
    std::vector<int64_t> place(from.shape.size());
    int64_t rest = i;
    for (size_t d = place.size(); d-- > 0; rest /= from.shape[d])
      place[d] = rest % from.shape[d];
    return fmt::format("{} at [{}]{}", std::isnan(value) ? std::fabs(value) : value,
                       fmt::join(place.begin(), place.end(), ", "),
                       std::isfinite(value) ? fmt::format(", more than {} can hold", nameOf(type)) : "");
  }
  return std::nullopt;
}

Error copyTensor(const StoredTensor &from, DType type, char *to, int64_t count) {
  if (from.elements() != count)
    return failure("{} elements where {} are expected", from.elements(), count);
  if (from.type == storedType(type)) {
    if (!from.bytes.empty())
      std::memcpy(to, from.bytes.data(), from.bytes.size());
    return Error::success();
  }
  if (!isFloat(from.type) || !isFloat(storedType(type)))
    return failure("its dtype is {} where {} is expected", from.typeName, nameOf(type));
  size_t stride = sizeOf(from.type);
  for (int64_t i = 0; i < count; ++i) {
    double value = readFloat(from.bytes.data() + size_t(i) * stride, from.type);
    if (type == DType::F64) {
      std::memcpy(to + i * 8, &value, 8);
    } else {
      float narrow = float(value);
      std::memcpy(to + i * 4, &narrow, 4);
    }
  }
  return Error::success();
}

} // namespace gptc::runtime
