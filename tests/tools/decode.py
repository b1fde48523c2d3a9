# RUN: %python %s %t
"""Generation goes on from caches: the text is that of the whole window while it fits, the bits are those of any number of
threads, past the context it goes on; and `gptc check --caches` says what is kept, or what looks ahead."""
import re

from harness import *

work_directory()
write("text.txt", text())


def model(body, context=48, more=""):
    return f"""setting context = {context}
text token[t < context]: chars
param embed[vocabulary, 16] ~ normal(0.4){more}
let x[t, c] = embed[token[t], c]{" + place[t, c]" if more else ""}
{body}
let logits[t, w] = sum(c: y[t, c] * embed[w, c])
output logits over vocabulary
loss mean(t: cross_entropy(logits[t], next(token)[t]))
train {{ batch: 4, steps: 30, optimizer: adamw(lr: 1e-2) }}
"""


attention = "attention = Attention(2, causal, std: 0.3, out: 0.3)\nlet y = x + attention(x, x)"
models = {
    "placed": model(attention, more=",  place[context, 16] ~ normal(0.4)"),
    "rotary": model("attention = GroupedAttention(2, 1, causal, std: 0.3, out: 0.3)\nlet y = x + attention(x)"),
    "linear": model("let m[t, c] = mean(s where s <= t: x[s, c])\nlet y[t, c] = x[t, c] + m[t, c] + x[t - 1, c]"),
    "ahead": model("let m[c] = mean(t: x[t, c])\nlet y[t, c] = x[t, c] + m[c]"),
}


def generate(name, *flags, **changes):
    result = run(["gptc", "generate", name, "--greedy", *flags], **changes)
    check(f"{name} {flags} generates", result.code == 0, result)
    return result.out


def numbers(printed):
    return [float(x) for x in re.findall(r" ([\d.]+) %", printed)]


prompt = text()[:20]
for name, body in models.items():
    write(name + ".gpt", body)
    result = run(["gptc", "train", name + ".gpt", "--data", "text.txt", "-o", name])
    check(f"{name} trains", result.code == 0, result)
    # Within the context the whole window gives the same: the likeliest tokens, and their shares but for rounding.
    cached = generate(name, "--prompt", prompt, "--tokens", "20", "--show-probs", "3")
    whole = generate(name, "--prompt", prompt, "--tokens", "20", "--show-probs", "3", "--slide", "1")
    check(f"{name}: the text of the whole window", cached.splitlines()[-1] == whole.splitlines()[-1], cached, whole)
    shares = list(zip(numbers(cached), numbers(whole)))
    check(f"{name}: its shares", shares and all(abs(a - b) <= 1.001 for a, b in shares), cached, whole)
    for threads in ("1", "3"):
        again = generate(name, "--prompt", prompt, "--tokens", "60", "--threads", threads)
        check(f"{name}: {threads} threads, the same text",
              again == generate(name, "--prompt", prompt, "--tokens", "60"), again)
    # Past the context it goes on, whatever the prompt's length.
    long = generate(name, "--prompt", text()[:300], "--tokens", "100")
    check(f"{name}: a long prompt and its text", len(long) >= 400, long)
    # A run that goes on from a chunk is one that goes on from single tokens.
    short = generate(name, "--prompt", text()[:7], "--tokens", "33")
    longer = generate(name, "--prompt", short.rstrip("\n")[:25], "--tokens", "15")
    check(f"{name}: a prompt of its own text goes on as it did", longer == short, short, longer)


def caches(name):
    result = run(["gptc", "check", name + ".gpt", "--caches"])
    check(f"check {name} --caches", result.code == 0, result)
    return result.out[result.out.index("caches "):]


said = caches("placed")
check("keys and values", "cache.attention.key" in said and "cache.attention.value" in said, said)
check("bytes of a position", "128 bytes per position of 48" in said, said)
said = caches("linear")
check("a sum that goes on, and the token before", "running.m" in said and "window." in said and "cache." not in said, said)
said = caches("ahead")
check("the line that looks ahead", "ahead.gpt:5: let m[c] = mean(t: x[t, c])" in said and "all positions" in said, said)
finish()
