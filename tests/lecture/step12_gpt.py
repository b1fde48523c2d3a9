"""The GPT, small and larger; their gradients are checked by ModelGradient.Gpt among the unit tests."""
import math

from texts import letters, verses
from tools import examples, log


def run(gptc, work):
    data = work / "text.txt"
    text = verses("gen1:1-gen50:26")
    data.write_text(text)
    symbols = len(set(text))

    def parameters(name):
        line = next(l for l in gptc("check", examples / f"{name}.gpt", "--data", data).out.splitlines()
                    if l.startswith("parameters"))
        return int(line.split()[1].replace(",", ""))

    def expected(context, width, layers):
        return (symbols + context) * width + layers * (12 * width * width + 2 * width) + width

    sizes = {"shakespeare": expected(64, 128, 4), "shakespeare_large": expected(256, 384, 6)}
    counted = {name: parameters(name) for name in sizes}

    gptc("train", examples / "shakespeare.gpt", "--data", data, "-o", work / "small", "--set", "steps=150", "--set",
         "width=64", "--set", "layers=2")
    small = log(work / "small")
    tiny = ["--set", "context=32", "--set", "width=48", "--set", "layers=2", "--set", "batch=8", "--set", "steps=250"]
    gptc("train", examples / "shakespeare_large.gpt", "--data", data, "-o", work / "large", *tiny)
    large = log(work / "large")
    first = small[0]["loss"]
    return [
        ("the parameters that the formula gives", f"{counted['shakespeare']:,} and {counted['shakespeare_large']:,}",
         counted == sizes),
        ("at first every symbol is as likely", f"loss {first:.3f}, log({symbols}) is {math.log(symbols):.3f}",
         abs(first - math.log(symbols)) < 0.1),
        ("150 steps teach a small one something", f"validation loss {small[-1]['val_loss']:.3f}",
         small[-1]["val_loss"] < 2.6),
        ("the larger file, cut down, learns too, with dropout", f"validation loss {large[-1]['val_loss']:.3f}",
         large[-1]["val_loss"] < 2.6),
    ]
