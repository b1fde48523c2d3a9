#include "compiler/payload.h"
#include "compiler/arguments.h"
#include "compiler/commands/commands.h"
#include "runtime/files.h"

#include "llvm/Support/Endian.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"

using namespace gptc;

// The end of the file: JSON, its length in 8 bytes, these 16 bytes.
static constexpr llvm::StringLiteral magic = "gptc payload 1\n\0";
static constexpr const char *self = "/proc/self/exe";

/// The last bytes of this executable from `offset` before its end.
static llvm::Expected<std::unique_ptr<llvm::MemoryBuffer>> tail(uint64_t length) {
  uint64_t size;
  if (std::error_code code = llvm::sys::fs::file_size(self, size))
    return runtime::failure("cannot read this executable: {}", code.message());
  if (size < length)
    return runtime::failure("this executable is cut short");
  auto buffer = llvm::MemoryBuffer::getFileSlice(self, length, size - length);
  if (!buffer)
    return runtime::failure("cannot read this executable: {}", buffer.getError().message());
  return std::move(*buffer);
}

/// How many bytes the payload takes with its trailer; 0 where there is none.
static uint64_t payloadBytes() {
  static const uint64_t bytes = []() -> uint64_t {
    auto trailer = tail(magic.size() + 8);
    if (!trailer) {
      llvm::consumeError(trailer.takeError());
      return 0;
    }
    llvm::StringRef text = (*trailer)->getBuffer();
    if (text.drop_front(8) != magic)
      return 0;
    return llvm::support::endian::read64le(text.data()) + magic.size() + 8;
  }();
  return bytes;
}

static llvm::Expected<Payload> readPayload() {
  auto bytes = tail(payloadBytes());
  if (!bytes)
    return bytes.takeError();
  auto object = runtime::parseJsonObject((*bytes)->getBuffer().drop_back(magic.size() + 8), "this executable");
  if (!object)
    return object.takeError();
  Payload payload;
  payload.file = object->getString("file").value_or("model.gpt").str();
  payload.source = object->getString("source").value_or("").str();
  payload.dtype = object->getString("dtype").value_or("f32").str();
  payload.module = object->getString("module").value_or("").str();
  if (const llvm::json::Object *facts = object->getObject("facts"))
    payload.facts = *facts;
  if (const llvm::json::Object *settings = object->getObject("settings"))
    for (const auto &[name, value] : *settings)
      payload.overrides[name.str()] = value.getAsString().value_or("").str();
  return payload;
}

const Payload *gptc::findPayload() {
  static const Payload *found = []() -> const Payload * {
    if (payloadBytes() == 0)
      return nullptr;
    auto payload = readPayload();
    if (payload)
      return new Payload(std::move(*payload));
    llvm::errs() << programName() << ": " << llvm::toString(payload.takeError()) << "\n";
    exit(Failure);
  }();
  return found;
}

llvm::Error gptc::writeExecutable(llvm::StringRef path, const Payload &payload) {
  auto own = llvm::MemoryBuffer::getFile(self, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!own)
    return runtime::failure("cannot read this executable: {}", own.getError().message());
  llvm::json::Object settings;
  for (const auto &[name, value] : payload.overrides)
    settings[name] = value;
  std::string json;
  llvm::raw_string_ostream(json) << llvm::json::Value(
      llvm::json::Object{{"file", payload.file},
                         {"source", payload.source},
                         {"dtype", payload.dtype},
                         {"settings", std::move(settings)},
                         {"facts", payload.facts ? llvm::json::Value(llvm::json::Object(*payload.facts))
                                                 : llvm::json::Value(nullptr)},
                         {"module", payload.module}});
  char length[8];
  llvm::support::endian::write64le(length, json.size());
  auto out = runtime::AtomicFile::create(path);
  if (!out)
    return out.takeError();
  // Built from such an executable, the copy loses the old payload.
  for (llvm::StringRef part : {(*own)->getBuffer().drop_back(payloadBytes()), llvm::StringRef(json),
                               llvm::StringRef(length, 8), llvm::StringRef(magic)})
    if (llvm::Error error = out->write(part.data(), part.size()))
      return error;
  if (llvm::Error error = out->commit())
    return error;
  using namespace llvm::sys::fs;
  if (std::error_code code = setPermissions(path, perms(all_read | all_exe | owner_write)))
    return runtime::failure("cannot make {} executable: {}", path, code.message());
  return llvm::Error::success();
}

int gptc::runPayload(llvm::ArrayRef<const char *> words) {
  auto help = [](llvm::raw_ostream &out) {
    out << programName() << ": the model " << findPayload()->file << " as a program\n\n"
        << "  train      train it: " << programName() << " train --data FILE -o RUN\n"
        << "  generate   continue a text: " << programName() << " generate RUN --prompt TEXT\n\n"
        << "`" << programName() << " train --help` and `generate --help` say what they take.\n"
        << "Exit codes: 0 success, 1 bad input or failure, 2 wrong usage, 130 interrupted (after saving).\n";
  };
  llvm::StringRef first = words.empty() ? "" : words.front();
  if (first == "train")
    return trainCommand(words.drop_front());
  if (first == "generate")
    return generateCommand(words.drop_front());
  if (first == "--help" || first == "-h" || first == "help") {
    help(llvm::outs());
    return Success;
  }
  if (!first.empty())
    llvm::errs() << programName() << ": unknown command `" << first << "`\n\n";
  help(llvm::errs());
  return Usage;
}
