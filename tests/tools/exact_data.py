# RUN: %python %s %t
"""What is read is what the file says: no character, line, digit or token gets lost without a word."""
from harness import *

work_directory()
mark, pairs = "\ufeff", """
pairs source[s < 8], target[t < 8]: TOKENS
param e[vocabulary, 8] ~ normal(0.3)
let given[s, c] = e[source[s], c]
let logits[t, k] = sum(c: (e[target[t], c] + mean(s where valid(source)[s]: given[s, c])) * e[k, c])
output logits over vocabulary
loss mean(t where valid(target)[t]: cross_entropy(logits[t], next(target)[t]))
train { batch: 8, steps: 2, validation: 0, optimizer: sgd(0.1) }
"""
write("chars.gpt", pairs.replace("TOKENS", "chars"))
write("bpe.gpt", pairs.replace("TOKENS", "bpe(262)"))


def pair(name, model, source, target, *words):
    write(name + ".a", source)
    write(name + ".b", target)
    return succeed("train", model, "--data", name + ".a", "--data", name + ".b", "-o", name, *words)


# Special tokens in plain text: the vocabulary has them, text does not.
pair("special", "bpe.gpt", "a </s> b\n" * 20, "<s> a</s>\n" * 20)
result = succeed("tokenizer", "encode", "special", "--text", "<s> a</s><pad>")
check("text becomes no special token", all(int(word) > 2 for word in result.out.split()), result)
result = succeed("tokenizer", "encode", "special", "--text", "<s>!</s>", "--special", "<s>", "--special", "</s>")
check("--special asks for it", result.out.split() == ["1", "3", "2"], result)
result = gptc("tokenizer", "encode", "special", "--text", "x", "--special", "<mask>")
check("--special of no token", result.code == 1 and "no special token '<mask>'; it has <pad>, <s>, </s>" in result.err, result)
table_text = run(["gptc", "run", "special", "--data", "special.a", "--data", "special.b", "--format", "table", "--show",
                  "logits"]).out
check("the target goes on behind its </s>", "<s>  ␣a" in table_text or "␣a" in table_text, table_text[:400])

# A line in is a line out, whatever an untrained model would choose.
pair("lines", "bpe.gpt", "a b\n\nc\n" * 8, "x\n\ny\n" * 8)
write("three", "a b\n\nc a b c a b c a b c a b c\n")
result = succeed("generate", "lines", "--data", "three", "--beam", "4", "--seed", "1")
check("three lines in, three out", result.out.count("\n") == 3, result)
check("a source that is cut is named", "three: line 3 has more tokens than the 8 that the model reads" in result.err, result)
result = succeed("generate", "lines", "--prompt", "a\nb")
check("a prompt of two lines", result.out.count("\n") == 2, result)
result = succeed("generate", "lines", "--data", "three", "--tokens", "1")
check("what --tokens cuts was asked for", "no end" not in result.err, result)

# A carriage return inside a line is a character of it; before the line's end it is none.
pair("returns", "chars.gpt", "a\rb\r\nc\r\n" * 4, "a\rb\nc\n" * 4)
result = succeed("tokenizer", "show", "returns")
check("the alphabet has it", '"\\x0d"' in result.out and '"\\n"' not in result.out, result)
result = pair("long", "chars.gpt", "a\nbbbbbbbbbb\na\nbbbbbbbbbbb\n", "a\nb\na\nb\n")
check("pairs that are too long have numbers", "2 of 4 pairs" in result.err and "(lines 2, 4)" in result.err, result)

# ids: what follows the prompt keeps its distance.
write("ids.gpt", "text token[t < 4]: ids(10)\nparam w[vocabulary, vocabulary] ~ normal(1)\n"
      "let logits[t, k] = w[token[t], k]\noutput logits over vocabulary\n"
      "loss mean(t: cross_entropy(logits[t], next(token)[t]))\n"
      "train { batch: 2, steps: 1, optimizer: sgd(0.1) }\n")
write("ids.txt", "1 2 3 4 5 6 7 8 9 0 " * 10)
train("ids", model="ids.gpt", data="ids.txt")
result = succeed("generate", "ids", "--prompt", "5 6", "--tokens", "3", "--seed", "2")
numbers = result.out.split()
check("prompt and tokens stand apart", len(numbers) == 5 and numbers[:2] == ["5", "6"]
      and all(0 <= int(n) < 10 for n in numbers), result)
probabilities = succeed("generate", "ids", "--prompt", "5 6", "--tokens", "3", "--seed", "2", "--show-probs", "2").out
check("so they do behind --show-probs", probabilities.splitlines()[-1] == result.out.strip(), probabilities)

result = succeed("generate", "ids", "--prompt", "1 2 3 4 5 6", "--tokens", "1")
check("a text without end is read whole", not result.err, result)
result = succeed("generate", "ids", "--prompt", "1 2 3 4 5 6", "--tokens", "1", "--slide", "1")
check("a prompt that the model does not see whole", "the prompt has 6 tokens, and the model sees the last 4 of them" in result.err, result)

# Every token of a text has its result, with --data as with --prompt; where the next one is asked for, but the last.
write("seven.txt", "1 2 3 4 5 6 7")
sums = "text token[t < 4]: ids(10)\nlet n = sum(t: float(token[t]))\n"
write("sum.gpt", sums + "output n\n")
write("next.gpt", sums + "let m = sum(t: float(next(token)[t]))\noutput m\n")
write("exact.gpt", sums.replace("[t < 4]", "[4]") + "output n\n")
check("all tokens are read", succeed("run", "sum.gpt", "--data", "seven.txt").out.split() == ["example,n", "0,10", "1,18"])
check("the last has none behind it", succeed("run", "next.gpt", "--data", "seven.txt").out.split() == ["example,m", "0,14", "1,13"])
result = succeed("run", "exact.gpt", "--data", "seven.txt")
check("what fills no window is named", result.out.split() == ["example,n", "0,10"]
      and "the last 3 of 7 tokens fill no window of 4" in result.err, result)

# Without a run nothing is trained: all rows count for the statistics.
write("rows.gpt", "rows x = standardise(a)\nlet y = x\noutput y\n")
write("rows.csv", "a\n" + "".join(f"{n}\n" for n in [1, 2, 3, 4, 5, 6, 7, 8, 9, 1000]))
values = [float(line.split(",")[1]) for line in succeed("run", "rows.gpt", "--data", "rows.csv").out.split()[1:]]
check("mean 0, deviation 1", abs(sum(values)) < 1e-5 and abs(sum(v * v for v in values) / 10 - 1) < 1e-5, values)

# Numbers.
write("numbers.gpt", "rows x = columns(a)\noutput x\n")
for name, content, message in [
    ("zero", b"a\n1\n3\0xyz\n", "zero.csv:3:2: a zero byte"),
    ("blank", b"a\n1\n\n3\n", "blank.csv:3:1: '' is not a number"),
    ("large", b"a\n1\n1e39\n", "large.csv:3:1: '1e39' is more than f32 can hold (column 'a'); --dtype f64 holds it"),
    ("wide", "a\n1\n".encode("utf-16"), "wide.csv: the text is in UTF-16; save it as UTF-8"),
    ("wider", "a\n1\n".encode("utf-32"), "wider.csv: the text is in UTF-32; save it as UTF-8"),
    ("unmarked", "a\n1\n".encode("utf-16-le"), "unmarked.csv: the text is in UTF-16"),
]:
    write(name + ".csv", content)
    result = gptc("run", "numbers.gpt", "--data", name + ".csv")
    check(name, result.code == 1 and result.out == "" and message in result.err, result)
check("f64 holds it", succeed("run", "numbers.gpt", "--data", "large.csv", "--dtype", "f64").out.endswith("1,1e+39\n"))
write("days.csv", "a\n20170103\n20170104\n")
result = succeed("run", "numbers.gpt", "--data", "days.csv")
check("two days that would be one", "days.csv:2:1: '20170103' becomes 20170104 in f32 (column 'a')" in result.err, result)
result = succeed("run", "numbers.gpt", "--data", "days.csv", "--dtype", "f64")
check("are two in f64", result.err == "" and result.out.split() == ["example,x", "0,20170103", "1,20170104"], result)

# A byte order mark is no character of a text, a table, a model, what it uses, or a JSON file.
model = "use \"part.gpt\"\ntext token[t < 4]: chars\nparam w[2] = file(\"w.csv\")\nlet a = sum(t: float(token[t])) + w[0] + half\noutput a\n"
write("marked.gpt", mark + model)
write("part.gpt", mark + "let half = 0.5\n")
write("w.csv", mark + "10, 20\n")
write("marked.txt", mark + "abcb")
result = succeed("run", "marked.gpt", "--data", "marked.txt")
check("marks are left out everywhere", result.out.split() == ["example,a", "0,14.5"], result)
check("also of a prompt's vocabulary", succeed("run", "marked.gpt", "--data", "marked.txt", "--prompt", "abcb").out == result.out)
write("error.gpt", mark + "let a = nothing\noutput a\n")
check("columns are those that are seen", "error.gpt:1:9: error: unknown name 'nothing'" in gptc("check", "error.gpt").err)
write("wide.gpt", model.encode("utf-16"))
check("a model in UTF-16", "'wide.gpt': it is in UTF-16" in gptc("check", "wide.gpt").err)
write("uses.gpt", "use \"wide.gpt\"\noutput 1\n")
check("what it uses in UTF-16", "'wide.gpt': it is in UTF-16" in gptc("check", "uses.gpt").err, gptc("check", "uses.gpt"))
write("text.txt", mark + "the cat the hat\n" * 20)
succeed("tokenizer", "train", "--data", "text.txt", "--vocabulary", "260", "-o", "t.json")
write("m.json", mark.encode() + read("t.json"))
for name in ("t.json", "m.json"):
    ids = succeed("tokenizer", "encode", name, "--data", "text.txt").out
    check(f"{name}: no token for the mark", succeed("tokenizer", "decode", name, "--tokens", ids).out.startswith("the cat"), ids)
finish()
