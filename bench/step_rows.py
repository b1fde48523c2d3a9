"""Rows of whole training steps: language models, the encoder-decoder, and a step under CPU contention."""
import json
import os
import random
import re
import statistics
import subprocess
import sys
import time

from measure import Failure, Row, gptc, root, run, say


class Model:
    """A training step: flops of its contractions, bytes of its optimizer, both counted."""

    def __init__(self, name, file, sizes, vocabulary, steps):
        self.name, self.file, self.sizes, self.vocabulary, self.steps = name, file, sizes, vocabulary, steps
        self.layers, self.heads, self.width, self.context, self.batch = sizes
        self.gpt2 = "gpt2" in file

    def flops(self):
        """Forward and two backward contractions; of the scores' square only what the causal mask leaves."""
        tokens = self.batch * self.context
        weights = self.layers * 12 * self.width ** 2 + self.vocabulary * self.width
        scores = self.layers * 2 * self.width * (self.context + 1) / 2
        return 6 * tokens * (weights + scores)

    def update_bytes(self):
        parameters = self.layers * 12 * self.width ** 2 + (self.vocabulary + self.context) * self.width
        return 7 * 4 * parameters

    def words(self, option):
        """The sizes as options of a command line."""
        names = ("layers", "heads", "width", "context", "batch")
        return [word for name, size in zip(names, self.sizes) for word in option(name, size)]


MODELS = [
    Model("L4 H4 C128 T64 B12 V65", "examples/shakespeare.gpt", (4, 4, 128, 64, 12), 65, 60),
    Model("L6 H6 C384 T256 B8 V65", "examples/shakespeare.gpt", (6, 6, 384, 256, 8), 65, 8),
    Model("GPT-2 124M T64 B4 V50257", "examples/gpt2.gpt", (12, 12, 768, 64, 4), 50257, 5),
]

NAMES = [model.name for model in MODELS] + ["encoder-decoder"]


def text_of(bench, model):
    """A file to train on: speed does not ask what it says, but the vocabulary counts."""
    numbers = random.Random(1)
    path = os.path.join(bench.out, f"tokens-{model.vocabulary}.txt")
    with open(path, "w") as file:
        if model.gpt2:
            file.write(" ".join(str(numbers.randrange(model.vocabulary)) for _ in range(1300)))
        else:
            letters = [chr(33 + i) for i in range(model.vocabulary)]
            file.write("".join(letters) + "".join(numbers.choice(letters) for _ in range(20000)))
    return path


def limit_ms(machine, dtype, flops, moved):
    return 1e3 * (flops / (machine[dtype] * 1e9) + moved / (machine["update"] * 1e9))


def log_times(directory):
    """Milliseconds of each step but the first fifth, which wakes everything up."""
    with open(os.path.join(directory, "log.jsonl")) as log:
        times = [json.loads(line)["ms"] for line in log]
    return times[(len(times) + 4) // 5:]


def train(bench, file, data, sets, dtype, run_name="run", seed=1, words=()):
    """Trains in a new directory and returns it. `words`: more options."""
    directory = os.path.join(bench.scratch, run_name)
    subprocess.run(["rm", "-rf", directory], check=True)
    words = [*words, *(w for path in data for w in ("--data", path)), *(w for s in sets for w in ("--set", s))]
    if dtype != "f32":
        words += ["--dtype", dtype]
    run([gptc, "train", file, "-o", directory, "--threads", str(bench.threads), "--seed", str(seed), *words])
    return directory


def ours(bench, model, steps, dtype):
    sets = model.words(lambda name, size: [f"{name}={size}"]) + [f"steps={steps}"]
    return log_times(train(bench, model.file, [text_of(bench, model)], sets, dtype))


def theirs(bench, model, steps, dtype):
    sizes = model.words(lambda name, size: [f"--{name}", str(size)])
    return bench.torch("torch_gpt.py", "train", "--no-validation", "--data", text_of(bench, model), "--steps",
                       str(steps), "--dtype", dtype, *sizes, *(["--gpt2"] if model.gpt2 else []))


def measure_step(bench, model, dtype, row):
    count = max(3, round(model.steps * bench.scale))
    peer = "PyTorch" if dtype == "f32" else "PyTorch autocast"

    def once():
        now = bench.machine(f"{dtype}|update")
        mine = dtype == "f32" or bench.ours_bf16
        return {"limit": limit_ms(now, dtype, model.flops(), model.update_bytes()),
                "ours": statistics.median(ours(bench, model, count, dtype)) if mine else None,
                peer: theirs(bench, model, count, dtype)["ms"] if bench.has("PyTorch") else None}

    for figures in bench.in_turn(bench.rounds if model.width < 768 else min(3, bench.rounds), once):
        row.add(**figures)


def steps(bench):
    for dtype in bench.dtypes:
        for model in MODELS:
            if bench.wants(model.name):
                say(f"training step {model.name}, {dtype}")
                row = Row("training step", model.name, dtype, "ms", headline=True)
                with bench.going_on(row.what):
                    measure_step(bench, model, dtype, row)
                yield row


#===-- The encoder-decoder ------------------------------------------------------#

PAIRS, MOST = 128, 32  # of a batch; tokens of a side, its end counted


def sentences(bench):
    """One batch of Multi30k: files of its lines, of its tokens, and the tokenizer of the whole."""
    en, de = bench.pairs
    tokenizer = os.path.join(bench.out, "tokenizer.json")
    if not os.path.exists(tokenizer):
        run([gptc, "tokenizer", "train", "--data", en, "--data", de, "--vocabulary", "4000", "--special", "<pad>",
             "--special", "<s>", "--special", "</s>", "-o", tokenizer])
    lines = [open(path, encoding="utf-8").read().split("\n") for path in (en, de)]
    chosen, tokens = [], []
    # Longer ones first, so that the batch is about as full as those of the example's training.
    near = sorted(range(min(2000, len(lines[0]) - 1)), key=lambda i: -len(lines[0][i]))
    for side in lines:
        path = os.path.join(bench.out, "candidates.txt")
        with open(path, "w", encoding="utf-8") as file:
            file.write("".join(side[i] + "\n" for i in near))
        encoded = run([gptc, "tokenizer", "encode", tokenizer, "--data", path]).split("\n")
        tokens.append([line.split()[:-1] for line in encoded[:len(near)]])  # without the line's end
    for i, (a, b) in enumerate(zip(*tokens)):
        if len(chosen) < PAIRS and 8 <= len(a) < MOST and 8 <= len(b) < MOST:
            chosen.append(i)
    if len(chosen) < PAIRS:
        raise Failure(f"{en}: fewer than {PAIRS} pairs of 8 to {MOST} tokens")
    files = []
    for side, (path, encoded) in enumerate(zip(("batch.en", "batch.de"), tokens)):
        files.append(os.path.join(bench.out, path))
        with open(files[-1], "w", encoding="utf-8") as file:
            file.write("".join(lines[side][near[i]] + "\n" for i in chosen))
        with open(files[-1] + ".ids", "w") as file:
            file.write("".join(" ".join(encoded[i]) + "\n" for i in chosen))
    lengths = [(len(tokens[0][i]) + 1, len(tokens[1][i]) + 1) for i in chosen]  # with begin or end
    return tokenizer, files, lengths


def batch_model(bench, tokenizer):
    """examples/translate.gpt with that tokenizer and all pairs of the file in each batch."""
    text = open(os.path.join(root, "examples/translate.gpt"), encoding="utf-8").read()
    for old, new in ((r": bpe\(words\)", f': tokenizer("{os.path.basename(tokenizer)}")'),
                     (r"batch: tokens\(.*?\), steps", f"batch: {PAIRS}, validation: 0, steps"),
                     (r", eval_every: \d+", "")):
        text, count = re.subn(old, new, text)
        if count != 1:
            raise Failure(f"examples/translate.gpt has no {old}")
    path = os.path.join(bench.out, "translate.gpt")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def translation_flops(lengths, layers=4, width=128, inner=256, vocabulary=4000):
    """Of the tokens that are there; padding counts nothing."""
    total = 0
    for s, t in lengths:
        encoder = s * (4 * width ** 2 + 2 * width * inner + 2 * width * s)
        itself = t * (4 * width ** 2 + 2 * width * (t + 1) / 2)
        across = t * (2 * width ** 2 + 2 * width * s) + s * 2 * width ** 2
        decoder = itself + across + t * 2 * width * inner
        total += layers * (encoder + decoder) + t * width * vocabulary
    return 6 * total


def translation(bench):
    if not bench.wants("encoder-decoder"):
        return []
    if not bench.pairs:
        say("encoder-decoder: no Multi30k; give it with --pairs train.en train.de")
        return []
    say("encoder-decoder")
    tokenizer, files, lengths = sentences(bench)
    model = batch_model(bench, tokenizer)
    count = max(3, round(20 * bench.scale))
    row = Row("training step", f"encoder-decoder, {PAIRS} pairs of Multi30k", "f32", "ms", headline=True)
    flops = translation_flops(lengths)
    layers, width, inner = 4, 128, 256
    parameters = 4000 * width + layers * (4 * width ** 2 + 2 * width * inner + 8 * width ** 2 + 2 * width * inner)

    def once():
        now = bench.machine("f32|update")
        mine = log_times(train(bench, model, files, [f"steps={count}"], "f32"))
        words = [*[f + ".ids" for f in files], "--steps", str(count)]
        # The average of the parameters is one read and one write more.
        return {"limit": limit_ms(now, "f32", flops, 9 * 4 * parameters), "ours": statistics.median(mine),
                "PyTorch": bench.torch("torch_transformer.py", *words)["ms"] if bench.has("PyTorch") else None}

    for figures in bench.in_turn(bench.rounds, once):
        row.add(**figures)
    return [row]


#===-- Company --------------------------------------------------------------------#

class Company:
    """One process that does nothing but spin."""

    def __enter__(self):
        self.process = subprocess.Popen([sys.executable, "-c", "while True: pass"])

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def weights(directory):
    with open(os.path.join(directory, "latest")) as file:
        return open(os.path.join(directory, "checkpoints", file.read().strip(), "weights.safetensors"), "rb").read()


def contention(bench):
    """What is left of the tokens a second beside a process that spins; the weights must be the same bits."""
    say("CPU contention")
    model = MODELS[0]
    count = max(5, round(120 * bench.scale))
    sets = model.words(lambda name, size: [f"{name}={size}"]) + [f"steps={count}"]
    row = Row("CPU contention", f"{model.name} beside a spinning process", "f32", "of undisturbed speed", headline=True,
              physical=False)

    def once(name):
        directory = train(bench, model.file, [text_of(bench, model)], sets, "f32", name)
        return statistics.mean(log_times(directory)), weights(directory)

    def both():
        alone, expected = once("alone")
        peer_alone = theirs(bench, model, count // 2, "f32")["mean_ms"] if bench.has("PyTorch") else None
        with Company():
            beside, actual = once("beside")
            peer_beside = theirs(bench, model, count // 2, "f32")["mean_ms"] if bench.has("PyTorch") else None
        if expected != actual:
            row.note = "the weights differ: a bug"
        return {"limit": bench.threads / (bench.threads + 1), "ours": alone / beside,
                "PyTorch": peer_alone / peer_beside if peer_alone else None}

    for figures in bench.in_turn(min(3, bench.rounds), both):
        row.add(**figures)
    halved = f"{1 - 0.5 / bench.threads:.0%} with one core shared by halves"
    row.note = row.note or f"same bits; the limit is a fair share by threads, {halved}"
    return [row]


#===-- The recipe -----------------------------------------------------------------#

def last_validation(directory):
    with open(os.path.join(directory, "log.jsonl")) as log:
        return [entry["val_loss"] for entry in map(json.loads, log) if "val_loss" in entry][-1]


def recipe(bench):
    """How far examples/shakespeare.gpt comes in the time that PyTorch needed just before for its 2,000 steps. Starting,
    compiling and validating are part of the time."""
    if not bench.data or not bench.has("PyTorch"):
        raise Failure("the recipe needs a text, given with --data, and PyTorch")
    model, data = MODELS[0], os.path.abspath(bench.data)
    row = Row("recipe", "validation loss", "f32", "loss", headline=True, physical=False)

    def timed(steps, seed):
        start = time.perf_counter()
        directory = train(bench, model.file, [data], [f"steps={steps}"], "f32", seed=seed)
        return time.perf_counter() - start, last_validation(directory)

    seconds, ours_seconds, counts = [], [], []
    say("recipe: how long a step takes")
    few, many = (max(20, round(n * bench.scale)) for n in (200, 1000))
    first, second = timed(few, 1)[0], timed(many, 1)[0]
    each = (second - first) / (many - few)
    for seed in (1, 2, 3):
        say(f"recipe, seed {seed}")
        theirs_steps = max(50, round(2000 * bench.scale))
        result = bench.torch("torch_gpt.py", "train", "--data", data, "--steps", str(theirs_steps), "--seed", str(seed))
        seconds.append(result["wall"])
        row.peers.setdefault("PyTorch", []).append(result["val_loss"])
        steps = int((seconds[-1] - (first - few * each)) / each)
        counts.append(steps)
        took, loss = timed(steps, seed)
        ours_seconds.append(took)
        row.ours.append(loss)
    row.note = (f"the means are {statistics.mean(row.ours):.4f} after {statistics.mean(counts):.0f} steps in "
                f"{statistics.mean(ours_seconds):.0f} s, and {statistics.mean(row.peers['PyTorch']):.4f} after "
                f"{theirs_steps} in {statistics.mean(seconds):.0f} s")
    return [row]
