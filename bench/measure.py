"""Processes that are measured, and what comes of their figures."""
import contextlib
import json
import os
import statistics
import subprocess
import sys
import time

root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
gptc = os.path.join(root, "build/bin/gptc")
kernels = os.path.join(root, "build/bin/gptc-kernels")
# Debian's own Python has torch; OpenBLAS with OpenMP comes first, or torch is slowed unfairly.
python = "/usr/bin/python3"
blas = "/usr/lib/x86_64-linux-gnu/openblas-openmp"

CALM = 0.9  # of the machine's best: below it others use it, too


class Failure(Exception):
    """A process that did not do what it was asked; the text says which and why."""


def say(text):
    print(text, file=sys.stderr, flush=True)


def run(command, env=None):
    """Standard output of a process."""
    done = subprocess.run(command, env=env, text=True, capture_output=True, cwd=root)
    if done.returncode != 0:
        last = "\n".join(done.stderr.strip().splitlines()[-5:])
        raise Failure(f"{' '.join(command)}: exit code {done.returncode}\n{last}")
    return done.stdout


class Row:
    """A line of the table: figures of interleaved rounds. A figure is speed (`more` is better) or time."""

    def __init__(self, group, what, dtype, unit, headline=False, physical=True):
        self.group, self.what, self.dtype, self.unit, self.headline = group, what, dtype, unit, headline
        self.physical = physical  # the limit is the machine's, so nothing can pass it
        self.ours, self.limits, self.peers, self.note = [], [], {}, ""

    @property
    def more(self):
        return self.unit not in ("ms", "loss", "floats")

    def better(self, a, b):
        """How many times as good figure a is as b."""
        return a / b if self.more else b / a

    def ratio(self, peer):
        """Median over neighbouring runs."""
        pairs = list(zip(self.ours, self.peers.get(peer, [])))
        return statistics.median(self.better(a, b) for a, b in pairs) if pairs else None

    def share(self, figures):
        pairs = list(zip(figures, self.limits))
        return statistics.median(self.better(a, b) for a, b in pairs) if pairs else None

    def add(self, ours, limit=None, **peers):
        """A round's figures; what was not measured is None."""
        for values, figure in ((self.ours, ours), (self.limits, limit)):
            if figure is not None:
                values.append(figure)
        for name, figure in peers.items():
            if figure is not None:
                self.peers.setdefault(name, []).append(figure)

    @classmethod
    def of_json(cls, entry):
        row = cls(*(entry[key] for key in ("group", "what", "dtype", "unit", "headline", "physical")))
        row.ours, row.limits, row.note = (entry["ours"] or {}).get("values", []), entry["limits"], entry["note"]
        row.peers = {name: figures["values"] for name, figures in entry["theirs"].items()}
        return row

    def as_json(self):
        def figures(values, **more):
            return dict(median=round(statistics.median(values), 4), spread=round(spread(values), 3),
                        values=[round(v, 4) for v in values], **more) if values else None

        share = self.share(self.ours)
        return {"group": self.group, "what": self.what, "dtype": self.dtype, "unit": self.unit,
                "headline": self.headline, "physical": self.physical, "ours": figures(self.ours),
                "limit": round(statistics.median(self.limits), 4) if self.limits else None,
                "limits": [round(limit, 4) for limit in self.limits],
                "share": round(share, 4) if share else None,
                "theirs": {name: figures(values, ratio=round(self.ratio(name), 3) if self.ours else None,
                                         share=round(self.share(values), 4) if self.limits else None)
                           for name, values in self.peers.items() if values},
                "note": self.note}


def spread(values):
    """(largest - smallest) / median."""
    return (max(values) - min(values)) / statistics.median(values)


class Bench:
    """What all parts share: options, the directory for files, the peers that are there."""

    def __init__(self, args):
        self.threads, self.rounds, self.out, self.scale = args.threads, args.rounds, args.out, args.scale
        self.data, self.pairs = args.data, args.pairs
        self.versions, self.missing, self.failures = {}, {}, []
        self.best, self.again = {}, 0
        found = run([kernels, "--benchmark_filter=^machine/f32/threads:1/", "--benchmark_format=json",
                     "--benchmark_min_time=0.001"])
        context = json.loads(found)["context"]
        for name, package in (("OpenBLAS", "libopenblas0-openmp"), ("oneDNN", "libdnnl-dev")):
            if name in context:
                self.versions[name] = context[name]
            else:
                self.missing[name] = package
        try:
            self.versions["PyTorch"] = run([python, "-c", "import torch; print(torch.__version__)"],
                                           self.torch_environment()).strip()
        except Failure:
            self.missing["PyTorch"] = "python3-torch libopenblas0-openmp"
        help_text = subprocess.run([gptc, "train", "--help"], capture_output=True, text=True).stdout
        self.dtypes = ["f32"]
        if self.machine_names("bf16"):
            self.dtypes.append("bf16")
        self.ours_bf16 = "bf16" in help_text

    @contextlib.contextmanager
    def going_on(self, what):
        """What fails inside is said at the end; the rest is measured."""
        try:
            yield
        except Failure as failure:
            say(f"{what}: {failure}")
            self.failures.append(f"{what}: {failure}")

    def machine_names(self, name):
        listed = run([kernels, f"--benchmark_filter=^machine/{name}/", "--benchmark_list_tests=true"])
        return [line for line in listed.split() if line]

    def torch_environment(self):
        env = {k: v for k, v in os.environ.items() if not k.startswith("OPENBLAS_")}
        env["LD_LIBRARY_PATH"] = blas
        return env

    def has(self, peer):
        return peer in self.versions

    def torch(self, script, *words, **env):
        """What a script of bench/ prints, as JSON."""
        text = run([python, os.path.join("bench", script), *words, "--threads", str(self.threads)],
                   {**self.torch_environment(), **env})
        return json.loads(text.strip().splitlines()[-1])

    def google(self, pattern, repetitions=1, seconds=0.1, dtype="f32"):
        """Figures of benchmarks on all threads, a list for each name, taken in turns. Times are in ms. Where tiles
        are counted, too, that figure has the name with `/by tiles` behind it."""
        done = subprocess.run(
            [kernels, "--threads", str(self.threads), "--dtype", dtype, "--benchmark_format=json",
             f"--benchmark_filter=^({pattern}).*/threads:{self.threads}/",
             f"--benchmark_min_time={seconds * self.scale}", f"--benchmark_repetitions={repetitions}",
             "--benchmark_enable_random_interleaving=true"],
            text=True, capture_output=True, cwd=root)
        if done.returncode != 0:
            raise Failure(f"gptc-kernels {pattern}: exit code {done.returncode}\n{done.stderr[-500:]}")
        figures = {}
        entries = [e for e in json.loads(done.stdout)["benchmarks"]
                   if e["run_type"] == "iteration" and not e.get("error_occurred")]
        for entry in sorted(entries, key=lambda e: e.get("repetition_index", 0)):
            name = entry["name"].split("/threads:")[0]
            unit = next((u for u in ("GFLOP/s", "GB/s") if u in entry), None)
            figures.setdefault(name, []).append(entry[unit] if unit else entry["real_time"])
            if "GFLOP/s by tiles" in entry:
                figures.setdefault(name + "/by tiles", []).append(entry["GFLOP/s by tiles"])
        return figures

    def machine(self, names="f32|bf16|read|copy|add|update"):
        """GFLOP/s and GB/s of the machine, by name."""
        found = self.google(f"machine/({names})")
        return {name.split("/")[1]: values[0] for name, values in found.items()}

    def calm(self):
        """How near the machine is to the best that it did while this ran: arithmetic, and reading the last cache."""
        now = self.machine("f32|cached")
        for name, figure in now.items():
            self.best[name] = max(figure, self.best.get(name, 0))
        return now

    def in_turn(self, count, once):
        """What so many calls of `once` return. A call beside which the machine did less than CALM of its best, as others
        used it, is made again after a while, up to as many times as there are rounds; the calmest are taken."""
        tries = []

        def calmness(now):
            return min(now[name] / best for name, best in self.best.items())

        def taken():
            return sorted(sorted(range(len(tries)), key=lambda i: -min(map(calmness, tries[i][0])))[:count])

        for left in reversed(range(2 * count)):
            before = self.calm()
            result = once()
            tries.append(((before, self.calm()), result))
            good = [i for i in taken() if min(map(calmness, tries[i][0])) >= CALM]
            if len(good) == count:
                break
            if left and calmness(tries[-1][0][1]) < CALM:
                time.sleep(10 * self.scale)
        self.again += len(tries) - count
        return [tries[i][1] for i in taken()]
