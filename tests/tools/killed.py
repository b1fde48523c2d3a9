# RUN: %python %s %t
"""kill -9 at twenty random moments of training and saving: every resume finds a whole checkpoint, and the end has the
bits of a run that was never stopped. Ctrl-C, termination and a closed terminal save and end with 130."""
import time

from harness import *

work_directory()
write("text.txt", text())
model = str(here / "inputs" / "saves.gpt")  # saves behind every step
train("whole", model=model)
reference, steps = log("whole"), len(log("whole"))


def start(*words):
    return subprocess.Popen(["gptc", "train", *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, preexec_fn=own_signals)


def logged(directory):
    path = pathlib.Path(directory) / "log.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


def wait_for_steps(process, directory, number, seconds=60):
    """Until the log has `number` lines, or the process ends."""
    end = time.monotonic() + seconds
    while logged(directory) < number and process.poll() is None and time.monotonic() < end:
        time.sleep(0.001)


def words_for(directory):
    started = (pathlib.Path(directory) / "config.json").exists()
    return ["--resume", directory] if started else [model, "--data", "text.txt", "-o", directory]


chance = random.Random()
seed = chance.randrange(1 << 30)
chance.seed(seed)
kills, alive, saving = 0, 0, 0
directory = "killed"
while kills < 20:
    # Some while it compiles or starts; most of them while it trains and saves.
    process = start(*words_for(directory))
    if kills % 7 == 3:
        time.sleep(chance.uniform(0, 0.3))
    else:
        had = logged(directory)
        wait_for_steps(process, directory, had + chance.randrange(1, 4))
        time.sleep(chance.uniform(0, 0.006))
    if process.poll() is not None:
        message = process.communicate()[1].decode()
        if not check(f"a resumed run works (seed {seed}, kill {kills})", process.returncode == 0, message):
            break
        # Done before it could be killed: again from the beginning.
        check("finished: the same bits", weights(directory) == weights("whole"))
        directory = f"killed{kills}"
        continue
    process.kill()
    process.communicate()
    kills += 1
    saving += any(path.name.startswith(".tmp-") for path in pathlib.Path(directory).glob("checkpoints/*"))
    if pathlib.Path(directory, "checkpoints").exists() and [c for c in checkpoints(directory) if c.startswith("step-")]:
        alive += 1
        # What readers see at this very moment is whole: names without a dot, files that pass their checksums.
        named = [c for c in checkpoints(directory) if not c.startswith(".")]
        for name in named:
            files = {path.name for path in pathlib.Path(directory, "checkpoints", name).iterdir()}
            check(f"whole checkpoint {name} (seed {seed}, kill {kills})",
                  files == {"weights.safetensors", "optimizer.safetensors", "state.json"}, files)
            check(f"bits of {name} (seed {seed}, kill {kills})",
                  json.loads(read(f"{directory}/checkpoints/{name}/state.json"))["step"] == int(name[5:]))
check("most kills hit a run with checkpoints", alive >= 10, alive)
print(f"{kills} kills, seed {seed}: {alive} with checkpoints, {saving} in the middle of saving")
result = gptc("train", *words_for(directory))
check(f"the last resume works (seed {seed})", result.code == 0 and "broken" not in result.err, result)
check(f"the same log as never stopped (seed {seed})", log(directory) == reference)
check(f"the same bits as never stopped (seed {seed})", weights(directory) == weights("whole"))
check("nothing half-written stays", not [p for p in pathlib.Path(directory).rglob(".*")], tree(directory).keys())

# Interrupts: the state is saved behind the step that runs, whatever save_every says.
for name, number in (("INT", signal.SIGINT), ("TERM", signal.SIGTERM), ("HUP", signal.SIGHUP)):
    run_directory = "stopped" + name
    process = start(model, "--data", "text.txt", "-o", run_directory, "--set", "save_every=0", "--set",
          "steps=100000000")
    wait_for_steps(process, run_directory, 5)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    message = err.decode()
    done = logged(run_directory)
    check(f"SIG{name}: exit 130 after saving", process.returncode == 130 and out == b""
          and f"interrupted: saved step-{done:08}" in message, process.returncode, message)
    check(f"SIG{name}: the checkpoint is there", checkpoints(run_directory) == [f"step-{done:08}"],
          checkpoints(run_directory))
    if name == "INT" and done < steps:
        result = gptc("train", "--resume", run_directory, "--set", f"steps={steps}", "--set", "save_every=1")
        check("resumed after Ctrl-C: the same bits", result.code == 0 and weights(run_directory) == weights("whole"),
              result)
# While nothing is there to save, Ctrl-C ends the process at once; the same command then starts.
process = start(model, "--data", "text.txt", "-o", "early")
time.sleep(0.05)
process.send_signal(signal.SIGINT)
process.communicate(timeout=60)
check("interrupted while compiling", process.returncode in (130, -signal.SIGINT), process.returncode)
train("early", model=model)
check("it then starts as if nothing had been", log("early") == reference)
# Who ignores Ctrl-C (nohup, a job in the background) goes on.
process = subprocess.Popen(["sh", "-c", f"trap '' INT HUP; exec gptc train {model} --data text.txt -o ignored"],
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE)
wait_for_steps(process, "ignored", 3)
process.send_signal(signal.SIGHUP)
process.send_signal(signal.SIGINT)
_, err = process.communicate(timeout=60)
check("ignored signals stay ignored", process.returncode == 0 and log("ignored") == reference, process.returncode, err)

# Two cannot train in one directory.
process = start(model, "--data", "text.txt", "-o", "shared", "--set", "steps=100000000", "--set", "save_every=1000000")
wait_for_steps(process, "shared", 2)
result = gptc("train", "--resume", "shared")
check("a second trainer is refused", result.code == 1 and "another process trains in this directory" in result.err,
      result)
process.send_signal(signal.SIGINT)
process.communicate(timeout=60)
check("the first one is not disturbed", process.returncode == 130, process.returncode)
finish()
