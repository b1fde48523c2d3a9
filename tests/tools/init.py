# RUN: %python %s %t
"""--init: weights bring what belongs to them, and a file of them is read for what it is."""
from harness import *

work_directory()
gpt = """
text token[t < 4]: TOKENS
param e[vocabulary, 4] ~ normal(1)
let logits[t, k] = sum(c: e[token[t], c] * e[k, c])
output logits over vocabulary
loss mean(t: cross_entropy(logits[t], next(token)[t]))
train { batch: 2, steps: 2, save_every: 2, optimizer: sgd(0) }
"""
for name, tokens in [("chars", "chars"), ("bpe", "bpe(258)"), ("abc", 'alphabet("abc")'), ("xyz", 'alphabet("xyz")')]:
    write(name + ".gpt", gpt.replace("TOKENS", tokens))
write("abc.txt", "abcabcbacacb" * 8)
write("xyz.txt", "xyzxyyzzxzyx" * 8)
write("mixed.txt", "cbacbacbaa" * 8)


def weights_file(run_directory):
    return f"{run_directory}/checkpoints/step-00000002/weights.safetensors"


def tensor(path, name="e"):
    header, data = safetensors(path)
    start, end = header[name]["data_offsets"]
    return header, data[start:end]


def fails(name, message, *words):
    result = gptc("train", *words, "-o", "no")
    check(name, result.code == 1 and message in result.err and not pathlib.Path("no").exists(), result)


# From a run: its tokens are those of the weights, whatever the new text would make.
train("old", model="chars.gpt", data="abc.txt")
train("pieces", model="bpe.gpt", data="abc.txt")
result = train("new", "--init", "old", model="chars.gpt", data="mixed.txt")
check("the run's vocabulary is said", "the vocabulary of 3 tokens is that of old" in result.err, result)
check("the weights are the run's", tensor(weights_file("new"))[1] == tensor(weights_file("old"))[1])
result = train("learned", "--init", "pieces", model="bpe.gpt", data="xyz.txt")
check("bpe learns nothing new", read("learned/tokenizer.json") == read("pieces/tokenizer.json"))
fails("a text in other letters", "xyz.txt:1:1: character 'x'", "chars.gpt", "--data", "xyz.txt", "--init", "old")
fails("another kind of tokens", "its tokens are of the kind `chars`, and bpe.gpt declares `bpe`",
      "bpe.gpt", "--data", "abc.txt", "--init", "old")
train("declared", model="abc.gpt", data="abc.txt")
fails("as many other letters", "its weights were trained on other tokens than xyz.gpt declares",
      "xyz.gpt", "--data", "xyz.txt", "--init", "declared")
train("same", "--init", "declared", model="abc.gpt", data="mixed.txt")
fails("no checkpoint", "is not a run", "abc.gpt", "--data", "abc.txt", "--init", ".")

# Rows: the statistics of columns are those of the weights.
write("rows.gpt", "rows x = standardise(a), y = columns(b)\nparam w = 0.5\nloss (w * x - y)^2\n"
      "train { batch: all, steps: 2, validation: 0, optimizer: sgd(0) }\n")
write("one.csv", "a,b\n1,0\n3,0\n")
write("two.csv", "a,b\n10,0\n30,0\n")
train("rows", model="rows.gpt", data="one.csv")
train("more", "--init", "rows", model="rows.gpt", data="two.csv")
mean = lambda name: json.loads(read(f"{name}/config.json"))["data"]["loader"]["x"]["mean"]
check("means are the run's", mean("more") == mean("rows") == [2], mean("more"))

# From a file alone.
result = train("file", "--init", weights_file("old"), model="chars.gpt", data="abc.txt")
check("a file brings no tokenizer", "holds no tokenizer: the data give a new one" in result.err
      and "--init RUN takes both" in result.err, result)
result = train("fixed", "--init", weights_file("declared"), model="abc.gpt", data="abc.txt")
check("nothing to say where the model declares it", "warning" not in result.err, result)
result = train("filerows", "--init", "rows/checkpoints/step-00000002/weights.safetensors", model="rows.gpt", data="two.csv")
check("nor statistics", "holds no means and deviations of columns" in result.err, result)

header, good = tensor(weights_file("declared"))
check("format is written", header["__metadata__"]["format"] == "pt", header)


def made(name, data=good, dtype="F32", **others):
    """The model's tensor and others that it has not: name -> (dtype, shape, bytes)."""
    entries, body = {"e": {"dtype": dtype, "shape": [3, 4], "data_offsets": [0, len(data)]}}, data
    for other, (kind, shape, raw) in others.items():
        entries[other] = {"dtype": kind, "shape": shape, "data_offsets": [len(body), len(body) + len(raw)]}
        body += raw
    return write(name + ".safetensors", make_safetensors(entries, body))


def start(name, *words):
    return gptc("train", "abc.gpt", "--data", "abc.txt", "--init", name + ".safetensors", "-o", name, *words)


made("extra", mask=("C64", [2], bytes(16)), half=("F8_E5M2", [3], bytes(3)), new=("F4", [4], bytes(2)),
     head=("F32", [1], struct.pack("<f", float("nan"))))
result = start("extra")
check("tensors that the model has not are named", result.code == 0
      and "extra.safetensors: the model has no half, head, mask, new; not read" in result.err, result)
check("the others are read", tensor(weights_file("extra"))[1] == good)
made("complex", bytes(96), "C64")
result = start("complex")
check("a type that cannot be read", result.code == 1 and "tensor 'e' is C64, the model wants F32" in result.err, result)
for name, value in [("nan", "nan"), ("inf", "inf")]:
    made(name, good[:20] + struct.pack("<f", float(value)) + good[24:])
    result = start(name)
    check(f"{name} is the file's", result.code == 1 and f"{name}.safetensors: tensor 'e' holds {value} at [1, 1]" in result.err
          and "update" not in result.err and not pathlib.Path(name).exists(), result)
made("wide", struct.pack("<12d", 1, 1e300, *[0] * 10), "F64")
result = start("wide")
check("more than f32", "tensor 'e' holds 1e+300 at [0, 1], more than F32 can hold" in result.err, result)
check("f64 holds it", start("wide", "--dtype", "f64", "--set", "steps=1").code in (0, 1))

# A checkpoint by its name.
train("several", "--set", "save_every=1", model="chars.gpt", data="abc.txt")
for word in ("step-00000001", "step-1"):
    result = succeed("weights", "several", "--checkpoint", word, "--show", "e")
    check(f"--checkpoint {word}", result.out.startswith("vocabulary"), result)
result = gptc("eval", "several", "--data", "abc.txt", "--checkpoint", "step-7")
check("one that is not there", result.code == 1 and
      "'several' has no checkpoint 'step-00000007'; it has step-00000002, step-00000001" in result.err, result)
result = gptc("eval", "several", "--data", "abc.txt", "--checkpoint", "worst")
check("no name", result.code == 2 and "`worst` is not latest, best or step-N" in result.err, result)
finish()
