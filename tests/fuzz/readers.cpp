// Targets that need the runtime only.
#include "fuzz/targets.h"

#include "runtime/checkpoint.h"
#include "runtime/data/rows_loader.h"
#include "runtime/safetensors.h"
#include "runtime/tokenizer_bytepair.h"
#include "runtime/tokenizer_json.h"
#include "runtime/utf8.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

#include <cstdio>
#include <cstdlib>
#include <unistd.h>

using namespace gptc;
using namespace gptc::runtime;
using llvm::StringRef;

void fuzz::require(bool holds, const char *what) {
  if (holds)
    return;
  std::fprintf(stderr, "this must hold: %s\n", what);
  std::abort();
}

/// Errors are for people: never empty, and not as long as what is wrong.
static void look(llvm::Error error) {
  if (!error)
    return;
  std::string message = llvm::toString(std::move(error));
  fuzz::require(!message.empty(), "an error says something");
  fuzz::require(message.size() < 4000, "an error quotes a part only");
}

static constexpr int64_t fewElements = 1 << 20;

void fuzz::safetensors(StringRef bytes) {
  auto file = SafeTensors::parse(bytes, "file");
  if (!file)
    return look(file.takeError());
  look(file->verify());
  for (const auto &[name, tensor] : file->tensors()) {
    if (tensor.type == StoredType::Other)
      continue; // of a type that is not known, as many bytes as the file says
    require(tensor.bytes.size() == size_t(tensor.elements()) * sizeOf(tensor.type), "bytes are those of the shape");
    if (tensor.elements() > fewElements)
      continue;
    std::vector<char> to(size_t(tensor.elements()) * 8 + 1);
    for (DType type : {DType::F32, DType::F64, DType::I32})
      look(copyTensor(tensor, type, to.data(), tensor.elements()));
  }
}

void fuzz::tokenizer(StringRef bytes) {
  auto parsed = parseTokenizerJson(bytes, "tokenizer.json");
  if (!parsed)
    return look(parsed.takeError());
  const BytePairTokenizer &made = **parsed;
  std::string saved = made.save().getString("text")->str();
  require(bytes == saved, "a file is kept as it is");
  auto again = parseTokenizerJson(saved, "saved");
  require(bool(again), "what is written can be read");
  const BytePairTokenizer &second = **again;
  // The text itself is as good as any.
  std::string text = repairUtf8(bytes.take_front(2000));
  for (StringRef one : {StringRef("the sun, 12 moons\n\n it's"), StringRef(text)}) {
    std::vector<int32_t> tokens, others;
    if (llvm::Error error = made.encode(one, tokens, "text")) {
      look(std::move(error)); // it may lack bytes
      continue;
    }
    // Its normalizer and decoder may change the text; what comes out is text.
    std::string decoded = made.decode(tokens);
    require(repairUtf8(decoded) == decoded, "what is decoded is UTF-8");
    for (int32_t token : tokens)
      require(token >= 0 && token < made.vocabulary(), "tokens are in the vocabulary");
    look(second.encode(one, others, "text"));
    require(tokens == others, "what is read back encodes the same");
  }
}

void fuzz::csv(StringRef bytes) {
  RowsOptions options;
  options.columns = {{"x", {"a", "b"}, /*standardise=*/true, false, {}, false},
                     {"k", {"kind"}, false, /*isClass=*/true, {}, false},
                     {"p", {"p", "q"}, false, false, {}, /*isDistribution=*/true}};
  // Each reads other columns, so that a table needs not have all.
  for (const RowsColumn &column : options.columns) {
    options.needed = {column.name};
    auto rows = RowsLoader::create(bytes, "rows.csv", options);
    if (!rows) {
      look(rows.takeError());
      continue;
    }
    require((*rows)->rowCount() > 0, "there are rows");
    TensorInfo info;
    info.name = column.name;
    info.type = column.isClass ? DType::I32 : DType::F32;
    info.shape = {4};
    if (!column.isClass)
      info.shape.push_back(int64_t(column.sources.size()));
    std::vector<char> data(64);
    std::vector<InputBuffer> inputs = {{&info, data.data()}};
    look((*rows)->check(inputs));
    BatchShape shape;
    shape.rows = 4;
    for (int64_t i = 0, n = std::min<int64_t>(8, (*rows)->evaluationBatches(Loader::Part::All, shape)); i < n; ++i)
      (void)(*rows)->evaluation(Loader::Part::All, shape, i, inputs);
    (void)(*rows)->training(shape, 1, 3, inputs);
    (void)(*rows)->facts();
  }
}

/// A directory of this process for files, made once and emptied each time.
static const std::string &emptyDirectory() {
  static const std::string path = [] {
    llvm::SmallString<128> made;
    const char *memory = "/dev/shm/gptc-fuzz";
    std::error_code code = llvm::sys::fs::is_directory("/dev/shm") ? llvm::sys::fs::createUniqueDirectory(memory, made)
                                                                   : llvm::sys::fs::createUniqueDirectory("gptc", made);
    fuzz::require(!code, "a directory can be made");
    static std::string name = made.str().str();
    std::atexit([] { (void)llvm::sys::fs::remove_directories(name); });
    return name;
  }();
  (void)llvm::sys::fs::remove_directories(path);
  (void)llvm::sys::fs::create_directories(path);
  return path;
}

void fuzz::rundir(StringRef bytes) {
  const std::string &root = emptyDirectory();
  for (StringRef rest = bytes; !rest.empty();) {
    auto [part, behind] = rest.split("\n--- ");
    rest = behind;
    part.consume_front("--- ");
    auto [name, content] = part.split('\n');
    if (name.empty() || name.contains("..") || name.contains('\0') || name.size() > 200)
      continue;
    llvm::SmallString<256> path(root);
    llvm::sys::path::append(path, name);
    (void)llvm::sys::fs::create_directories(llvm::sys::path::parent_path(path));
    std::error_code code;
    llvm::raw_fd_ostream out(path, code);
    if (!code)
      out << content;
    out.clear_error();
  }
  auto run = RunDirectory::open(root);
  if (!run)
    return look(run.takeError());
  if (auto config = run->readConfig(); !config)
    look(config.takeError());
  else if (const llvm::json::Object *data = config->getObject("data"))
    if (const llvm::json::Object *saved = data->getObject("tokenizer")) {
      auto made = loadTokenizer(*saved, "config.json");
      if (!made)
        look(made.takeError());
    }
  if (auto text = run->readModel(); !text)
    look(text.takeError());
  VariableStore store;
  VariableInfo info;
  info.name = "w";
  info.shape = {2};
  info.parameter = true;
  info.path = {"w"};
  look(store.add(info));
  for (auto which : {RunDirectory::Which::Latest, RunDirectory::Which::Best}) {
    auto loaded = run->load(store, which, /*states=*/true);
    if (!loaded)
      look(loaded.takeError());
  }
}
