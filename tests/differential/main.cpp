// gptc-differential: random models against the oracle. See README.md.
#include "differential/generator.h"
#include "differential/loaders.h"
#include "differential/shrink.h"
#include "differential/worker.h"

#include <algorithm>
#include <chrono>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <unistd.h>

using namespace gptc::differential;

namespace {
struct Options {
  uint64_t begin = 1, end = 0;
  bool print = false, shrinks = true, rejected = false, loaders = false;
  unsigned jobs = 2;
  int tries = 600;
  double seconds = 60;
  std::string xml, findings, gptc; // gptc: the program, beside this one
  std::vector<std::string> models;
};

int usage() {
  fprintf(stderr,
          "gptc-differential [--seeds FIRST:END] [--jobs N] [--xml FILE] [--findings DIR] [--no-shrink]\n"
          "                  [--rejected] [--loaders] [--seconds N] [--print SEED] [MODEL.gpt...]\n");
  return 2;
}

std::string escape(const std::string &text) {
  std::string result;
  for (char c : text)
    result += c == '<'   ? "&lt;"
              : c == '>' ? "&gt;"
              : c == '&' ? "&amp;"
              : c == '"' ? "&quot;"
                         : std::string(1, c);
  return result;
}

/// What is said about a model that failed.
std::string describe(const ModelTree &program, const Outcome &outcome, uint64_t seed) {
  Subject model = modelOf(program);
  std::ostringstream out;
  for (const Finding &finding : outcome.findings)
    out << "# " << finding.kind << ": " << finding.what << "\n#   " << finding.detail << "\n";
  out << "# seed " << seed << ", batch " << model.batch << ", numbers " << model.dataMode << "\n"
      << model.text;
  if (model.text != model.means)
    out << "# which means\n" << model.means;
  return out.str();
}

/// `# batch 4, numbers 1, seed 7` in a model of the corpus.
Subject readModel(const std::string &path) {
  auto read = [](const std::string &name) {
    std::ifstream file(name);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
  };
  Subject model;
  model.text = model.means = read(path);
  std::string meant = path.substr(0, path.rfind('.')) + ".means";
  if (std::string other = read(meant); !other.empty())
    model.means = other;
  auto fact = [&](const char *name, int64_t otherwise) {
    size_t at = model.text.find(name);
    return at == std::string::npos ? otherwise : std::atoll(model.text.c_str() + at + strlen(name));
  };
  model.batch = fact("# batch ", 3);
  model.dataMode = int(fact(", numbers ", 0));
  model.seed = uint64_t(fact(", seed ", 1));
  return model;
}

struct Case {
  std::string name, failure;
  bool skipped = false;
};

void writeXml(const std::string &path, const std::vector<Case> &cases) {
  std::ofstream file(path);
  file << "<testsuites>\n<testsuite name=\"differential\">\n";
  for (const Case &c : cases) {
    file << "<testcase classname=\"differential\" name=\"" << escape(c.name) << "\">";
    if (!c.failure.empty())
      file << "<failure message=\"" << escape(c.failure) << "\"/>";
    else if (c.skipped)
      file << "<skipped/>";
    file << "</testcase>\n";
  }
  file << "</testsuite>\n</testsuites>\n";
}
} // namespace

static int runModels(const Options &options, std::vector<Case> &cases) {
  int failed = 0;
  std::vector<Subject> models;
  for (const std::string &path : options.models)
    models.push_back(readModel(path));
  // Each in every setup, until one differs.
  auto one = [&](uint64_t index) {
    for (const Plan &plan : allPlans()) {
      Outcome outcome = check(models[index], plan);
      if (!outcome.findings.empty())
        return outcome;
    }
    return Outcome();
  };
  runAll(0, models.size(), options.jobs, options.seconds, one, [&](const Report &report) {
    const std::string &path = options.models[report.index];
    std::string name = path.substr(path.rfind('/') + 1), failure;
    for (const Finding &finding : report.outcome.findings) {
      failure += finding.kind + ": " + finding.what + ": " + finding.detail + "\n";
      printf("%s: %s: %s\n    %s\n", name.c_str(), finding.kind.c_str(), finding.what.c_str(),
             finding.detail.c_str());
    }
    fflush(stdout);
    failed += !failure.empty();
    cases.push_back({"corpus " + name, failure, false});
  });
  return failed;
}

static int runSeeds(const Options &options, std::vector<Case> &cases) {
  std::map<std::string, std::vector<uint64_t>> signatures;
  std::map<std::string, int64_t> counts, programs;
  uint64_t passed = 0, rejected = 0, done = 0, found = 0;
  auto begin = std::chrono::steady_clock::now();
  std::vector<std::pair<uint64_t, Outcome>> failures;
  auto one = [&](uint64_t seed) {
    ModelTree tree = generate(seed);
    if (options.loaders || (seed % 20 == 0 && !options.gptc.empty())) {
      Outcome outcome = checkLoaders(tree, options.gptc);
      if (outcome.state != Outcome::Skipped) {
        ++outcome.counts["trained by gptc"];
        return outcome;
      }
    }
    return check(modelOf(tree), planOf(seed));
  };
  auto shrinkOne = [&](uint64_t seed, const Outcome &first) {
    ModelTree program = generate(seed);
    std::string wanted = first.findings[0].kind;
    std::string what = first.findings[0].what.substr(0, first.findings[0].what.find(' '));
    Plan plan = planOf(seed);
    bool byLoaders = first.counts.count("trained by gptc");
    auto again = [&](const ModelTree &candidate) {
      return byLoaders ? checkLoaders(candidate, options.gptc) : check(modelOf(candidate), plan);
    };
    auto fails = [&](const ModelTree &candidate) {
      Outcome outcome = runApart([&] { return again(candidate); }, std::min(options.seconds, 20.0));
      for (const Finding &finding : outcome.findings)
        if (finding.kind == wanted &&
            (wanted != "crash" || finding.what.substr(0, finding.what.find(' ')) == what))
          return true;
      return false;
    };
    ModelTree small = shrink(program, fails, options.tries);
    Outcome last = runApart([&] { return again(small); }, options.seconds);
    return describe(small, last.findings.empty() ? first : last, seed);
  };
  runAll(options.begin, options.end, options.jobs, options.seconds, one, [&](const Report &report) {
    ++done;
    const Outcome &outcome = report.outcome;
    for (auto &[name, count] : outcome.counts) {
      counts[name] += count;
      ++programs[name];
    }
    std::string name = "seed " + std::to_string(report.index);
    if (outcome.state == Outcome::Rejected) {
      ++rejected;
      cases.push_back({name, "", true});
      if (options.rejected)
        printf("%s: %s\n", name.c_str(), outcome.findings[0].what.c_str());
      return;
    }
    if (outcome.findings.empty()) {
      ++passed;
      cases.push_back({name, "", false});
    } else {
      ++found;
      std::string failure;
      for (const Finding &finding : outcome.findings)
        failure += finding.kind + ": " + finding.what + ": " + finding.detail + "\n";
      cases.push_back({name, failure, false});
      auto &seeds = signatures[outcome.findings[0].signature()];
      seeds.push_back(report.index);
      printf("%s: %s", name.c_str(), failure.c_str());
      if (seeds.size() <= 2)
        failures.push_back({report.index, outcome});
    }
    if (done % 100 == 0) {
      double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
      fprintf(stderr, "%llu programs, %llu findings, %llu rejected, %.0f s\n", (unsigned long long)done,
              (unsigned long long)found, (unsigned long long)rejected, seconds);
    }
    fflush(stdout);
  });
  double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  printf("%llu programs: %llu agree, %llu differ or fail, %llu are no model; %.0f s\n",
         (unsigned long long)done, (unsigned long long)passed, (unsigned long long)found,
         (unsigned long long)rejected, seconds);
  for (auto &[name, count] : counts)
    printf("  %-28s %12lld in %lld programs\n", name.c_str(), (long long)count, (long long)programs[name]);
  for (auto &[signature, seeds] : signatures) {
    printf("%4zu x %s (first: %llu)\n", seeds.size(), signature.c_str(), (unsigned long long)seeds[0]);
  }
  fflush(stdout);
  if (options.shrinks)
    for (auto &[seed, outcome] : failures) {
      std::string text = shrinkOne(seed, outcome);
      printf("---- seed %llu; again: gptc-differential --seeds %llu:%llu\n%s\n", (unsigned long long)seed,
             (unsigned long long)seed, (unsigned long long)seed + 1, text.c_str());
      fflush(stdout);
      if (!options.findings.empty())
        std::ofstream(options.findings + "/seed-" + std::to_string(seed) + ".txt") << text;
    }
  return found != 0;
}

int main(int count, char **arguments) {
  Options options;
  options.gptc = arguments[0];
  options.gptc = options.gptc.find('/') == std::string::npos
                     ? ""
                     : options.gptc.substr(0, options.gptc.rfind('/')) + "/gptc";
  char whole[PATH_MAX];
  options.gptc = realpath(options.gptc.c_str(), whole) ? whole : "";
  for (int i = 1; i < count; ++i) {
    std::string argument = arguments[i];
    auto next = [&]() -> std::string { return ++i < count ? arguments[i] : ""; };
    if (argument == "--seeds") {
      std::string range = next();
      size_t colon = range.find(':');
      options.begin = std::strtoull(range.c_str(), nullptr, 10);
      options.end = colon == std::string::npos ? options.begin + 1
                                               : std::strtoull(range.c_str() + colon + 1, nullptr, 10);
    } else if (argument == "--print") {
      options.print = true;
      options.begin = std::strtoull(next().c_str(), nullptr, 10);
    } else if (argument == "--jobs")
      options.jobs = unsigned(std::max(1, std::atoi(next().c_str())));
    else if (argument == "--seconds")
      options.seconds = std::atof(next().c_str());
    else if (argument == "--tries")
      options.tries = std::atoi(next().c_str());
    else if (argument == "--xml")
      options.xml = next();
    else if (argument == "--findings")
      options.findings = next();
    else if (argument == "--loaders")
      options.loaders = true;
    else if (argument == "--no-shrink")
      options.shrinks = false;
    else if (argument == "--rejected")
      options.rejected = true;
    else if (argument.rfind("--", 0) == 0)
      return usage();
    else
      options.models.push_back(argument);
  }
  if (options.print) {
    Outcome none;
    printf("%s", describe(generate(options.begin), none, options.begin).c_str());
    return 0;
  }
  if (options.models.empty() && options.end <= options.begin)
    return usage();
  // Reproducers that failing passes write are for nobody here.
  const char *temporary = getenv("TMPDIR");
  std::string folder = std::string(temporary ? temporary : "/tmp") + "/gptc-differential-XXXXXX";
  if (!mkdtemp(folder.data()))
    return perror(folder.c_str()), 1;
  setenv("TMPDIR", folder.c_str(), 1);
  std::vector<Case> cases;
  int failed = runModels(options, cases);
  if (options.end > options.begin)
    failed |= runSeeds(options, cases);
  std::string remove = "rm -rf '" + folder + "'";
  failed |= system(remove.c_str());
  if (!options.xml.empty())
    writeXml(options.xml, cases);
  return failed ? 1 : 0;
}
