// What signals do to a process, seen from outside of it.
#include "test_support.h"

#include "runtime/interrupt.h"

#include <sys/wait.h>
#include <unistd.h>

using namespace gptc::runtime;

namespace {

struct Ended {
  int code = 0;
  std::string said;
};

/// Runs `body` in a process with the guard; its standard error is what it said.
template <typename Body> Ended guarded(Body body) {
  int ends[2];
  EXPECT_EQ(pipe(ends), 0);
  pid_t child = fork();
  if (child == 0) {
    dup2(ends[1], STDERR_FILENO);
    for (int number : {SIGINT, SIGTERM, SIGHUP})
      std::signal(number, SIG_DFL);
    clearInterrupt();
    InterruptGuard guard("stops soon");
    setWhatWouldBeLost("all is lost");
    body();
    _exit(interrupted() ? 7 : 0);
  }
  close(ends[1]);
  Ended ended;
  char bytes[1000];
  for (ssize_t got; (got = read(ends[0], bytes, sizeof(bytes))) > 0;)
    ended.said.append(bytes, size_t(got));
  close(ends[0]);
  int status;
  waitpid(child, &status, 0);
  ended.code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  return ended;
}

TEST(Interrupt, OneMessageAndNoEndForTwoSignals) {
  for (std::vector<int> numbers :
       {std::vector<int>{SIGINT}, {SIGINT, SIGINT}, {SIGTERM, SIGHUP}, {SIGHUP, SIGHUP}, {SIGTERM, SIGTERM, SIGTERM},
        {SIGHUP, SIGHUP, SIGHUP, SIGINT}, {SIGINT, SIGTERM, SIGINT, SIGHUP}}) {
    Ended ended = guarded([&] {
      for (int number : numbers)
        std::raise(number);
    });
    EXPECT_EQ(ended.code, 7);
    EXPECT_EQ(ended.said, "stops soon\n");
  }
}

TEST(Interrupt, TheThirdWithinASecondEnds) {
  Ended ended = guarded([] {
    for (int i = 0; i < 3; ++i)
      std::raise(SIGINT);
  });
  EXPECT_EQ(ended.code, 130);
  EXPECT_EQ(ended.said, "stops soon\nall is lost\n");
  // Slowly they are no order.
  ended = guarded([] {
    for (int i = 0; i < 3; ++i) {
      std::raise(SIGINT);
      usleep(600 * 1000);
    }
  });
  EXPECT_EQ(ended.code, 7);
}

TEST(Interrupt, IgnoredStaysIgnored) {
  std::signal(SIGHUP, SIG_IGN);
  {
    InterruptGuard guard("stops soon");
    clearInterrupt();
    std::raise(SIGHUP);
    EXPECT_FALSE(interrupted());
  }
  std::signal(SIGHUP, SIG_DFL);
}

} // namespace
