# RUN: %python %s %t
"""Progress on terminals of several widths: no line is wider, evaluations stay, words wrap; through a resize, too."""
import fcntl
import os
import pty
import re
import select
import termios
import time

from harness import *

work_directory()
write("text.txt", text())


def on_terminal(words, columns, resize=None):
    """What a command writes to a terminal, as bytes. `resize`: columns once it has written something."""
    pid, terminal = pty.fork()
    if pid == 0:
        own_signals()
        os.environ.update(TERM="xterm-256color", LC_ALL="C.UTF-8")
        os.environ.pop("CI", None)
        os.execvp("gptc", ["gptc", *words])
    size = lambda n: fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, n, 0, 0))
    size(columns)
    written = b""
    deadline = time.monotonic() + 100
    while time.monotonic() < deadline:
        ready, _, _ = select.select([terminal], [], [], 1)
        if not ready:
            continue
        try:
            part = os.read(terminal, 65536)
        except OSError:
            break
        if not part:
            break
        written += part
        if resize and b"step" in written:
            size(resize)
            written, resize, kept = b"", None, written
    os.close(terminal)
    return written.decode("utf-8", "replace"), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def visible(text):
    return re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", text)


def screen(text):
    """The lines that stay: what a carriage return writes over is gone."""
    return [visible(line.rstrip("\r").rsplit("\r", 1)[-1]) for line in text.replace("\r\n", "\n").split("\n")]


for columns in (40, 60, 80, 120):
    name = f"run{columns}"
    out, code = on_terminal(["train", tiny, "--data", "text.txt", "-o", name], columns)
    check(f"{columns}: trains", code == 0, out)
    drawn = [visible(part) for line in out.replace("\r\n", "\n").split("\n") for part in line.split("\r")]
    wide = [line for line in drawn if len(line) > columns]
    check(f"{columns}: no line is wider", not wide, *wide)
    lines = screen(out)
    for step in (10, 20):
        stays = [line for line in lines if line.startswith(f"step {step}/20") and "val " in line]
        check(f"{columns}: the evaluation of step {step} leaves a line", len(stays) == 1, *lines)
    check(f"{columns}: finished, and how to go on", any("finished:" in line for line in lines)
          and any(f"gptc generate {name} --prompt" in line for line in lines), *lines)
    check(f"{columns}: bars are drawn", "━" in out if columns >= 80 else True, out)
last = visible(out)
check("at 120 columns all is said", re.search(r"step \d+/20  loss \d+\.\d+  (val \d+\.\d+  )?\d+:\d\d, \d+:\d\d left  lr \d\.\de-\d+  ", last), last)

out, code = on_terminal(["train", tiny, "--data", "text.txt", "-o", "resized", "--set", "steps=400"], 120, resize=40)
after = [visible(part) for line in out.replace("\r\n", "\n").split("\n") for part in line.split("\r")]
wide = [line for line in after[3:] if len(line) > 40] # what was being written is as it was
check("after a resize lines fit", code == 0 and not wide, *wide[:5])

out, code = on_terminal(["train", tiny, "--data", "missing-" + "x" * 20 + ".txt", "-o", "no"], 40)
lines = screen(out)
check("errors wrap between words", code == 1 and len(lines) > 2 and "No such file" in " ".join(" ".join(lines).split()), *lines)
out, code = on_terminal(["train", tiny, "--data", "text.txt", "-o", "again"], 40)
first = screen(out)[:3]
check("so does the first line", first[0].startswith("gptc: ") and len(first[0]) <= 40 and first[1].startswith("  "), *first)

# Where nobody looks: plain lines, evaluations among them, no control characters.
result = train("plain")
check("plain lines", "\x1b" not in result.err and "\r" not in result.err
      and len([line for line in result.err.splitlines() if re.match(r"step (10|20)/20 .* val ", line)]) == 2, result)
finish()
