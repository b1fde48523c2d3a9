// Which data a run was trained on.
#pragma once

#include "runtime/error.h"

#include "llvm/Support/JSON.h"

#include <string>
#include <vector>

namespace gptc::runtime {

/// What tells a file of data from another one.
struct DataIdentity {
  std::string file;
  int64_t bytes = 0;
  int64_t modified = 0; // nanoseconds since 1970
  std::string hash;     // of all bytes; "" where it is no regular file, which can be read but once

  /// Reads the file in blocks. An error where it changes meanwhile.
  static llvm::Expected<DataIdentity> of(llvm::StringRef file);
  /// An error where the file is not any more what it was then. Looks at size and time only.
  llvm::Error checkUnchanged() const;

  llvm::json::Object toJson() const;
  static std::optional<DataIdentity> fromJson(const llvm::json::Value &value);
};

/// How `now` differs from what the run was trained on, a sentence for each file; "" where the contents are the same.
/// Names and times may differ. `what`: "--data" or "--val".
std::string differences(llvm::ArrayRef<DataIdentity> then, llvm::ArrayRef<DataIdentity> now, llvm::StringRef what);

} // namespace gptc::runtime
