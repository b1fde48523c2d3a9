# RUN: %python %s %t
"""Standard output carries results only; progress is plain lines on a pipe and a bar on a terminal."""
import pty
import re
import select

from harness import *

work_directory()
write("text.txt", text())
write("leaf.csv", table())


def on_terminal(words, **changes):
    """Standard error as a terminal of 100 columns; standard output stays a pipe."""
    primary, secondary = pty.openpty()
    import fcntl
    import termios
    fcntl.ioctl(secondary, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    process = subprocess.Popen(["gptc", *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=secondary,
                               env=environment(**{"CI": None, "TERM": "xterm-256color", "NO_COLOR": None, **changes}),
                               preexec_fn=own_signals)
    os.close(secondary)
    shown = b""
    while True:
        ready, _, _ = select.select([primary], [], [], 60)
        try:
            piece = os.read(primary, 65536) if ready else b""
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        shown += piece
    out = process.stdout.read()
    process.wait()
    os.close(primary)
    return process.returncode, out, shown.decode("utf-8", "replace")


arguments = ["train", tiny, "--data", "text.txt", "--set", "steps=60"]
for number, (what, changes, bar, colour, blocks) in enumerate([
    ("terminal", {"LC_ALL": "C.UTF-8"}, True, True, True),
    ("no UTF-8", {"LC_ALL": "C"}, True, True, False),
    ("NO_COLOR", {"NO_COLOR": "1"}, True, False, None),
    ("NO_COLOR empty", {"NO_COLOR": ""}, True, True, None),
    ("CI", {"CI": "true"}, False, False, None),
    ("dumb", {"TERM": "dumb"}, False, False, None),
]):
    code, out, shown = on_terminal([*arguments, "-o", f"run{number}"], **changes)
    lines = shown.replace("\r\n", "\n")
    check(f"{what}: success, no result", code == 0 and out == b"", code, out, shown)
    check(f"{what}: {'a bar' if bar else 'plain lines'}", ("\r" in lines) == bar and ("\033[J" in lines) == bar,
          repr(shown))
    check(f"{what}: {'colour' if colour else 'no colour'}", bool(re.search(r"\033\[[0-9;]*m", lines)) == colour,
          repr(shown))
    if blocks is not None:
        check(f"{what}: the bar's characters", ("\u2501" in lines) == blocks and ("#" in lines) == (not blocks),
              repr(shown))
    check(f"{what}: loss, speed and time left", "loss " in lines and "tokens/s" in lines and " left" in lines,
          repr(shown))
    if bar:
        drawn = [re.sub(r"\033\[[0-9;]*[mJ]", "", piece) for piece in lines.split("\r")]
        check(f"{what}: no drawn line is wider than the terminal",
              all(len(line) < 100 for piece in drawn for line in piece.split("\n")), drawn)

# On a pipe: plain lines, and each command's output is what was asked for.
result = train("run", "--set", "steps=60")
check("pipe: plain lines", "\r" not in result.err and "\033" not in result.err and "step 60/60  loss " in result.err,
      result)
check("pipe: the seed and the arena are said", re.search(r"\d+ parameters, seed 1, f32, \d+ threads?, arena [\d.]+ [KM]iB",
                                                       result.err), result)
result = succeed("generate", "run", "--prompt", "the ", "--tokens", "30", "--seed", "7")
check("generate: the text alone", result.err == "" and len(result.out) == 4 + 30 + 1 and result.out.startswith("the ")
      and result.out.endswith("\n"), result)
check("generate: the same again", succeed("generate", "run", "--prompt", "the ", "--tokens", "30", "--seed", "7").out
      == result.out)
check("generate: another seed", succeed("generate", "run", "--prompt", "the ", "--tokens", "30", "--seed", "8").out
      != result.out)
cold = [succeed("generate", "run", "--prompt", "the ", "--tokens", "20", "--temperature", "0", "--seed", s,
      "--threads", t).out
        for s, t in (("1", "1"), ("2", "2"), ("3", "3"))]
check("generate: temperature 0 knows no seed", cold[0] == cold[1] == cold[2], cold)
check("generate: --top-k 1 is the same",
      succeed("generate", "run", "--prompt", "the ", "--tokens", "20", "--top-k", "1").out
      == cold[0])
result = succeed("eval", "run", "--data", "text.txt")
check("eval: names and numbers", re.fullmatch(r"loss [\d.]+\naccuracy [\d.]+\ntokens \d+\n", result.out)
      and result.err == "", result)
again = succeed("eval", "run", "--data", "text.txt", "--part", "validation")
last = json.loads(log("run")[-1])["val_loss"]
# In training an evaluation reads at most a tenth of what was trained on; of a number of tokens all.
check("eval --part validation: near the log's last val_loss", abs(float(again.out.split()[1]) - last) < 0.2, again, last)
train("counted", "--set", "steps=5", "--set", "validation=600")
last = json.loads(log("counted")[-1])["val_loss"]
counted = succeed("eval", "counted", "--data", "text.txt", "--part", "validation")
check("eval --part validation: the log's last val_loss", f"loss {last:.6f}\n" in counted.out, counted, last)
best = succeed("eval", "run", "--data", "text.txt", "--part", "validation", "--checkpoint", "best")
check("eval --checkpoint best", float(best.out.split()[1]) <= float(again.out.split()[1]), best, again)
result = succeed("check", tiny, "--data", "text.txt")
check("check: settings, parameters, arena", result.err == "" and "settings    context = 16, width = 16" in result.out
      and re.search(r"^parameters  7,168$", result.out, re.M)
      and re.search(r"^  blocks.attention.q +2 x 16 x 2 x 8 +512$", result.out, re.M)
      and re.search(r"^arena +[\d.]+ KiB for a training step of 4 examples$", result.out, re.M), result)
double = succeed("check", tiny, "--data", "text.txt", "--dtype", "f64")
size = [float(re.search(r"arena +([\d.]+)", r.out).group(1)) for r in (result, double)]
check("check --dtype f64: twice the arena", 1.8 < size[1] / size[0] < 2.1, size)
result = succeed("build", tiny, "-o", "program")
check("build: no result", result.out == "" and "wrote program" in result.err, result)
result = succeed("run", leaf, "--data", "leaf.csv")
check("run: a line an example", result.err == "" and result.out.splitlines()[0] == "example,p[leaf],p[flower],kind"
      and len(result.out.splitlines()) == 61, result)
finish()
