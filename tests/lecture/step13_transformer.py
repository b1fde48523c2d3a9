"""The Transformer: pairs of sentences of a small grammar, with words that agree and change places; the paper's size."""
import random
import re

from tools import examples

nouns = {"dog": ("m", "Hund"), "bird": ("m", "Vogel"), "cat": ("f", "Katze"), "cow": ("f", "Kuh"),
         "horse": ("n", "Pferd"), "child": ("n", "Kind"), "house": ("n", "Haus"), "tree": ("m", "Baum")}
colours = {"red": "rot", "blue": "blau", "green": "grün", "old": "alt"}
verbs = {"sees": "gesehen", "paints": "gemalt", "hears": "gehört", "seeks": "gesucht"}
who = {"m": "der", "f": "die", "n": "das"}
whom = {"m": "den", "f": "die", "n": "das"}


def sentence(chance):
    """`the red dog sees the old tree .`, `der rote Hund hat den alten Baum gesehen .`"""
    first, second = chance.choice(list(nouns)), chance.choice(list(nouns))
    one, two, verb = chance.choice(list(colours)), chance.choice(list(colours)), chance.choice(list(verbs))
    (a, noun), (b, thing) = nouns[first], nouns[second]
    ending = "en" if b == "m" else "e"
    return (f"the {one} {first} {verb} the {two} {second} .",
            f"{who[a]} {colours[one]}e {noun} hat {whom[b]} {colours[two]}{ending} {thing} {verbs[verb]} .")


def write(work, name, pairs):
    files = []
    for side, language in ((0, "en"), (1, "de")):
        files += ["--data" if name != "val" else "--val", work / f"{name}.{language}"]
        files[-1].write_text("".join(pair[side] + "\n" for pair in pairs), encoding="utf-8")
    return files


def bleu(out, beam):
    return float(re.search(rf"^beam {beam} .*BLEU\|nrefs:1\|case:mixed\|eff:no\|tok:13a\|smooth:exp = ([0-9.]+)", out,
                           re.MULTILINE).group(1))


def run(gptc, work):
    chance = random.Random(1)
    pairs = sorted({sentence(chance) for _ in range(3000)})
    chance.shuffle(pairs)
    test, val, train = pairs[:100], pairs[100:200], pairs[200:2200]
    data, validation, held_out = write(work, "train", train), write(work, "val", val), write(work, "test", test)
    sizes = ["--set", "width=48", "--set", "inner=96", "--set", "layers=1", "--set", "words=340", "--set", "drop=0.1"]
    rate = ["--set", "steps=160", "--set", "peak=0.02", "--set", "warmup=80"]
    gptc("train", examples / "translate.gpt", *data, *validation, "-o", work / "run", *sizes, *rate)
    scores = gptc("eval", work / "run", *held_out, "--beam", "1", "--beam", "4").out
    english = work / "test.en"
    lines = gptc("generate", work / "run", "--data", english, "--beam", "4").out.splitlines()
    source, wanted = test[0]
    one = gptc("generate", work / "run", "--prompt", source, "--beam", "4").out.strip()
    alone = gptc("bleu", "--hypotheses", work / "test.de", "--references", work / "test.de").out
    base = gptc("check", examples / "translate.gpt", "--set", "width=512", "--set", "inner=2048", "--set", "heads=8",
                "--set", "layers=6", "--set", "words=37000").out
    count = int(re.search(r"^parameters +([0-9,]+)", base, re.MULTILINE).group(1).replace(",", ""))
    return [
        ("translates sentences it never saw: BLEU above 80, greedy", f"{bleu(scores, 1):.1f}", bleu(scores, 1) > 80),
        ("and with a beam of 4", f"{bleu(scores, 4):.1f}", bleu(scores, 4) > 80),
        ("a sentence alone gets the words it gets in a file", one, lines[0].strip() == one and len(lines) == len(test)),
        ("a text is its own best translation: BLEU 100", alone.split(" = ")[1].split()[0], " = 100.00 " in alone),
        ("the paper's base model has 63.1 million parameters", f"{count:,}", round(count / 1e5) == 631),
    ]
