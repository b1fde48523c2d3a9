#include "test_support.h"

#include "runtime/checkpoint.h"
#include "runtime/log.h"
#include "runtime/tokenizer.h"
#include "runtime/utf8.h"

#include <sys/stat.h>
#include <thread>
#include <unistd.h>

using namespace gptc::runtime;

namespace {

std::vector<VariableInfo> variables(int64_t size = 4) {
  VariableInfo w, m;
  w.name = "w";
  w.shape = m.shape = {2, size};
  w.copies = m.copies = 1;
  w.path = {"layers", "*", "w"};
  w.parameter = true;
  m.name = "w.m";
  m.path = {"layers", "*", "w", "m"};
  return {w, m};
}

struct SavedRun {
  SavedRun() { EXPECT_EQ(messageOf(store.add(variables())), ""); }
  float *data(const char *name) { return reinterpret_cast<float *>(store.find(name)->memory.data()); }
  void save(int64_t step, bool best = false, int64_t keep = 2) {
    for (int i = 0; i < 8; ++i) {
      data("w")[i] = float(step * 10 + i);
      data("w.m")[i] = -float(step * 10 + i);
    }
    TrainingState state;
    state.step = step;
    state.seed = 1234567890123456789u;
    state.batch = 12;
    if (best) {
      state.bestLoss = state.valLoss = 1.0 / 3;
      state.bestStep = step;
    }
    EXPECT_EQ(messageOf(run.save(store, state, best, keep)), "");
  }
  TemporaryDirectory directory;
  RunDirectory run = valueOf(RunDirectory::create(directory.file("run")));
  VariableStore store;
};

TEST(Checkpoint, SavesLoadsAndPrunes) {
  SavedRun r;
  r.save(5, /*best=*/true);
  for (int64_t step : {10, 15, 20})
    r.save(step);
  EXPECT_EQ(valueOf(r.run.checkpoints()),
            (std::vector<std::string>{"step-00000020", "step-00000015", "step-00000005"}));
  EXPECT_EQ(readAll(r.run.file("latest")), "step-00000020\n");
  EXPECT_EQ(readAll(r.run.file("best")), "step-00000005\n");
  std::fill_n(r.data("w"), 8, 0.0f);
  std::fill_n(r.data("w.m"), 8, 0.0f);
  auto loaded = valueOf(r.run.load(r.store, RunDirectory::Which::Latest, true));
  EXPECT_EQ(loaded.name, "step-00000020");
  EXPECT_EQ(loaded.state.step, 20);
  EXPECT_EQ(loaded.state.seed, 1234567890123456789u);
  EXPECT_EQ(loaded.state.batch, 12);
  EXPECT_TRUE(loaded.warnings.empty());
  EXPECT_EQ(r.data("w")[7], 207);
  EXPECT_EQ(r.data("w.m")[7], -207);
  loaded = valueOf(r.run.load(r.store, RunDirectory::Which::Best, false));
  EXPECT_EQ(loaded.state.step, 5);
  EXPECT_EQ(*loaded.state.bestLoss, 1.0 / 3);
  EXPECT_EQ(r.data("w")[0], 50);
  EXPECT_EQ(r.data("w.m")[7], -207); // not asked for
  SafeTensors file = valueOf(SafeTensors::open(r.run.file("checkpoints/step-00000020/weights.safetensors")));
  EXPECT_TRUE(file.find("layers.1.w"));
}

TEST(Checkpoint, AveragesAreTheWeightsOfInference) {
  TemporaryDirectory directory;
  RunDirectory run = valueOf(RunDirectory::create(directory.file("run")));
  std::vector<VariableInfo> all = variables();
  all.push_back(all[1]);
  all[2].name = "w.average";
  all[2].path.back() = "average";
  VariableStore store;
  ASSERT_EQ(messageOf(store.add(all)), "");
  auto data = [](VariableStore &of, const char *name) {
    return reinterpret_cast<float *>(of.find(name)->memory.data());
  };
  data(store, "w")[5] = 1;
  data(store, "w.m")[5] = 2;
  data(store, "w.average")[5] = 3;
  EXPECT_EQ(store.find("w", Weights::Inference), store.find("w.average"));
  EXPECT_EQ(store.find("w.m", Weights::Inference), store.find("w.m"));
  TrainingState state;
  ASSERT_EQ(messageOf(run.save(store, state, false, 1)), "");
  SafeTensors states =
      valueOf(SafeTensors::open(run.file("checkpoints/step-00000000/optimizer.safetensors")));
  EXPECT_TRUE(states.find("layers.0.w.current"));
  EXPECT_FALSE(states.find("layers.0.w.average"));

  VariableStore resumed;
  ASSERT_EQ(messageOf(resumed.add(all)), "");
  ASSERT_EQ(messageOf(run.load(resumed, RunDirectory::Which::Latest, true)), "");
  EXPECT_EQ(data(resumed, "w")[5], 1);
  EXPECT_EQ(data(resumed, "w.m")[5], 2);
  EXPECT_EQ(data(resumed, "w.average")[5], 3);

  VariableStore asked;
  ASSERT_EQ(messageOf(asked.add(all[0])), "");
  ASSERT_EQ(messageOf(run.load(asked, RunDirectory::Which::Latest, false)), "");
  EXPECT_EQ(data(asked, "w")[5], 3);
}

TEST(Checkpoint, SavingAStepAgainReplacesIt) {
  SavedRun r;
  r.save(5);
  r.save(5);
  EXPECT_EQ(valueOf(r.run.checkpoints()).size(), 1u);
  EXPECT_EQ(valueOf(r.run.load(r.store, RunDirectory::Which::Latest, true)).state.step, 5);
}

TEST(Checkpoint, PassesOverBrokenOnes) {
  SavedRun r;
  for (int64_t step : {1, 2, 3, 4})
    r.save(step, false, 10);
  std::string folder = r.run.file("checkpoints/step-0000000");
  std::string bytes = readAll(folder + "4/weights.safetensors");
  writeAll(folder + "4/weights.safetensors", bytes.substr(0, bytes.size() - 5));
  ASSERT_EQ(unlink((folder + "3/state.json").c_str()), 0);
  bytes = readAll(folder + "2/optimizer.safetensors");
  bytes.back() ^= 4;
  writeAll(folder + "2/optimizer.safetensors", bytes);
  auto loaded = valueOf(r.run.load(r.store, RunDirectory::Which::Latest, true));
  EXPECT_EQ(loaded.state.step, 1);
  ASSERT_EQ(loaded.warnings.size(), 3u);
  EXPECT_CONTAINS(loaded.warnings[0], "step-00000004 is broken");
  EXPECT_CONTAINS(loaded.warnings[0], "truncated");
  EXPECT_CONTAINS(loaded.warnings[1], "state.json");
  EXPECT_CONTAINS(loaded.warnings[2], "checksum");
  EXPECT_EQ(r.data("w")[0], 10);
  writeAll(folder + "1/state.json", "{\"step\": -1}");
  EXPECT_CONTAINS(messageOf(r.run.load(r.store, RunDirectory::Which::Latest, true)), "no whole checkpoint");
}

TEST(Checkpoint, ForeignShapesAreAnError) {
  SavedRun r;
  r.save(1);
  VariableStore other;
  ASSERT_EQ(messageOf(other.add(variables(5))), "");
  EXPECT_CONTAINS(messageOf(r.run.load(other, RunDirectory::Which::Latest, true)), "the model wants [5]");
}

TEST(Checkpoint, LeftoversOfAKilledSave) {
  SavedRun r;
  r.save(1);
  std::string name = temporaryName(), leftover = r.run.file("checkpoints/" + name);
  llvm::sys::fs::create_directories(leftover);
  writeAll(leftover + "/weights.safetensors", "half");
  writeAll(r.run.file(name), "half");
  // Not ours: somebody's notes, and a directory of a name that looks like ours.
  writeAll(r.run.file(".notes.tmp-99"), "mine");
  std::string foreign = r.run.file("checkpoints/" + temporaryName());
  llvm::sys::fs::create_directories(foreign);
  writeAll(foreign + "/thesis.tex", "mine");
  EXPECT_EQ(valueOf(r.run.load(r.store, RunDirectory::Which::Latest, true)).state.step, 1);
  TrainingState state;
  state.step = 1;
  EXPECT_EQ(messageOf(r.run.repair(state)), "");
  EXPECT_FALSE(llvm::sys::fs::exists(leftover));
  EXPECT_FALSE(llvm::sys::fs::exists(r.run.file(name)));
  EXPECT_EQ(readAll(r.run.file(".notes.tmp-99")), "mine");
  EXPECT_EQ(readAll(foreign + "/thesis.tex"), "mine");
}

// `latest` and `best` are written behind the checkpoint; a kill between them must not lose which one is best.
TEST(Checkpoint, NamesOfAKilledSaveAreMended) {
  SavedRun r;
  r.save(1);
  r.save(2, /*best=*/true);
  writeAll(r.run.file("best"), "step-00000001\n");
  llvm::sys::fs::remove(r.run.file("latest"));
  auto loaded = valueOf(r.run.load(r.store, RunDirectory::Which::Latest, true));
  EXPECT_EQ(messageOf(r.run.repair(loaded.state)), "");
  EXPECT_EQ(readAll(r.run.file("best")), "step-00000002\n");
  EXPECT_EQ(readAll(r.run.file("latest")), "step-00000002\n");
}

TEST(Checkpoint, ExtraOnesGoWithTheNext) {
  SavedRun r;
  TrainingState state;
  for (int64_t step : {4, 8, 9, 12, 13}) {
    state.step = step;
    state.extra = step % 4;
    EXPECT_EQ(messageOf(r.run.save(r.store, state, false, 2)), "");
    if (step == 9) {
      EXPECT_EQ(valueOf(r.run.checkpoints()),
                (std::vector<std::string>{"step-00000009", "step-00000008", "step-00000004"}));
    }
  }
  EXPECT_EQ(valueOf(r.run.checkpoints()),
            (std::vector<std::string>{"step-00000013", "step-00000012", "step-00000008"}));
}

TEST(Checkpoint, PruningLeavesWhatIsNotOurs) {
  SavedRun r;
  llvm::sys::fs::create_directories(r.run.file("checkpoints/step-1")); // not as we write it
  for (int64_t step : {1, 2, 3, 4}) {
    r.save(step, false, 1);
    if (step == 1)
      writeAll(r.run.file("checkpoints/step-00000001/notes"), "mine");
  }
  EXPECT_EQ(valueOf(r.run.checkpoints()), (std::vector<std::string>{"step-00000004", "step-00000001"}));
  EXPECT_EQ(readAll(r.run.file("checkpoints/step-00000001/notes")), "mine");
  EXPECT_TRUE(llvm::sys::fs::exists(r.run.file("checkpoints/step-1")));
}

TEST(Checkpoint, OneProcessAtATime) {
  TemporaryDirectory directory;
  std::string path = directory.file("above/run");
  {
    RunDirectory first = valueOf(RunDirectory::create(path));
    EXPECT_CONTAINS(messageOf(RunDirectory::create(path)), "another process trains in this directory");
    EXPECT_TRUE(llvm::sys::fs::exists(path + "/checkpoints")); // who loses takes nothing away
    first.discard();
  }
  EXPECT_FALSE(llvm::sys::fs::exists(directory.file("above"))); // and who made it takes all of it back
  llvm::sys::fs::create_directories(path);
  {
    RunDirectory again = valueOf(RunDirectory::create(path));
    writeAll(again.file("notes"), "mine");
    again.discard();
  }
  EXPECT_EQ(readAll(path + "/notes"), "mine");
}

/// Root may read everything; tests of permissions are somebody else's.
struct Unprivileged {
  explicit Unprivileged(const std::string &owned) {
    if (geteuid() == 0 && chown(owned.c_str(), 65534, 65534) == 0)
      changed = seteuid(65534) == 0;
  }
  ~Unprivileged() {
    if (changed) {
      EXPECT_EQ(seteuid(0), 0);
    }
  }
  bool changed = false;
};

TEST(Checkpoint, WhatCannotBeReadIsNotMissing) {
  TemporaryDirectory directory;
  Unprivileged somebody(directory.path);
  if (geteuid() == 0)
    GTEST_SKIP() << "root may read everything";
  VariableStore store;
  ASSERT_EQ(messageOf(store.add(variables())), "");
  RunDirectory run = valueOf(RunDirectory::create(directory.file("run")));
  ASSERT_EQ(messageOf(run.writeConfig(llvm::json::Object{{"seed", 3}})), "");
  TrainingState state;
  state.step = 1;
  ASSERT_EQ(messageOf(run.save(store, state, false, 2)), "");
  state.step = 2;
  ASSERT_EQ(messageOf(run.save(store, state, /*best=*/true, 2)), "");
  auto load = [&] { return messageOf(run.load(store, RunDirectory::Which::Latest, true)); };
  auto closed = [&](const std::string &path, mode_t mode, mode_t after, auto ask) {
    EXPECT_EQ(chmod(path.c_str(), mode), 0);
    std::string message = ask();
    EXPECT_EQ(chmod(path.c_str(), after), 0);
    EXPECT_CONTAINS(message, "Permission denied") << path;
  };
  closed(run.file("checkpoints"), 0300, 0755, load);
  closed(run.file("checkpoints"), 0300, 0755, [&] { return messageOf(run.repair(state)); });
  closed(run.file("checkpoints/step-00000002"), 0, 0755, load); // not "broken": the older one must not serve
  closed(run.file("checkpoints/step-00000002/weights.safetensors"), 0, 0644, load);
  closed(run.file("checkpoints/step-00000002/state.json"), 0, 0644, load);
  closed(run.file("best"), 0, 0644, [&] {
    return messageOf(run.load(store, RunDirectory::Which::Best, true));
  });
  closed(run.path(), 0, 0755, [&] { return messageOf(RunDirectory::open(run.path())); });
  closed(directory.path, 0, 0755, [&] { return messageOf(RunDirectory::open(run.path())); });
  EXPECT_EQ(load(), "");
}

TEST(Checkpoint, DirectoriesThatAreNoRuns) {
  TemporaryDirectory directory;
  EXPECT_CONTAINS(messageOf(RunDirectory::open(directory.file("none"))), "no such directory");
  EXPECT_CONTAINS(messageOf(RunDirectory::open(directory.path)), "config.json");
  writeAll(directory.file("file"), "x");
  EXPECT_CONTAINS(messageOf(RunDirectory::open(directory.file("file"))), "no directory");
  EXPECT_CONTAINS(messageOf(RunDirectory::create(directory.file("file"))), "cannot create");
  EXPECT_CONTAINS(messageOf(RunDirectory::create(directory.file("file/below"))), "cannot create");
  EXPECT_CONTAINS(messageOf(RunDirectory::create("/proc/gptc-run")), "cannot create");
  {
    VariableStore store;
    ASSERT_EQ(messageOf(store.add(variables())), "");
    RunDirectory run = valueOf(RunDirectory::create(directory.file("run")));
    ASSERT_EQ(messageOf(run.save(store, TrainingState(), false, 2)), "");
  }
  EXPECT_CONTAINS(messageOf(RunDirectory::create(directory.file("run"))), "already holds a run");
}

TEST(Checkpoint, ModelAndConfig) {
  SavedRun r;
  ASSERT_EQ(messageOf(r.run.writeModel("let x = 1\n")), "");
  ASSERT_EQ(messageOf(r.run.writeConfig(llvm::json::Object{{"seed", 3}, {"alphabet", "a\nü"}})), "");
  RunDirectory again = valueOf(RunDirectory::open(r.run.path() + "/"));
  EXPECT_EQ(valueOf(again.readModel()), "let x = 1\n");
  EXPECT_EQ(valueOf(again.readConfig()).getString("alphabet"), llvm::StringRef("a\nü"));
}

TEST(Checkpoint, BytePairsAreAFileOfTheirOwn) {
  SavedRun r;
  ASSERT_EQ(messageOf(r.run.writeModel("let x = 1\n")), "");
  auto tokenizer = valueOf(makeTokenizer("bpe", {"300"}, "the cat the hat", "text"));
  auto config = [&] {
    return llvm::json::Object{{"data", llvm::json::Object{{"tokenizer", tokenizer->save()}}}};
  };
  ASSERT_EQ(messageOf(r.run.writeConfig(config())), "");
  EXPECT_CONTAINS(readAll(r.run.file("tokenizer.json")), "\"BPE\"");
  EXPECT_EQ(readAll(r.run.file("config.json")).find("BPE"), std::string::npos);
  llvm::json::Object read = valueOf(r.run.readConfig());
  auto again = valueOf(loadTokenizer(*read.getObject("data")->getObject("tokenizer"), "config.json"));
  EXPECT_EQ(again->save(), tokenizer->save());
  // What is wrong with the file is said of the file.
  writeAll(r.run.file("tokenizer.json"), "{}");
  read = valueOf(r.run.readConfig());
  EXPECT_CONTAINS(messageOf(loadTokenizer(*read.getObject("data")->getObject("tokenizer"), "config.json")),
                  "tokenizer.json: it has no model");
  writeAll(r.run.file("tokenizer.json"), "\xff");
  EXPECT_CONTAINS(messageOf(r.run.readConfig()), "tokenizer.json:1: not valid UTF-8");
  llvm::sys::fs::remove(r.run.file("tokenizer.json"));
  EXPECT_CONTAINS(messageOf(r.run.readConfig()), "tokenizer.json': No such file");
}

TEST(Files, ErrorsNameTheFile) {
  TemporaryDirectory directory;
  EXPECT_CONTAINS(messageOf(readFile(directory.file("none"))), "none': No such file");
  EXPECT_CONTAINS(messageOf(readFile(directory.path)), "is a directory");
  EXPECT_CONTAINS(messageOf(atomicWriteFile(directory.file("no/such/x"), "x")), "cannot write");
  llvm::sys::fs::create_directories(directory.file("taken/inside"));
  EXPECT_CONTAINS(messageOf(atomicWriteFile(directory.file("taken"), "x")), "taken': Is a directory");
}

TEST(Files, ShrinkingIsAnErrorAndNoSignal) {
  TemporaryDirectory directory;
  std::string path = directory.file("large");
  writeAll(path, std::string(size_t(8) << 20, 'x'));
  auto buffer = valueOf(readFile(path));
  ASSERT_EQ(truncate(path.c_str(), 10), 0);
  // What was read stays, although the file is gone.
  EXPECT_EQ(llvm::StringRef(buffer->getBuffer()).count('x'), size_t(8) << 20);
}

TEST(Files, OnlyWhatHasAnEndIsRead) {
  EXPECT_CONTAINS(messageOf(readFile("/dev/zero")), "has no end");
  EXPECT_EQ(valueOf(readFile("/dev/null"))->getBufferSize(), 0u);
  EXPECT_NE(valueOf(readFile("/proc/self/status"))->getBufferSize(), 0u); // says that it has 0 bytes
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  ASSERT_EQ(write(ends[1], "abc", 3), 3);
  close(ends[1]);
  EXPECT_EQ(valueOf(readFile(fmt::format("/dev/fd/{}", ends[0])))->getBuffer(), "abc");
  close(ends[0]);
}

TEST(Files, TemporaryFilesCannotBePlanted) {
  TemporaryDirectory directory;
  EXPECT_NE(temporaryName(), temporaryName());
  EXPECT_TRUE(isTemporaryName(temporaryName()));
  EXPECT_FALSE(isTemporaryName(".tmp-step-00000001-99"));
  AtomicFile file = valueOf(AtomicFile::create(directory.file("x")));
  auto names = valueOf(listDirectory(directory.path));
  ASSERT_EQ(names.size(), 1u);
  EXPECT_TRUE(isTemporaryName(names[0])) << names[0];
  // In a directory like /tmp, a link of somebody else decides nothing.
  if (geteuid() != 0)
    GTEST_SKIP() << "only root can be two users";
  writeAll(directory.file("precious"), "mine");
  ASSERT_EQ(chmod(directory.path.c_str(), 01777), 0);
  ASSERT_EQ(symlink("precious", directory.file("link").c_str()), 0);
  ASSERT_EQ(lchown(directory.file("link").c_str(), 65534, 65534), 0);
  EXPECT_CONTAINS(messageOf(atomicWriteFile(directory.file("link"), "theirs")), "another user");
  EXPECT_EQ(readAll(directory.file("precious")), "mine");
  ASSERT_EQ(symlink("precious", directory.file("own").c_str()), 0);
  EXPECT_EQ(messageOf(atomicWriteFile(directory.file("own"), "ours")), "");
  EXPECT_EQ(readAll(directory.file("precious")), "ours");
}

TEST(Files, TheUmaskIsRespected) {
  TemporaryDirectory directory;
  auto modeOf = [](const std::string &path) {
    struct stat info;
    return stat(path.c_str(), &info) == 0 ? info.st_mode & 07777 : 0;
  };
  for (mode_t mask : {022, 077, 002}) {
    std::string top = directory.file(fmt::format("m{:o}", mask));
    mode_t before = umask(mask);
    EXPECT_EQ(messageOf(makeDirectories(top + "/a/b")), "");
    EXPECT_EQ(messageOf(atomicWriteFile(top + "/file", "x")), "");
    AtomicFile program = valueOf(AtomicFile::create(top + "/program", 0777));
    EXPECT_EQ(messageOf(program.commit()), "");
    umask(before);
    EXPECT_EQ(modeOf(top + "/a/b"), 0777 & ~mask);
    EXPECT_EQ(modeOf(top + "/file"), 0666 & ~mask);
    EXPECT_EQ(modeOf(top + "/program"), 0777 & ~mask);
  }
  // A secret that is written again stays one.
  std::string secret = directory.file("secret");
  writeAll(secret, "x");
  ASSERT_EQ(chmod(secret.c_str(), 0600), 0);
  EXPECT_EQ(messageOf(atomicWriteFile(secret, "y")), "");
  EXPECT_EQ(modeOf(secret), 0600u);
}

TEST(Log, TruncatesToTheCheckpoint) {
  TemporaryDirectory directory;
  std::string path = directory.file("log.jsonl");
  {
    RunLog log = valueOf(RunLog::open(path, 0));
    EXPECT_CONTAINS(messageOf(RunLog::open(path, 0)), "in use");
    for (int64_t step = 1; step < 6; ++step) {
      LogEntry entry;
      entry.step = step;
      entry.loss = 0.1 * double(step);
      entry.lr = 1e-3;
      if (step == 3)
        entry.valLoss = 2.5;
      // Whatever a model calls its reports, they are not the log's own fields.
      entry.reports = {{"accuracy", step == 2 ? NAN : 0.5}, {"loss", 7}};
      entry.gradients = {{"w", 2}};
      ASSERT_EQ(messageOf(log.write(entry)), "");
    }
  }
  std::string text = readAll(path);
  EXPECT_CONTAINS(text, "{\"step\":3,\"loss\":0.30000000000000004,\"lr\":0.001,\"tokens_per_s\":0,\"ms\":0,"
                        "\"reports\":{\"accuracy\":0.5,\"loss\":7},\"val_loss\":2.5,\"gradients\":{\"w\":2}}\n");
  EXPECT_CONTAINS(text, "\"accuracy\":null,");
  writeAll(path, text + "{\"step\":6,\"lo");
  { RunLog log = valueOf(RunLog::open(path, 100)); }
  EXPECT_EQ(readAll(path), text);
  { RunLog log = valueOf(RunLog::open(path, 3)); }
  EXPECT_EQ(readAll(path), text.substr(0, text.find("{\"step\":4")));
  { RunLog log = valueOf(RunLog::open(path, 0)); }
  EXPECT_EQ(readAll(path), "");
}

TEST(Files, APipeIsReadOnceAndWhole) {
  TemporaryDirectory directory;
  std::string path = directory.file("pipe"), text;
  for (int i = 0; i < 100000; ++i)
    text += "line " + std::to_string(i) + "\n";
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  std::thread writer([&] { writeAll(path, text); });
  auto first = valueOf(readFile(path));
  writer.join();
  EXPECT_EQ(first->getBuffer(), text);
  EXPECT_EQ(valueOf(readFile(path))->getBuffer(), text); // nobody writes any more
  EXPECT_FALSE(isLasting(path));
  EXPECT_FALSE(isLasting("-"));
  writeAll(directory.file("file"), "abc");
  EXPECT_TRUE(isLasting(directory.file("file")));
}

TEST(Messages, QuotesAreCut) {
  EXPECT_EQ(shown("abc\n"), "abc\\n");
  EXPECT_EQ(shown(std::string("a\x01\xff")), "a\\x01\\xff");
  EXPECT_EQ(shown("\u00e9"), "\u00e9");
  EXPECT_CONTAINS(shown(std::string(100000, 'x')), "x... (100000 bytes)");
  EXPECT_LT(shown(std::string(100000, '\xff')).size(), 400u);
}

} // namespace
