// gptc library: the standard library's files, to read and to copy.
#include "compiler/commands/commands.h"
#include "compiler/session.h"

#include "frontend/library.h"

#include "llvm/Support/raw_ostream.h"

using namespace gptc;

int gptc::libraryCommand(llvm::ArrayRef<const char *> words) {
  std::string name;
  Arguments arguments(
      "library [FILE]",
      "Prints a file of the standard library; without FILE, their names. A copy beside a model,\n"
      "named by `use \"FILE\"`, is used instead: `gptc library blocks.gpt > blocks.gpt`.");
  arguments.positional("FILE", "one of the library's files", name, false);
  arguments.example("library blocks.gpt > blocks.gpt");
  if (std::optional<int> code = arguments.parse(words))
    return *code;
  std::vector<std::string> names;
  for (const LibraryFile *file = libraryBegin(); file != libraryEnd(); ++file) {
    if (name.empty())
      llvm::outs() << file->name << "\n";
    if (name == file->name) {
      llvm::outs() << file->text;
      return Success;
    }
    names.push_back(std::string(file->name));
  }
  if (name.empty())
    return Success;
  std::string list;
  for (const std::string &one : names)
    list += (list.empty() ? "" : ", ") + one;
  reportError("the library has no file " + llvm::Twine(name) + "; it has " + list);
  return Failure;
}
