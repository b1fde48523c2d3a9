"""Rows of what a training step keeps for its backward pass, and of the speed that is left with less."""
import re
import statistics

from measure import Failure, Row, gptc, run, say
from step_rows import MODELS, log_times, text_of, train

UNITS = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


def memory(bench, model, *words):
    """Bytes that are kept, and all of a step."""
    sets = model.words(lambda name, size: ["--set", f"{name}={size}"])
    text = run([gptc, "check", model.file, "--data", text_of(bench, model), "--threads", str(bench.threads), *sets,
                *words])
    found = {name: float(number) * UNITS[unit]
             for name, number, unit in re.findall(r"^(kept|memory) +([\d.]+) (\w+)", text, re.M)}
    if len(found) != 2:
        raise Failure(f"gptc check {model.file} does not say what is kept")
    return found["kept"], found["memory"]


def budget_for(bench, model, most):
    """The largest --memory with which at most so many bytes are kept. Each try begins below what the last one took."""
    kept, budget = memory(bench, model)
    for _ in range(200):
        budget -= 0.002 * kept
        now, taken = memory(bench, model, "--memory", str(int(budget)))
        if now <= most:
            return int(budget), now
        budget = min(budget, taken)
    raise Failure(f"{model.name}: no --memory with which {most / 2**20:.1f} MiB are kept")


def kept(bench):
    for model in MODELS:
        if not bench.wants(model.name):
            continue
        say(f"kept for the backward pass {model.name}")
        floats = lambda size: size / 4 / (model.batch * model.context * model.layers * model.width)
        row = Row("kept for the backward pass", model.name, "f32", "floats", headline=True, physical=False)
        half = Row("speed with less kept", model.name, "f32", "of full speed", headline=True, physical=False)
        with bench.going_on(row.what):
            full = memory(bench, model)[0]
            row.ours.append(floats(full))
            row.note = "floats a token, layer and width, logits included"
            if bench.has("PyTorch"):
                sizes = model.words(lambda name, size: [f"--{name}", str(size)])
                saved = bench.torch("torch_gpt.py", "saved", "--data", text_of(bench, model), *sizes,
                                    *(["--gpt2"] if model.gpt2 else []))
                row.peers["PyTorch"] = [floats(saved["bytes"])]
                most = 0.3 * saved["bytes"]
            else:
                most = full / 2
            budget, less = budget_for(bench, model, most)
            half.note = f"{floats(full):.1f} floats without --memory, {floats(less):.1f} with {budget / 2**20:.0f} MiB"
            count = max(3, round(model.steps * bench.scale))
            sets = model.words(lambda name, size: [f"{name}={size}"]) + [f"steps={count}"]
            data = [text_of(bench, model)]
            time = lambda *words: statistics.median(log_times(train(bench, model.file, data, sets, "f32", words=words)))
            half.ours = bench.in_turn(bench.rounds if model.width < 768 else min(3, bench.rounds),
                                      lambda: time() / time("--memory", str(budget)))
        yield row
        yield half
