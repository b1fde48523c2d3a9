#include "test_support.h"

#include "runtime/variables.h"

#include <csignal>
#include <cstring>
#include <sys/resource.h>

using namespace gptc::runtime;

namespace {

std::string fileOf(const std::string &header, size_t dataBytes) {
  uint64_t length = header.size();
  std::string bytes(reinterpret_cast<char *>(&length), 8);
  return bytes + header + std::string(dataBytes, '\1');
}

std::string parseError(const std::string &bytes) {
  return messageOf(SafeTensors::parse(bytes, "evil"));
}

TEST(SafeTensors, RoundTrip) {
  TemporaryDirectory directory;
  std::vector<float> floats = {1, 2.5f, -0.0f, 3e38f, 1e-40f, 6};
  std::vector<double> doubles = {1e-300, 2};
  std::vector<int32_t> ints = {7};
  std::string path = directory.file("x.safetensors");
  auto data = [](auto &values) { return reinterpret_cast<const char *>(values.data()); };
  ASSERT_EQ(messageOf(writeSafeTensors(path,
                                       {{"b.w", StoredType::F32, {2, 3}, data(floats)},
                                        {"a", StoredType::F64, {2}, data(doubles)},
                                        {"scalar \"quoted\"", StoredType::I32, {}, data(ints)},
                                        {"empty", StoredType::F32, {0, 4}, nullptr}},
                                       {{"step", "12"}})),
            "");
  SafeTensors file = valueOf(SafeTensors::open(path));
  EXPECT_EQ(messageOf(file.verify()), "");
  EXPECT_EQ(file.tensors().size(), 4u);
  EXPECT_EQ(file.metadata().at("step"), "12");
  const StoredTensor *stored = file.find("b.w");
  ASSERT_TRUE(stored);
  EXPECT_EQ(stored->shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(std::memcmp(stored->bytes.data(), floats.data(), 24), 0);
  EXPECT_EQ(std::memcmp(file.find("a")->bytes.data(), doubles.data(), 16), 0);
  EXPECT_EQ(file.find("scalar \"quoted\"")->elements(), 1);
  EXPECT_EQ(file.find("empty")->elements(), 0);
  EXPECT_FALSE(file.find("none"));
}

TEST(SafeTensors, HostileFiles) {
  auto one = [](const std::string &entry, size_t bytes = 8) {
    return fileOf("{\"x\":" + entry + "}", bytes);
  };
  std::string good = R"({"dtype":"F32","shape":[2],"data_offsets":[0,8]})";
  EXPECT_EQ(parseError(one(good)), "");
  EXPECT_CONTAINS(parseError(""), "not a safetensors file");
  EXPECT_CONTAINS(parseError("1234567"), "7 bytes");
  EXPECT_CONTAINS(parseError(std::string(8, '\xff') + "{}"), "truncated or not");
  EXPECT_CONTAINS(parseError(fileOf("[]", 0)), "no JSON object");
  EXPECT_CONTAINS(parseError(fileOf("{\"x\":", 0)), "header");
  EXPECT_CONTAINS(parseError(fileOf("{\"\xff\":1}", 0)), "header");
  EXPECT_CONTAINS(parseError(fileOf("{\"x\":" + std::string(100000, '['), 0)), "nested deeper");
  EXPECT_CONTAINS(parseError(one("3")), "not an object");
  EXPECT_CONTAINS(parseError(one(R"({"dtype":"F32","shape":[2]})")), "needs dtype, shape and data_offsets");
  // A type that nobody knows matters only where the tensor is asked for.
  EXPECT_EQ(parseError(one(R"({"dtype":"F33","shape":[2],"data_offsets":[0,8]})")), "");
  EXPECT_EQ(parseError(one(R"({"dtype":"F4","shape":[16],"data_offsets":[0,8]})")), "");
  EXPECT_CONTAINS(parseError(one(R"({"dtype":"F33","shape":[2],"data_offsets":[0,9]})")), "truncated");
  EXPECT_CONTAINS(parseError(one(R"({"dtype":"F33","shape":[4611686018427387904,4],"data_offsets":[0,8]})")),
                  "overflows");
  EXPECT_EQ(parseError(one(R"({"dtype":"C64","shape":[1],"data_offsets":[0,8]})")), "");
  EXPECT_CONTAINS(parseError(one(R"({"dtype":"C64","shape":[2],"data_offsets":[0,8]})")), "its shape and dtype need 16");
  EXPECT_CONTAINS(parseError(one(R"({"dtype":"F32","shape":[-2],"data_offsets":[0,8]})")), "no size");
  EXPECT_CONTAINS(parseError(one(R"({"dtype":"F32","shape":[1.5],"data_offsets":[0,8]})")), "no size");
  EXPECT_CONTAINS(parseError(one(R"({"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,8]})")),
                  "overflows");
  EXPECT_CONTAINS(
      parseError(
          one(R"({"dtype":"F32","shape":[0,4611686018427387904,4611686018427387904],"data_offsets":[0,0]})")),
      "overflows");
  EXPECT_CONTAINS(parseError(one(R"({"dtype":"F32","shape":[2],"data_offsets":[8,0]})")), "no range");
  EXPECT_CONTAINS(parseError(one(R"({"dtype":"F32","shape":[2],"data_offsets":[-8,0]})")), "no range");
  EXPECT_CONTAINS(parseError(one(R"({"dtype":"F32","shape":[2],"data_offsets":[0]})")), "needs 2");
  EXPECT_CONTAINS(parseError(one(R"({"dtype":"F32","shape":[3],"data_offsets":[0,8]})")), "need 12");
  EXPECT_CONTAINS(parseError(one(good, 4)), "truncated: tensor 'x' ends at byte 8 of the data, which has 4");
  EXPECT_CONTAINS(parseError(one(good, 9)), "1 bytes at its end");
  EXPECT_CONTAINS(parseError(one(R"({"dtype":"F32","shape":[1],"data_offsets":[4,8]})")),
                  "belong to no tensor");
  EXPECT_CONTAINS(parseError(fileOf(R"({"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                                    R"("y":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})",
                                    12)),
                  "overlap");
  EXPECT_CONTAINS(parseError(fileOf(R"({"__metadata__":{"a":1}})", 0)), "not a string");
}

TEST(SafeTensors, EveryTruncationIsAnError) {
  TemporaryDirectory directory;
  std::string path = directory.file("x");
  std::vector<float> values(10, 1.5f);
  ASSERT_EQ(messageOf(writeSafeTensors(
                path, {{"w", StoredType::F32, {10}, reinterpret_cast<const char *>(values.data())}})),
            "");
  std::string bytes = readAll(path);
  for (size_t size = 0; size < bytes.size(); ++size)
    EXPECT_NE(parseError(bytes.substr(0, size)), "") << size;
  bytes.back() ^= 1;
  SafeTensors damaged = valueOf(SafeTensors::parse(bytes, "evil"));
  EXPECT_CONTAINS(messageOf(damaged.verify()), "checksum");
}

TEST(SafeTensors, RefusesTwoOfOneName) {
  TemporaryDirectory directory;
  float value = 1;
  TensorView view{"w", StoredType::F32, {}, reinterpret_cast<const char *>(&value)};
  EXPECT_CONTAINS(messageOf(writeSafeTensors(directory.file("x"), {view, view})), "two tensors");
  EXPECT_EQ(readAll(directory.file("x")), "<missing>");
}

TEST(SafeTensors, FullDiskLeavesTheOldFile) {
  TemporaryDirectory directory;
  std::string path = directory.file("x");
  std::vector<float> values(100000, 2.0f);
  TensorView view{"w", StoredType::F32, {100000}, reinterpret_cast<const char *>(values.data())};
  ASSERT_EQ(messageOf(atomicWriteFile(path, "old")), "");
  rlimit before;
  getrlimit(RLIMIT_FSIZE, &before);
  auto handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit small = {4096, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  std::string message = messageOf(writeSafeTensors(path, {view}));
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  EXPECT_CONTAINS(message, "cannot write");
  EXPECT_EQ(readAll(path), "old");
  std::error_code code;
  int files = 0;
  for (llvm::sys::fs::directory_iterator entry(directory.path, code), end; entry != end;
       entry.increment(code))
    ++files;
  EXPECT_EQ(files, 1); // no temporary file is left
}

TEST(SafeTensors, ConvertsFloats) {
  uint16_t half[] = {0x3c00, 0xc000, 0x0001, 0x7c00}, brain[] = {0x3f80, 0xc000, 0x4049, 0};
  StoredTensor stored{StoredType::F16, "F16", {4}, llvm::StringRef(reinterpret_cast<char *>(half), 8)};
  float values[4];
  ASSERT_EQ(messageOf(copyTensor(stored, DType::F32, reinterpret_cast<char *>(values), 4)), "");
  EXPECT_EQ(values[0], 1);
  EXPECT_EQ(values[1], -2);
  EXPECT_EQ(values[2], 0x1p-24f);
  EXPECT_EQ(values[3], INFINITY);
  stored = {StoredType::BF16, "BF16", {4}, llvm::StringRef(reinterpret_cast<char *>(brain), 8)};
  double doubles[4];
  ASSERT_EQ(messageOf(copyTensor(stored, DType::F64, reinterpret_cast<char *>(doubles), 4)), "");
  EXPECT_EQ(doubles[1], -2);
  EXPECT_EQ(doubles[2], 3.140625);
  EXPECT_CONTAINS(messageOf(copyTensor(stored, DType::I32, reinterpret_cast<char *>(values), 4)), "BF16");
}

VariableInfo variable(const std::string &name, std::vector<int64_t> shape, int64_t copies,
                      std::vector<std::string> path, bool parameter = true) {
  VariableInfo info;
  info.name = name;
  info.shape = std::move(shape);
  info.copies = copies;
  info.path = std::move(path);
  info.parameter = parameter;
  return info;
}

TEST(Variables, CopiesAreTensorsOfTheirOwn) {
  VariableStore store;
  ASSERT_EQ(
      messageOf(store.add({variable("blocks.wq", {2, 3, 4, 5}, 2, {"blocks", "*", "part", "*", "wq"}),
                           variable("embed", {3}, 0, {"embed"}), variable("embed.m", {3}, 0, {}, false)})),
      "");
  auto *data = reinterpret_cast<float *>(store.find("blocks.wq")->memory.data());
  for (int i = 0; i < 120; ++i)
    data[i] = float(i);
  auto views = valueOf(store.tensors(VariableKind::Parameter));
  ASSERT_EQ(views.size(), 7u);
  EXPECT_EQ(views[0].name, "blocks.0.part.0.wq");
  EXPECT_EQ(views[5].name, "blocks.1.part.2.wq");
  EXPECT_EQ(views[5].shape, (std::vector<int64_t>{4, 5}));
  EXPECT_EQ(*reinterpret_cast<const float *>(views[5].data), 100);
  EXPECT_EQ(views[6].name, "embed");
  EXPECT_EQ(valueOf(store.tensors(VariableKind::State))[0].name, "embed.m");
  EXPECT_EQ(store.parameterElements(), 123);
}

TEST(Variables, ProgramsMustAgree) {
  VariableStore store;
  ASSERT_EQ(messageOf(store.add({variable("w", {3}, 0, {"w"})})), "");
  EXPECT_EQ(messageOf(store.add({variable("w", {3}, 0, {"w"})})), "");
  EXPECT_CONTAINS(messageOf(store.add({variable("w", {4}, 0, {"w"})})), "[3]");
  EXPECT_CONTAINS(messageOf(store.add({variable("huge", {int64_t(1) << 40, 1 << 20}, 0, {})})), "too large");
  ASSERT_EQ(messageOf(store.add({variable("v", {3}, 0, {"w"})})), "");
  EXPECT_CONTAINS(messageOf(store.tensors(VariableKind::Parameter)), "'w'");
}

TEST(Variables, ForeignFilesChangeNothing) {
  TemporaryDirectory directory;
  VariableStore store, other;
  ASSERT_EQ(messageOf(store.add({variable("a", {2}, 0, {"a"}), variable("b", {2}, 0, {"b"})})), "");
  auto *a = reinterpret_cast<float *>(store.find("a")->memory.data());
  a[0] = 5;
  auto save = [&](std::vector<VariableInfo> infos) {
    VariableStore other;
    EXPECT_EQ(messageOf(other.add(infos)), "");
    EXPECT_EQ(
        messageOf(writeSafeTensors(directory.file("x"), valueOf(other.tensors(VariableKind::Parameter)))),
        "");
    SafeTensors file = valueOf(SafeTensors::open(directory.file("x")));
    return messageOf(store.load(file, VariableKind::Parameter, true));
  };
  EXPECT_CONTAINS(save({variable("a", {2}, 0, {})}), "lacks 1 of the model's 2 tensors: 'b'");
  EXPECT_CONTAINS(save({variable("a", {2}, 0, {}), variable("b", {3}, 0, {})}),
                  "shape [3], the model wants [2]");
  EXPECT_CONTAINS(save({variable("a", {2}, 0, {}), variable("b", {2}, 0, {}), variable("c", {2}, 0, {})}),
                  "'c'");
  EXPECT_EQ(a[0], 5);
  EXPECT_EQ(save({variable("a", {2}, 0, {}), variable("b", {2}, 0, {})}), "");
  EXPECT_EQ(a[0], 0);
  EXPECT_EQ(messageOf(store.checkFinite()), "");
  a[1] = NAN;
  EXPECT_CONTAINS(messageOf(store.checkFinite()), "'a'");
}

TEST(Memory, ZeroedAndAligned) {
  for (int64_t bytes : {int64_t(0), int64_t(1), int64_t(4096), int64_t(5 << 20)}) {
    Buffer buffer = valueOf(Buffer::allocate(bytes));
    EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer.data()) % 64, 0u);
    for (int64_t i = 0; i < bytes + 64; i += 61)
      ASSERT_EQ(buffer.data()[i], 0);
  }
  EXPECT_CONTAINS(messageOf(Buffer::allocate(-1)), "cannot allocate");
  EXPECT_CONTAINS(messageOf(Buffer::allocate(int64_t(1) << 62)), "cannot allocate");
}

} // namespace
