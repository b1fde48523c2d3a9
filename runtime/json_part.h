// A JSON file read by parts, whose errors say where in the file.
#pragma once

#include "runtime/error.h"

#include "llvm/Support/JSON.h"

#include <memory>
#include <optional>

namespace gptc::runtime {

/// An object of a JSON file, or what stands in for one that is not there. The first problem of all parts
/// of a file is kept; reading goes on with what a field is when it is absent. Null is absent, too.
class JsonPart {
public:
  /// The file's outermost object; `source` is the file's name.
  static JsonPart root(const llvm::json::Object &object, llvm::StringRef source);

  bool flag(llvm::StringRef name, bool absent);
  std::optional<int64_t> integer(llvm::StringRef name);
  /// A string; an error where it is absent and `needed`.
  llvm::StringRef text(llvm::StringRef name, bool needed = true);
  /// What the field holds; null where it is absent.
  const llvm::json::Value *value(llvm::StringRef name);
  bool has(llvm::StringRef name) { return value(name) != nullptr; }
  /// An object within; an error where the field holds none.
  JsonPart part(llvm::StringRef name);
  /// The elements of a list of objects; an error where it is absent or holds something else.
  std::vector<JsonPart> parts(llvm::StringRef name);
  /// The elements of a list; an error where it is absent.
  llvm::ArrayRef<llvm::json::Value> list(llvm::StringRef name);
  /// The object itself; null where there is none.
  const llvm::json::Object *fields() const { return object; }
  /// The names of its fields.
  std::vector<llvm::StringRef> names() const;

  /// Fields that nobody asked for are a problem.
  void done();
  /// "pre_tokenizer.pretokenizers[1].NAME", and without a name the part itself.
  std::string place(llvm::StringRef name = "") const;
  /// What a field holds, as JSON, shortened.
  std::string shown(llvm::StringRef name) const;

  /// A problem with a field: "FILE: PLACE: MESSAGE".
  template <typename... Args>
  void wrong(llvm::StringRef name, fmt::format_string<Args...> format, Args &&...args) {
    note(name, fmt::format(format, std::forward<Args>(args)...));
  }
  bool failed() const;
  /// The first problem of the file; success where there is none.
  llvm::Error takeError() const;

private:
  struct File {
    std::string source, problem;
  };
  JsonPart(std::shared_ptr<File> file, const llvm::json::Object *object, std::string path)
      : file(std::move(file)), object(object), path(std::move(path)) {}
  void note(llvm::StringRef name, const std::string &message);

  std::shared_ptr<File> file;
  const llvm::json::Object *object; // null: not there
  std::string path;
  std::vector<llvm::StringRef> asked;
};

} // namespace gptc::runtime
