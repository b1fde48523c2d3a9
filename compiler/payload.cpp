#include "compiler/payload.h"
#include "compiler/arguments.h"
#include "compiler/commands/commands.h"
#include "runtime/files.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Support/xxhash.h"

#include <cstring>

using namespace gptc;

static constexpr const char *self = "/proc/self/exe";
static constexpr llvm::StringLiteral header = "gptc payload 2\n"; // the payload begins with it; JSON follows

namespace {
/// A part of the executable's own data, so that tools that rewrite its file (strip, objcopy) leave it as it is. It
/// says whether there has to be a payload, and which one.
struct Marker {
  char magic[32]; // in the file once, and here
  uint64_t bytes; // of the payload; 0: none
  uint64_t offset; // in the file as it was written
  uint64_t hash;
};
} // namespace

// Volatile: what is compiled is not what will be read.
__attribute__((used)) static const volatile Marker marker = {
    {'\x7f', 'g', 'p', 't', 'c', ' ', 'm', 'a', 'r', 'k', 'e', 'r', '\xc3', '\x9e', '\x01', '\xb7',
     '\xf4', '\x5d', '\x8a', '\x26', '\xe1', '\x93', '\x4c', '\x0f', '\xd8', '\x72', '\xa5', '\x3b', '\x6e', '\x19',
     '\xcc', '\x80'},
    0, 0, 0};

static std::string magicBytes() {
  std::string bytes;
  for (const volatile char &byte : marker.magic)
    bytes += char(byte);
  return bytes;
}

static bool isPayload(llvm::StringRef bytes) {
  return bytes.size() == marker.bytes && bytes.starts_with(header) && llvm::xxh3_64bits(bytes) == marker.hash;
}

/// The payload of this executable, which has one: where it was written, or else wherever it now is.
static llvm::Expected<std::string> payloadBytes() {
  uint64_t size;
  std::error_code code = llvm::sys::fs::file_size(self, size);
  if (code)
    return runtime::failure("cannot read this program: {}", code.message());
  if (marker.offset <= size && marker.bytes <= size - marker.offset)
    if (auto slice = llvm::MemoryBuffer::getFileSlice(self, marker.bytes, marker.offset, /*IsVolatile=*/true))
      if (isPayload((*slice)->getBuffer()))
        return (*slice)->getBuffer().str();
  auto whole = runtime::readFile(self);
  if (!whole)
    return whole.takeError();
  llvm::StringRef text = (*whole)->getBuffer();
  for (size_t at = text.find(header); at != llvm::StringRef::npos; at = text.find(header, at + 1))
    if (isPayload(text.substr(at, marker.bytes)))
      return text.substr(at, marker.bytes).str();
  return runtime::failure("this program is damaged: its model is not in its file any more, or not as it was built "
                          "(strip, objcopy and a copy that broke off take it away); build it again, or copy it "
                          "as it is");
}

static llvm::Expected<Payload> readPayload() {
  auto bytes = payloadBytes();
  if (!bytes)
    return bytes.takeError();
  auto object = runtime::parseJsonObject(llvm::StringRef(*bytes).drop_front(header.size()), "this program");
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
    if (marker.bytes == 0)
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
  auto own = runtime::readFile(self);
  if (!own)
    return own.takeError();
  std::string file = (*own)->getBuffer().str(), magic = magicBytes();
  size_t at = file.find(magic);
  if (at == std::string::npos || file.find(magic, at + 1) != std::string::npos || at + sizeof(Marker) > file.size())
    return runtime::failure("this program is damaged: it does not hold its own marker, so none can be built from it");
  llvm::json::Object settings;
  for (const auto &[name, value] : payload.overrides)
    settings[name] = value;
  std::string body = header.str();
  llvm::raw_string_ostream(body) << llvm::json::Value(
      llvm::json::Object{{"file", payload.file},
                         {"source", payload.source},
                         {"dtype", payload.dtype},
                         {"settings", std::move(settings)},
                         {"facts", payload.facts ? llvm::json::Value(llvm::json::Object(*payload.facts))
                                                 : llvm::json::Value(nullptr)},
                         {"module", payload.module}});
  Marker filled;
  std::memcpy(filled.magic, magic.data(), sizeof(filled.magic));
  filled.bytes = body.size();
  filled.offset = file.size();
  filled.hash = llvm::xxh3_64bits(llvm::StringRef(body));
  std::memcpy(file.data() + at, &filled, sizeof(filled));
  auto out = runtime::AtomicFile::create(path, 0777);
  if (!out)
    return out.takeError();
  for (llvm::StringRef part : {llvm::StringRef(file), llvm::StringRef(body)})
    if (llvm::Error error = out->write(part.data(), part.size()))
      return error;
  return out->commit();
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
