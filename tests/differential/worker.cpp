#include "differential/worker.h"

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

/// Writes the counters of a build for coverage (coverage.py); other builds have none.
extern "C" void __gcov_dump() __attribute__((weak));

using namespace gptc::differential;
using Clock = std::chrono::steady_clock;

namespace {
/// Texts with their lengths: what goes through the pipe.
class Writer {
public:
  std::string bytes;
  void number(uint64_t n) { bytes.append(reinterpret_cast<const char *>(&n), sizeof n); }
  void text(const std::string &s) {
    number(s.size());
    bytes += s;
  }
  void outcome(const Outcome &o) {
    number(uint64_t(o.state));
    number(o.findings.size());
    for (const Finding &f : o.findings) {
      text(f.kind);
      text(f.what);
      text(f.detail);
    }
    number(o.counts.size());
    for (auto &[name, count] : o.counts) {
      text(name);
      number(uint64_t(count));
    }
  }
};

class Reader {
public:
  std::string bytes;
  size_t at = 0;
  bool good = true;
  uint64_t number() {
    uint64_t n = 0;
    if (at + sizeof n > bytes.size())
      return good = false, 0;
    memcpy(&n, bytes.data() + at, sizeof n);
    at += sizeof n;
    return n;
  }
  std::string text() {
    uint64_t size = number();
    if (!good || at + size > bytes.size())
      return good = false, "";
    at += size;
    return bytes.substr(at - size, size);
  }
  Outcome outcome() {
    Outcome o;
    o.state = decltype(o.state)(number());
    for (uint64_t n = number(); good && n > 0; --n) {
      Finding f;
      f.kind = text();
      f.what = text();
      f.detail = text();
      o.findings.push_back(f);
    }
    for (uint64_t n = number(); good && n > 0; --n) {
      std::string name = text();
      o.counts[name] = int64_t(number());
    }
    return o;
  }
};

/// The last that a child had to say, in a line that names no addresses.
std::string lastWords(const std::string &path) {
  FILE *file = fopen(path.c_str(), "r");
  if (!file)
    return "";
  std::string all, line;
  for (int c; (c = fgetc(file)) != EOF && all.size() < 20000;)
    all += char(c);
  fclose(file);
  for (const char *mark : {"LLVM ERROR", "error: ", "Assertion", "internal error", "pure virtual"}) {
    size_t at = all.find(mark);
    if (at != std::string::npos)
      return all.substr(at, std::min<size_t>(all.find('\n', at) - at, 300));
  }
  return "";
}

struct Child {
  pid_t pid = -1;
  int pipe = -1;
  uint64_t at = 0, end = 0; // being checked; up to
  Clock::time_point since;
  std::string errors;
  Reader reader;
  bool killed = false;
  double used = 0; // seconds of a core before this index
};

/// Other processes take cores away: what counts is what this one had of them.
double cpuSeconds(pid_t pid) {
  clockid_t clock;
  timespec time = {};
  if (clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &time))
    return 0;
  return double(time.tv_sec) + double(time.tv_nsec) * 1e-9;
}

std::string folder() {
  const char *given = getenv("TMPDIR");
  return given ? given : "/tmp";
}
} // namespace

static void writeAll(int to, const std::string &bytes) {
  for (size_t at = 0; at < bytes.size();) {
    ssize_t n = write(to, bytes.data() + at, bytes.size() - at);
    if (n <= 0)
      _exit(3);
    at += size_t(n);
  }
}

static void start(Child &child, unsigned number, const std::function<Outcome(uint64_t)> &one) {
  int ends[2];
  if (pipe(ends))
    abort();
  child.errors =
      folder() + "/gptc-differential-" + std::to_string(getpid()) + "-" + std::to_string(number) + ".log";
  child.reader = Reader();
  child.killed = false;
  child.used = 0;
  fflush(stdout);
  child.pid = fork();
  if (child.pid == 0) {
    close(ends[0]);
    int log = open(child.errors.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_APPEND, 0600);
    dup2(log, 2);
    if (chdir(folder().c_str()))
      _exit(3);
    for (uint64_t i = child.at; i < child.end; ++i) {
      if (ftruncate(2, 0))
        _exit(3);
      Outcome outcome = one(i);
      for (Finding &finding : outcome.findings) // passes say it on standard error
        if (finding.kind == "compile")
          finding.what += lastWords(child.errors);
      Writer writer;
      writer.outcome(outcome);
      Writer framed;
      framed.text(writer.bytes);
      writeAll(ends[1], framed.bytes);
    }
    if (__gcov_dump)
      __gcov_dump();
    _exit(0);
  }
  close(ends[1]);
  child.pipe = ends[0];
  child.since = Clock::now();
}

void gptc::differential::runAll(uint64_t begin, uint64_t end, unsigned jobs, double seconds,
                                const std::function<Outcome(uint64_t)> &one,
                                const std::function<void(const Report &)> &done) {
  const uint64_t portion = std::max<uint64_t>(1, std::min<uint64_t>(20, (end - begin) / (4 * jobs) + 1));
  std::vector<Child> children(jobs);
  uint64_t next = begin;
  auto refill = [&](unsigned i) {
    Child &child = children[i];
    if (child.at >= child.end && next < end) {
      child.at = next;
      child.end = next = std::min(end, next + portion);
    }
    if (child.at < child.end)
      start(child, i, one);
  };
  for (unsigned i = 0; i < jobs; ++i)
    refill(i);
  for (;;) {
    std::vector<pollfd> waits;
    std::vector<unsigned> who;
    for (unsigned i = 0; i < jobs; ++i)
      if (children[i].pid > 0) {
        waits.push_back({children[i].pipe, POLLIN, 0});
        who.push_back(i);
      }
    if (waits.empty())
      return;
    poll(waits.data(), waits.size(), 500);
    for (size_t w = 0; w < waits.size(); ++w) {
      Child &child = children[who[w]];
      auto finish = [&](Outcome outcome) {
        done({child.at, std::move(outcome)});
        ++child.at;
        child.since = Clock::now();
        child.used = child.pid > 0 ? cpuSeconds(child.pid) : 0;
      };
      if (waits[w].revents) {
        char buffer[65536];
        ssize_t n = read(child.pipe, buffer, sizeof buffer);
        if (n > 0) {
          child.reader.bytes.append(buffer, size_t(n));
          for (;;) {
            Reader framed = child.reader;
            std::string body = framed.text();
            if (!framed.good)
              break;
            child.reader.bytes.erase(0, framed.at);
            Reader inner;
            inner.bytes = body;
            finish(inner.outcome());
          }
          continue;
        }
        // The child has ended.
        close(child.pipe);
        int status = 0;
        waitpid(child.pid, &status, 0);
        child.pid = -1;
        if (child.at < child.end) {
          Outcome outcome;
          Finding finding;
          finding.kind = child.killed ? "time" : "crash";
          std::string words = lastWords(child.errors);
          finding.what = child.killed          ? "more than " + std::to_string(int(seconds)) + " s"
                         : WIFSIGNALED(status) ? std::string(strsignal(WTERMSIG(status)))
                                               : "exit code " + std::to_string(WEXITSTATUS(status));
          if (!words.empty())
            finding.what += ": " + words;
          outcome.findings.push_back(finding);
          finish(outcome);
        }
        unlink(child.errors.c_str());
        refill(who[w]);
      } else if (!child.killed &&
                 (cpuSeconds(child.pid) - child.used > seconds ||
                  std::chrono::duration<double>(Clock::now() - child.since).count() > 20 * seconds)) {
        child.killed = true;
        kill(child.pid, SIGKILL);
      }
    }
  }
}

Outcome gptc::differential::runApart(const std::function<Outcome()> &one, double seconds) {
  Outcome result;
  runAll(
      0, 1, 1, seconds, [&](uint64_t) { return one(); },
      [&](const Report &report) { result = report.outcome; });
  return result;
}
