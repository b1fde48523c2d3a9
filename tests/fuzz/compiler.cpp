// Targets that need the compiler.
#include "fuzz/targets.h"

#include "compiler/commands/commands.h"
#include "compiler/session.h"
#include "runtime/interrupt.h"

#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/raw_ostream.h"

#include <cstdlib>
#include <unistd.h>

using namespace gptc;
using llvm::StringRef;

/// The working directory of this process, a new one, removed with it.
static void enterDirectory() {
  static bool entered = false;
  if (std::exchange(entered, true))
    return;
  static llvm::SmallString<128> path;
  fuzz::require(!llvm::sys::fs::createUniqueDirectory("gptc-fuzz", path) && chdir(path.c_str()) == 0,
                "a directory can be made");
  std::atexit([] { (void)llvm::sys::fs::remove_directories(path); });
}

void fuzz::model(StringRef bytes) {
  enterDirectory();
  if (bytes.size() > 8192)
    return;
  CommonOptions options;
  options.threads = 1;
  Session session(options);
  if (!session.openText("model.gpt", bytes.str()) || !session.analyse())
    return;
  auto compile = [&](ProgramKind kind, int64_t batch) {
    mlir::OwningOpRef<mlir::ModuleOp> module = session.emit(kind);
    require(bool(module), "what is checked is emitted");
    RunOptions run;
    run.pipeline = session.pipeline(kind, batch, true);
    run.until = findStage("place");
    if (mlir::failed(runStages(*module, run))) {
      // A size that no machine has is an error; whatever else fails there is ours, and leaves a reproducer.
      std::string left = "gptc-failure-" + std::to_string(getpid()) + ".mlir";
      require(!llvm::sys::fs::exists(left), "no pass fails");
    }
  };
  if (session.trains())
    compile(ProgramKind::Train, std::min<int64_t>(session.trainingBatch(), 64));
  if (!session.model->outputs().empty())
    compile(ProgramKind::Outputs, 4);
}

static void write(const char *path, StringRef text) {
  std::error_code code;
  llvm::raw_fd_ostream(path, code) << text;
}

void fuzz::commands(StringRef bytes) {
  enterDirectory();
  static const bool prepared = [] {
    write("m.gpt", "rows x[2] = columns(a, b), y = columns(c)\nparam w[2] = [1, 2]\nlet z = sum(i: x[i] * w[i])\n"
                   "output z\nloss (z - y)^2\ntrain { batch: 2, steps: 2, optimizer: sgd(0.01) }\n");
    write("t.gpt", "text t[n < 4]: ids(5)\nparam e[vocabulary, vocabulary] ~ normal(1)\nlet l[n, v] = e[t[n], v]\n"
                   "output l over vocabulary\n");
    write("r.csv", "a,b,c\n1,2,3\n4,5,6\n7,8,9\n");
    write("t.txt", "1 2 3 4 0 1 2 3 4\n");
    return true;
  }();
  (void)prepared;
  std::vector<std::string> words;
  for (StringRef rest = bytes; !rest.empty();) {
    auto [word, behind] = rest.split('\n');
    rest = behind;
    // Nothing outside of the directory, nothing that waits for input, no CPU and no threads by the thousand.
    if (word.contains('/') || word.contains('\0') || word == "-" || word.contains("..") || words.size() > 20)
      return;
    if (words.size() && (words.back() == "--threads" || words.back() == "--steps") && word.size() > 1)
      return;
    words.push_back(word.str());
  }
  if (words.empty() || bytes.contains("threads=") || bytes.contains("steps=") || bytes.contains("epochs=") ||
      bytes.contains("tokens="))
    return;
  std::vector<const char *> rest;
  for (size_t i = 1; i < words.size(); ++i)
    rest.push_back(words[i].c_str());
  static constexpr struct {
    const char *name;
    CommandFunction run;
  } known[] = {{"check", checkCommand}, {"train", trainCommand},     {"generate", generateCommand},
               {"eval", evalCommand},   {"run", runCommand},         {"weights", weightsCommand},
               {"dump", dumpCommand},   {"tokenizer", tokenizerCommand}, {"bleu", bleuCommand},
               {"library", libraryCommand}};
  for (const auto &command : known)
    if (words.front() == command.name) {
      int code = command.run(rest);
      require(code == Success || code == Failure || code == Usage, "the exit code is 0, 1 or 2");
      llvm::outs().clear_error();
      runtime::clearInterrupt();
    }
  std::string left = "gptc-failure-" + std::to_string(getpid()) + ".mlir";
  require(!llvm::sys::fs::exists(left), "no pass fails");
}
