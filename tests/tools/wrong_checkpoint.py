# RUN: %python %s %t
"""Checkpoints that are cut, foreign or lie: an error that names the file, or an older whole one and a warning."""
from harness import *

work_directory()
write("text.txt", text())
train("run")
newest, older = "run/checkpoints/step-00000020", "run/checkpoints/step-00000010"
good = read(newest + "/weights.safetensors")
header, data = safetensors(newest + "/weights.safetensors")
header.pop("__metadata__")  # without its checksum a file is judged by its structure
first = min((name for name in header), key=lambda name: header[name]["data_offsets"][0])


def changed(name=first, **fields):
    copy = {key: dict(value) for key, value in header.items()}
    copy[name].update(fields)
    return make_safetensors(copy, data)


def without(name):
    return make_safetensors({key: value for key, value in header.items() if key != name}, data)


entry = json.dumps(header[first])
rest = json.dumps({key: value for key, value in header.items() if key != first})[1:]
count = header[first]["shape"]
huge = 2 ** 63

# What --init says of such a file: no checkpoint is older, so it is an error.
cases = [
    ("empty", b"", "not a safetensors file: 0 bytes long, the header alone needs 8"),
    ("seven bytes", b"1234567", "not a safetensors file: 7 bytes long"),
    ("text", text(3).encode(), "truncated or not a safetensors file: the header says"),
    ("zip", b"PK\x03\x04" + bytes(60), "not a safetensors file"),
    ("header length", make_safetensors(header, data, length=2 ** 64 - 1), "the header says 18446744073709551615 bytes"),
    ("no JSON", make_safetensors(b"{]", b""), "header:"),
    ("a list", make_safetensors(b"[]", b""), "the header is no JSON object"),
    ("deep", make_safetensors(b'{"a":' + b"[" * 100000 + b"]" * 100000 + b"}", b""),
    "JSON nested deeper than 32 levels"),
    ("cut", good[:-100], "truncated"),
    ("cut in the header", good[:60], "truncated or not a safetensors file"),
    ("longer", good + b"tail", "4 bytes at its end belong to no tensor"),
    ("flipped bit", good[:-5] + bytes([good[-5] ^ 1]) + good[-4:], "damaged: the data does not match its checksum"),
    ("offsets beyond the file", changed(data_offsets=[huge - 4, huge - 4]), f"tensor '{first}'"),
    ("offsets reversed", changed(data_offsets=[8, 4]), f"tensor '{first}': its data_offsets are no range"),
    ("negative offset", changed(data_offsets=[-4, 4]), "its data_offsets are no range"),
    ("one offset", changed(data_offsets=[0]), "data_offsets needs 2 numbers, not 1"),
    ("overflow", changed(shape=[2 ** 33, 2 ** 33]), "the product of its shape overflows"),
    ("overflow hidden by a zero", changed(shape=[0, 2 ** 62, 2 ** 62], data_offsets=[0, 0]),
     "the product of its shape overflows"),
    ("negative size", changed(shape=[-1, 4]), "its shape has an entry that is no size"),
    ("sizes against offsets", changed(shape=[1]), "bytes between its offsets, its shape and dtype need 4"),
    ("dtype unknown", changed(dtype="F12"), "is F12, the model wants F32"),
    ("dtype of integers", changed(dtype="I32"), f"tensor '{first}' is I32, the model wants F32"),
    ("no dtype", make_safetensors({**header, first: {"shape": [1]}}, data), "needs dtype, shape and data_offsets"),
    ("shape turned", changed(shape=count[::-1] if count != count[::-1] else [count[0] * count[1]]), "the model wants"),
    ("duplicate name", make_safetensors(f'{{"{first}":{entry},"{first}":{entry},{rest}'.encode(), data), first),
    ("overlap", make_safetensors({**header, "extra": {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]}}, data),
     "overlap"),
    ("hole", without(first), "belong to no tensor"),
    ("a tensor less", make_safetensors({"other": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}, bytes(4)),
     "it lacks 36 of the model's 36 tensors"),
    ("optimizer's file", read(newest + "/optimizer.safetensors"), "it lacks 36 of the model's 36 tensors"),
]
for name, content, message in cases:
    write("bad.safetensors", content)
    result = gptc("train", tiny, "--data", "text.txt", "-o", "new", "--init", "bad.safetensors")
    if name == "duplicate name" and result.code == 0:
        check("a duplicate name is refused", False, result)
    check(f"--init: {name}", result.code == 1 and result.out == "" and message in result.err
          and "bad.safetensors" in result.err and sum("bad.safetensors" in l for l in result.err.splitlines()) == 1,
          result)
    check(f"--init: {name} leaves no run", not pathlib.Path("new").exists(), tree("new"))
result = gptc("train", tiny, "--data", "text.txt", "-o", "new", "--init", "missing.safetensors")
check("--init: missing", result.code == 1 and "cannot read 'missing.safetensors'" in result.err, result)

# A run whose newest checkpoint is broken: the one before serves, and it is said.
for name, spoil in [
    ("cut weights", lambda: write(newest + "/weights.safetensors", good[:-100])),
    ("no weights", lambda: pathlib.Path(newest + "/weights.safetensors").unlink()),
    ("empty state", lambda: write(newest + "/state.json", "")),
    ("foreign state", lambda: write(newest + "/state.json", '{"step": 7, "seed": 1, "batch": 4}')),
]:
    shutil.rmtree("run")
    train("run")
    spoil()
    result = gptc("generate", "run", "--prompt", "the ", "--tokens", "5")
    check(f"generate: {name}", result.code == 0 and "warning: step-00000020 is broken" in result.err, result)
    if name == "cut weights":
        kept = tree("run")
        result = gptc("train", "--resume", "run")
        check("resume goes on from the older one", result.code == 0 and "warning: step-00000020 is broken" in result.err
              and "resumed from step-00000010" in result.err, result)
        check("and ends with the bits that it had", read(newest + "/weights.safetensors") == good)
shutil.rmtree("run")
train("run")
for path in (newest, older):
    write(path + "/weights.safetensors", good[:-100])
before = tree("run")
for words in (["generate", "run"], ["eval", "run", "--data", "text.txt"], ["train", "--resume", "run"]):
    result = gptc(*words)
    check(f"{words[0]}: no whole checkpoint", result.code == 1 and result.out == ""
          and "'run' has no whole checkpoint: step-00000020 is broken" in result.err, result)
check("nothing was changed", tree("run") == before)

# config.json and model.gpt are input, too.
for name, content, message in [
    ("empty", "", "run/config.json"),
    ("cut", read("run/config.json")[:40], "run/config.json"),
    ("dtype", json.dumps({**json.loads(read("run/config.json")), "dtype": "f7"}), "unknown dtype 'f7'"),
    ("tokenizer", json.dumps({**json.loads(read("run/config.json")), "data": {"tokenizer": {"kind": "zip"}}}),
     "unknown tokenizer 'zip'"),
]:
    shutil.copytree("run", "copy")
    write("copy/config.json", content)
    result = gptc("generate", "copy")
    check(f"config.json: {name}", result.code == 1 and result.out == ""
          and (message.replace("run/", "copy/")) in result.err,
          result)
    shutil.rmtree("copy")
finish()
