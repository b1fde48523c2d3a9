"""Gradients that vanish or explode in a deep stack."""
import re

from tools import examples, log


def run(gptc, work):
    model, data = examples / "deep.gpt", examples / "leaf.csv"

    def train(name, gain, code=0):
        done = gptc("train", model, "--data", data, "-o", work / name, "--set", f"gain={gain}", "--show-gradients", 50,
                    code=code)
        gradients = log(work / name)[0]["gradients"]
        return done, [gradients[f"layer.{i}.w"] for i in range(24)]

    good, healthy = train("good", 1)
    accuracy = gptc("eval", work / "good", "--data", data, "--part", "validation").number("accuracy")
    rows = [("a well begun tower of 24 layers learns", f"{accuracy:.1%}",
             accuracy > 0.9 and "warning" not in good.err),
            ("gradients are shown layer by layer", f"{min(healthy):.1e} to {max(healthy):.1e}",
             len(re.findall(r"^  layer\.23\.w ", good.err, re.M)) >= 2 and min(healthy) > 1e-4)]
    faded, tiny = train("faded", 0.3)
    rows.append(("gain 0.3: they vanish, and that is said", f"{min(tiny):.1e} to {max(tiny):.1e}",
                 max(tiny) < 1e-8 and "warning: step 1: the gradient vanishes: that of " in faded.err))
    grown, huge = train("grown", 4, code=1)
    rows.append(("gain 4: they explode, and that is said", f"{min(huge):.1e} to {max(huge):.1e}",
                 min(huge) > 1e6 and "warning: step 1: the gradient explodes: that of " in grown.err))
    place = re.search(r"^.*deep\.gpt:(\d+):\d+: error: '?(.*?)(?: in step|:|$)", grown.err, re.M)
    line = model.read_text().splitlines()[int(place[1]) - 1] if place else ""
    stopped = re.search(r"step (\d+): the .* is .*; training stopped", grown.err)
    rows.append(("and training stops: step, layer, line", f"step {stopped[1]}, line {place[1]}: {place[2]}"
                 if place and stopped else grown.err[-80:], bool(stopped and place and "layer." in place[2] and
                                                                 ("weighed" in line or "param" in line))))
    return rows
