# RUN: %python %s %t
"""Interrupted at random moments, evaluations included, and resumed, as often as it takes: every file of the run is
then that of a run that nobody disturbed. And what several signals do: INT INT, TERM HUP, HUP HUP, a closed terminal."""
import pty
import re
import time

from harness import *

work_directory()
write("text.txt", text(600))
# Evaluations take about as long as training does here, so that many interrupts hit one.
model = write("evaluates.gpt", read(here / "inputs" / "saves.gpt").decode().replace(
    "steps: 120, eval_every: 0, save_every: 1",
    "steps: 60, eval_every: 6, save_every: 10, validation: 6000"))
train("whole", "--keep", "3", "--show-gradients", "7", model=model)
whole = run_files("whole")
check("evaluations are logged", sum("val_loss" in line for line in log("whole")) == 10, log("whole"))


def start(*words, **options):
    return subprocess.Popen(["gptc", "train", *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, preexec_fn=own_signals, **options)


def first_words(directory):
    return [model, "--data", "text.txt", "-o", directory, "--keep", "3", "--show-gradients", "7"]


def wait_for(process, done, seconds=60):
    end = time.monotonic() + seconds
    while not done() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.001)


def lines(directory):
    path = pathlib.Path(directory) / "log.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


chance = random.Random()
seed = chance.randrange(1 << 30)
chance.seed(seed)
interrupts, in_evaluation = 0, 0
for number in range(2):
    directory = f"stopped{number}"
    words = first_words(directory)
    while True:
        had = lines(directory)
        process = start(*words)
        wanted = had + chance.randrange(2, 14)
        wait_for(process, lambda: lines(directory) >= wanted)
        time.sleep(chance.uniform(0, 0.02))
        process.send_signal(chance.choice([signal.SIGINT, signal.SIGTERM, signal.SIGHUP]))
        err = process.communicate(timeout=60)[1].decode()
        if process.returncode == 0:
            break
        saved = re.search(r"interrupted: saved (step-(\d+)); to go on: (gptc train --resume \S+)", err)
        if not check(f"interrupted (seed {seed})", process.returncode == 130 and saved
                     and "gptc: interrupted: finishes this step" in err, process.returncode, err):
            finish()
        interrupts += 1
        state = json.loads(read(f"{directory}/checkpoints/{saved[1]}/state.json"))
        in_evaluation += "pending" in state
        check(f"a step that waits for its evaluation is not logged (seed {seed})",
              lines(directory) == int(saved[2]) - ("pending" in state), lines(directory), state)
        words = saved[3].split()[2:]  # the message names the command
    check(f"{directory}: every file is that of the undisturbed run (seed {seed})", run_files(directory) == whole,
          {name: (whole.get(name), run_files(directory).get(name)) for name in {**whole, **run_files(directory)}
           if whole.get(name) != run_files(directory).get(name)})
print(f"{interrupts} interrupts, {in_evaluation} of them in an evaluation, seed {seed}")
check("many interrupts", interrupts >= 4, interrupts)

# Two signals are as good as one: it saves, says so, and names the command. The first says at once what it will do.
for name, numbers in (("int-int", [signal.SIGINT, signal.SIGINT]), ("term-hup", [signal.SIGTERM, signal.SIGHUP]),
                      ("hup-hup", [signal.SIGHUP, signal.SIGHUP])):
    process = start(*first_words(name), "--set", "steps=100000000", "--set", "save_every=0")
    wait_for(process, lambda: lines(name) >= 3)
    for number in numbers:
        process.send_signal(number)
    out, err = process.communicate(timeout=60)
    err = err.decode()
    check(f"{name}: saved", process.returncode == 130 and "gptc: interrupted: finishes this step" in err
          and re.search(rf"interrupted: saved step-\d+; to go on: gptc train --resume {name}$", err, re.M)
          and len([c for c in checkpoints(name) if c.startswith("step-")]) >= 1, process.returncode, err)

# Only the third Ctrl-C within a second gives up, and says what is lost.
process = start(*first_words("impatient"), "--set", "steps=100000000", "--set", "save_every=0", "--set", "eval_every=0",
                "--set", "batch=4000")
wait_for(process, lambda: lines("impatient") >= 1)
for _ in range(3):
    process.send_signal(signal.SIGINT)
    time.sleep(0.02)
err = process.communicate(timeout=60)[1].decode()
check("three times: it ends, saved or having said what is lost", process.returncode == 130
      and ("stopped at once: " in err or "interrupted: saved " in err), process.returncode, err)

# A terminal that closes: its processes get SIGHUP, and whatever they write fails.
master, slave = pty.openpty()


def take_terminal():
    own_signals()
    os.setsid()
    import fcntl
    import termios
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)


process = subprocess.Popen(["gptc", "train", *first_words("closed"), "--set", "steps=100000000"], stdin=slave,
                           stdout=slave, stderr=slave, preexec_fn=take_terminal, env=environment(TERM="xterm", CI=None))
os.close(slave)
os.set_blocking(master, False)


def drain():
    try:
        os.read(master, 1 << 16)
    except (BlockingIOError, OSError):
        pass
    return lines("closed") >= 5


wait_for(process, drain)
os.close(master)
process.wait(timeout=60)
check("a closed terminal: saved", process.returncode == 130
      and lines("closed") <= int(max(checkpoints("closed"))[5:]) <= lines("closed") + 1, process.returncode,
      checkpoints("closed"), lines("closed"))
finish()
