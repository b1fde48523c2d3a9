// The safetensors format: reader of hostile files, writer of whole ones.
#pragma once

#include "runtime/files.h"
#include "runtime/program.h"

#include "llvm/ADT/StringMap.h"

#include <map>
#include <optional>

namespace gptc::runtime {

/// Element types that a file may have. The first four are ours (DType). Other: one that
/// we do not know, of elements of any size; such a tensor can only be left unread.
enum class StoredType { F32, F64, I32, Bool, F16, BF16, F8, F8E5, C64, I64, U64, U32, I16, U16, I8, U8, Other };
size_t sizeOf(StoredType type);
llvm::StringRef nameOf(StoredType type);
StoredType storedType(DType type);

struct StoredTensor {
  StoredType type = StoredType::F32;
  std::string typeName; // as the file says it
  std::vector<int64_t> shape;
  llvm::StringRef bytes; // in the file's memory, any alignment
  int64_t elements() const;
};

/// A file whose structure has been checked: header length, JSON, types, sizes
/// against shapes, offsets without gap or overlap, length of the file.
class SafeTensors {
public:
  static llvm::Expected<SafeTensors> open(llvm::StringRef path);
  /// Parses bytes that outlive the result. `source` names them in errors.
  static llvm::Expected<SafeTensors> parse(llvm::StringRef bytes, llvm::StringRef source);

  const std::map<std::string, StoredTensor> &tensors() const { return entries; }
  const std::map<std::string, std::string> &metadata() const { return strings; }
  const StoredTensor *find(llvm::StringRef name) const;
  const std::string &source() const { return name; }
  /// Compares the bytes with the checksum in the metadata, where there is one.
  llvm::Error verify() const;

private:
  std::string name;
  std::unique_ptr<llvm::MemoryBuffer> buffer;
  llvm::StringRef data;
  std::map<std::string, StoredTensor> entries;
  std::map<std::string, std::string> strings;
};

/// A tensor to write; `data` is row-major without gaps.
struct TensorView {
  std::string name;
  StoredType type = StoredType::F32;
  std::vector<int64_t> shape;
  const char *data = nullptr;
  size_t bytes() const;
};

/// Writes the file as a whole or not at all (AtomicFile), with a checksum of
/// the data in its metadata, and `format`, which other libraries ask for. Names must differ.
llvm::Error writeSafeTensors(llvm::StringRef path, llvm::ArrayRef<TensorView> tensors,
                             const std::map<std::string, std::string> &metadata = {});

/// Copies a stored tensor to memory of `count` elements of `type`, converting
/// between float types. The caller has compared the shapes.
llvm::Error copyTensor(const StoredTensor &from, DType type, char *to, int64_t count);

/// The first number that is not finite as `type`, with its place: "nan at [2, 0]", or
/// "1e+300 at [], more than F32 can hold". Nothing where all are, and for integers.
std::optional<std::string> notFinite(const StoredTensor &from, DType type);

} // namespace gptc::runtime
