"""What the tests of the command line share: running gptc, small texts and tables, checks that say what they saw."""
import json
import os
import pathlib
import random
import resource
import shutil
import signal
import struct
import subprocess
import sys

here = pathlib.Path(__file__).resolve().parent
tiny = str(here / "inputs" / "tiny.gpt")  # a GPT with dropout, two layers of width 16
leaf = str(here.parent.parent / "examples" / "leaf.gpt")
failures = 0


def work_directory():
    """The test's own directory (lit's %t), empty, and current from now on."""
    path = pathlib.Path(sys.argv[1]).resolve()
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    os.chdir(path)
    return path


def check(what, good, *seen):
    """Counts and reports; the test goes on, so that one run shows all that is wrong."""
    global failures
    if good:
        return True
    failures += 1
    print(f"FAILED: {what}", file=sys.stderr)
    for value in seen:
        print("  | " + str(value).rstrip()[:3000].replace("\n", "\n  | "), file=sys.stderr)
    return False


def finish():
    sys.exit(1 if failures else 0)


def environment(**changes):
    """The environment of lit with changes; None removes a variable."""
    result = dict(os.environ)
    for name, value in changes.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = value
    return result


def own_signals():
    """Ctrl-C reaches the child also where whoever started the tests ignores it."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


class Result:
    def __init__(self, process):
        self.code = process.returncode
        self.out = process.stdout.decode("utf-8", "replace")
        self.err = process.stderr.decode("utf-8", "replace")

    def __str__(self):
        return f"exit {self.code}\nout: {self.out}\nerr: {self.err}"


def run(words, cwd=None, env=None, limit=None, timeout=120, user=None, umask=None):
    """Runs a program to its end. `limit`: the largest file in bytes that it may write. `user`: whose rights it has."""

    def prepare():
        own_signals()
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        if umask is not None:
            os.umask(umask)
        if user is not None:
            os.setgroups([])
            os.setgid(user)
            os.setuid(user)

    words = [os.fspath(word) for word in words]
    return Result(subprocess.run(words, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, timeout=timeout, preexec_fn=prepare))


def somebody(directory="."):
    """The id of a user who has no right but to what lies in `directory`; None where we are one already. Root may read
    everything, so tests of permissions run as somebody else."""
    if os.geteuid() != 0:
        return None
    for path in [pathlib.Path(directory), *pathlib.Path(directory).rglob("*")]:
        os.chown(path, 65534, 65534, follow_symlinks=False)
    return 65534


def run_files(run_directory):
    """Every file of a run but for what the clock says: equal ones are equal runs."""
    files = tree(run_directory)
    files["log.jsonl"] = "\n".join(log(run_directory))
    config = json.loads(files["config.json"])
    for entry in config["data_seen"] + config["val_seen"]:
        entry.pop("modified")
    files["config.json"] = json.dumps(config)
    return files


def gptc(*words, **options):
    return run(["gptc", *words], **options)


def succeed(*words, **options):
    """gptc that must end with 0, with nothing but results on standard output."""
    result = gptc(*words, **options)
    if not check("gptc " + " ".join(map(str, words)), result.code == 0, result):
        finish()
    return result


def train(out, *words, model=tiny, data="text.txt", **options):
    result = succeed("train", model, "--data", data, "-o", out, *words, **options)
    check(f"train {out} prints no result", result.out == "", result)
    return result


def text(lines=200, seed=1):
    """Lines of a small vocabulary: a model learns from them in seconds."""
    chance = random.Random(seed)
    words = "the sun moon sea sings rises falls over under blue old stone bird tree and a to in".split()
    return "".join(" ".join(chance.choice(words) for _ in range(chance.randint(4, 9))) + ".\n" for _ in range(lines))


def table(rows=60, seed=2):
    """Leaves and flowers for examples/leaf.gpt."""
    chance = random.Random(seed)
    lines = ["red,green,blue,volume,kind"]
    for _ in range(rows):
        kind = chance.choice(["leaf", "flower"])
        middle = 0.2 if kind == "leaf" else 0.7
        lines.append(",".join(f"{middle + chance.gauss(0, 0.1):.3f}" for _ in range(4)) + "," + kind)
    return "\n".join(lines) + "\n"


def write(path, content):
    data = content if isinstance(content, bytes) else content.encode()
    pathlib.Path(path).write_bytes(data)
    return str(path)


def read(path):
    return pathlib.Path(path).read_bytes()


def log(run_directory):
    """The objects of log.jsonl without what the clock says, as text: equal text is equal bits."""
    lines = []
    for line in (pathlib.Path(run_directory) / "log.jsonl").read_text().splitlines():
        entry = json.loads(line)
        for name in ("ms", "tokens_per_s"):
            entry.pop(name)
        lines.append(json.dumps(entry))
    return lines


def checkpoints(run_directory):
    return sorted(path.name for path in (pathlib.Path(run_directory) / "checkpoints").iterdir())


def weights(run_directory, name=None):
    """The bytes of the newest checkpoint's weights and optimizer."""
    folder = pathlib.Path(run_directory) / "checkpoints"
    folder = folder / (name or checkpoints(run_directory)[-1])
    return read(folder / "weights.safetensors"), read(folder / "optimizer.safetensors")


def safetensors(path):
    """Header and data of a file."""
    raw = read(path)
    (length,) = struct.unpack("<Q", raw[:8])
    return json.loads(raw[8:8 + length]), raw[8 + length:]


def make_safetensors(header, data, length=None):
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(raw) if length is None else length) + raw + data


def tree(path):
    """Every file below a path with its content: two equal trees have lost nothing."""
    path = pathlib.Path(path)
    if not path.exists():
        return None
    return {str(file.relative_to(path)): file.read_bytes() if file.is_file() else None for file in path.rglob("*")}
