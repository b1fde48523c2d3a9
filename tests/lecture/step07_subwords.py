"""Subword tokens: a vocabulary given by hand, one that is learned, and a model that reads with it."""
import json
import random
import time

from tools import examples, root


def made_text(size):
    """Words that no text has, about as often as words are."""
    pick = random.Random(1)
    words = ["".join(pick.choice("abcdefghijklmnoprstuvwz") for _ in range(pick.randint(2, 9))) for _ in range(5000)]
    lines, length = [], 0
    while length < size:
        lines.append(" ".join(words[int(5000 * pick.random() ** 4)] for _ in range(8)))
        length += len(lines[-1]) + 1
    return "\n".join(lines) + "\n"


def strange_text():
    """Characters of every kind and length."""
    pick = random.Random(2)
    kinds = [(0x20, 0x7F), (0x61, 0x7B), (0x80, 0x800), (0x800, 0xD800), (0xE000, 0x10000), (0x10000, 0x110000), (9, 14)]
    return "".join(chr(pick.randrange(*pick.choice(kinds))) for _ in range(20000))


def follow(file, word):
    """A word's tokens by what a tokenizer.json says alone: lowest rank first."""
    model = json.loads(file.read_text(encoding="utf-8"))["model"]
    ranks = {merge: rank for rank, merge in enumerate(model["merges"])}
    parts = list(word.replace(" ", "Ġ"))
    while len(parts) > 1:
        rank, at = min((ranks.get(f"{a} {b}", len(ranks)), i) for i, (a, b) in enumerate(zip(parts, parts[1:])))
        if rank == len(ranks):
            break
        parts[at:at + 2] = [parts[at] + parts[at + 1]]
    return [model["vocab"][part] for part in parts]


def run(gptc, work):
    def pieces(tokenizer, text):
        return gptc("tokenizer", "encode", tokenizer, "--text", text, "--pieces").out.strip()

    rows = []
    for word, parts in [("cats", ["cat", "s"]), ("unforgettable", ["un", "forget", "table"])]:
        shown = pieces(examples / "pieces.gpt", word)
        rows.append((f"{word} = {' + '.join(parts)}", shown.replace('" "', '" + "'),
                     shown == " ".join(f'"{part}"' for part in parts)))

    # Learned: from tinyshakespeare where it is at hand.
    text, name = root.parent / "shared" / "data" / "tinyshakespeare.txt", "tinyshakespeare"
    if not text.is_file():
        text, name = work / "words.txt", "made-up words"
        text.write_text(made_text(1115394), encoding="utf-8")
    learned = work / "tokenizer.json"
    started = time.monotonic()
    gptc("tokenizer", "train", "--data", text, "--vocabulary", 1000, "-o", learned)
    seconds = time.monotonic() - started
    size = len(gptc("tokenizer", "show", learned).out.splitlines())
    rows.append(("1,000 tokens of 1.1 MB in under 5 s", f"{size} tokens of {name} in {seconds:.1f} s",
                 seconds < 5 and size == 1000))

    strange = work / "strange.txt"
    strange.write_bytes(strange_text().encode())
    same = []
    for file in (strange, text):
        ids = work / "ids.txt"
        ids.write_text(gptc("tokenizer", "encode", learned, "--data", file).out, encoding="utf-8")
        back = gptc("tokenizer", "decode", learned, "--data", ids, binary=True).out
        same.append(back == file.read_bytes())
    rows.append(("any text comes back byte for byte", f"{sum(same)} of 2 texts", all(same)))

    words = ["king", " shall", " father", "together", " wherefore", " the", "x"]
    told = [[int(i) for i in gptc("tokenizer", "encode", learned, "--text", word).out.split()] for word in words]
    agree = sum(follow(learned, word) == ids for word, ids in zip(words, told))
    rows.append(("tokenizer.json alone tells the tokens", f"{agree} of {len(words)} words", agree == len(words)))

    run = work / "run"
    gptc("train", examples / "subwords.gpt", "--data", examples / "humpty.txt", "-o", run)
    verse = "humpty dumpty sat on the wall humpty dumpty"
    recited = gptc("generate", run, "--prompt", "humpty").out.strip()
    count = len(gptc("tokenizer", "encode", run, "--text", verse).out.split())
    rows.append(("recites the verse in fewer tokens than letters", f"{count} tokens for {len(verse)} letters: {recited}",
                 recited.startswith(verse) and count < len(verse) / 2))
    return rows
