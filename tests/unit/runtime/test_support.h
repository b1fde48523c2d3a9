// What the runtime's tests share.
#pragma once

#include "runtime/error.h"

#include "gtest/gtest.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"

#include <fstream>
#include <string>

/// A directory that is removed with the test.
class TemporaryDirectory {
public:
  TemporaryDirectory() {
    llvm::SmallString<128> name;
    if (!llvm::sys::fs::createUniqueDirectory("gptc-test", name))
      path = name.str().str();
  }
  ~TemporaryDirectory() { llvm::sys::fs::remove_directories(path); }
  std::string file(const std::string &name) const { return path + "/" + name; }
  std::string path;
};

inline std::string readAll(const std::string &path) {
  auto buffer = llvm::MemoryBuffer::getFile(path, false, false);
  return buffer ? (*buffer)->getBuffer().str() : "<missing>";
}

inline void writeAll(const std::string &path, const std::string &text) {
  std::ofstream(path, std::ios::binary) << text;
}

/// The message of an error, "" for success.
inline std::string messageOf(llvm::Error error) {
  return llvm::toString(std::move(error));
}
template <typename T> std::string messageOf(llvm::Expected<T> value) {
  return value ? std::string() : llvm::toString(value.takeError());
}

/// The value, or a failed test and an end of the process.
template <typename T> T valueOf(llvm::Expected<T> value) {
  if (!value) {
    ADD_FAILURE() << llvm::toString(value.takeError());
    std::abort();
  }
  return std::move(*value);
}

#define EXPECT_CONTAINS(text, part)                                                                          \
  EXPECT_NE(std::string(text).find(part), std::string::npos) << "in: " << (text)
