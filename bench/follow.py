"""Does a training step compute what PyTorch's does? From the same weights, on the same batches,
at full learning rate from the first step: losses, and the gradients of the first step.

  follow.py --data text.txt [--steps 100] [--seed 8]

With some seeds one batch among the first twenty lies above the bound: Adam's first steps go by a gradient's sign, so
where it is a rounding error's an element moves by twice the rate. A row of a rare letter shows that when the letter
comes; f32 in PyTorch is as far from f64 there as we are (`--dtype f64` shows it).

Needs a build and Debian's python3-torch. Exits with 1 where a bound is exceeded.
"""
import argparse
import json
import os
import re
import subprocess
import sys
import tempfile

from torch_gpt import read_safetensors

root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def losses(path):
    return [json.loads(line)["loss"] for line in open(path)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--seed", type=int, default=8)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        model = open(os.path.join(root, "examples/shakespeare.gpt")).read()
        model, count = re.subn(r"lr: cosine\(1e-3[^)]*\)", "lr: 1e-3", model)
        assert count == 1, "examples/shakespeare.gpt has another learning rate"
        open(f"{work}/model.gpt", "w").write(model)
        reference = [sys.executable, os.path.join(root, "bench/torch_gpt.py")]
        subprocess.run(reference + ["init", "--out", f"{work}/init.safetensors", "--seed", str(args.seed)], check=True)
        subprocess.run(reference + ["follow", "--init", f"{work}/init.safetensors", "--data", args.data, "--log",
                                    f"{work}/torch.jsonl", "--moments", f"{work}/moments.safetensors", "--steps",
                                    str(args.steps), "--seed", str(args.seed)], check=True)
        for steps, run in ((1, "one"), (args.steps, "all")):
            subprocess.run([os.path.join(root, "build/bin/gptc"), "train", f"{work}/model.gpt", "--data", args.data,
                            "-o", f"{work}/{run}", "--init", f"{work}/init.safetensors", "--seed", str(args.seed),
                            "--set", f"steps={steps}"], check=True, stderr=subprocess.DEVNULL)
        ours, theirs = losses(f"{work}/all/log.jsonl"), losses(f"{work}/torch.jsonl")
        # After one step the first moment is (1 - beta1) times the clipped gradient.
        states = read_safetensors(f"{work}/one/checkpoints/step-00000001/optimizer.safetensors")
        worst = ("", 0.0)
        for name, theirs_m in read_safetensors(f"{work}/moments.safetensors").items():
            distance = float((states[name].double() - theirs_m.double()).norm() / theirs_m.double().norm())
            worst = max(worst, (name, distance), key=lambda pair: pair[1])
        bad = False
        for what, value, bound in [
            ("loss, first 20 steps", max(abs(a - b) for a, b in zip(ours[:20], theirs[:20])), 1e-5),
            (f"loss, {len(ours)} steps", max(abs(a - b) for a, b in zip(ours, theirs)), 1e-4),
            (f"gradients of the first step (worst: {worst[0]})", worst[1], 1e-5),
        ]:
            bad |= not value <= bound
            print(f"{what}: {value:.2e}, at most {bound:.0e}{'' if value <= bound else '  EXCEEDED'}")
        return 1 if bad else 0


sys.exit(main())
