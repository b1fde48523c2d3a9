#!/usr/bin/env python3
"""Writes pairs of sentences, English and German, for examples/translate.gpt: train, val and test with .en and .de.

The sentences are made from a small grammar with a few hundred thousand combinations, the same ones each time. German
nouns have a gender and cases, and its verb follows the subject, so that words are not just exchanged one by one.

usage: pairs.py [DIRECTORY]
"""
import pathlib
import random
import sys

# English, German, gender
people = [("man", "Mann", "m"), ("woman", "Frau", "f"), ("child", "Kind", "n"), ("boy", "Junge", "m"), ("girl", "Mädchen", "n"),
          ("teacher", "Lehrer", "m"), ("farmer", "Bauer", "m"), ("singer", "Sängerin", "f"), ("dog", "Hund", "m"), ("cat", "Katze", "f")]
things = [("apple", "Apfel", "m"), ("book", "Buch", "n"), ("flower", "Blume", "f"), ("letter", "Brief", "m"), ("ball", "Ball", "m"),
          ("picture", "Bild", "n"), ("lamp", "Lampe", "f"), ("chair", "Stuhl", "m"), ("house", "Haus", "n"), ("bottle", "Flasche", "f")]
verbs = [("sees", "sieht"), ("takes", "nimmt"), ("finds", "findet"), ("paints", "malt"), ("carries", "trägt"), ("brings", "bringt"),
         ("seeks", "sucht"), ("likes", "mag")]
rests = [("sleeps", "schläft"), ("sings", "singt"), ("runs", "rennt"), ("waits", "wartet"), ("laughs", "lacht")]
adjectives = [("red", "rot"), ("old", "alt"), ("small", "klein"), ("new", "neu"), ("green", "grün"), ("beautiful", "schön")]
places = [("in the garden", "im Garten"), ("in the town", "in der Stadt"), ("by the river", "am Fluss"), ("at home", "zu Hause"),
          ("on the street", "auf der Straße"), ("", ""), ("", "")]
times = [("today", "heute"), ("now", "jetzt"), ("in the morning", "am Morgen"), ("", ""), ("", ""), ("", "")]
articles = {("m", "nominative"): ("der", "ein"), ("f", "nominative"): ("die", "eine"), ("n", "nominative"): ("das", "ein"),
            ("m", "accusative"): ("den", "einen"), ("f", "accusative"): ("die", "eine"), ("n", "accusative"): ("das", "ein")}
weak = {("m", "accusative"): "en"}
strong = {("m", "nominative"): "er", ("f", "nominative"): "e", ("n", "nominative"): "es",
          ("m", "accusative"): "en", ("f", "accusative"): "e", ("n", "accusative"): "es"}


def phrase(chance, nouns, case):
    english, german, gender = chance.choice(nouns)
    definite = chance.random() < 0.5
    article = articles[gender, case][0 if definite else 1]
    if german == "Junge" and case == "accusative" or german == "Bauer" and case == "accusative":
        german += "n"
    if chance.random() < 0.5:
        en, de = chance.choice(adjectives)
        ending = weak.get((gender, case), "e") if definite else strong[gender, case]
        english, german = f"{en} {english}", f"{de}{ending} {german}"
    if definite:
        return f"the {english}", f"{article} {german}"
    return ("an " if english[0] in "aeiou" else "a ") + english, f"{article} {german}"


def sentence(chance):
    subject = phrase(chance, people, "nominative")
    place, time = chance.choice(places), chance.choice(times)
    if chance.random() < 0.75:
        verb, goal = chance.choice(verbs), phrase(chance, things, "accusative")
    else:
        verb, goal = chance.choice(rests), ("", "")
    english = [subject[0], verb[0], goal[0], place[0], time[0]]
    # A time in front sends the subject behind the verb.
    german = [time[1], verb[1], subject[1], goal[1], place[1]] if time[1] else [subject[1], verb[1], goal[1], place[1]]
    words = [" ".join(part for part in side if part) for side in (english, german)]
    return tuple(text[0].upper() + text[1:] + " ." for text in words)


def main():
    where = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    chance, seen, pairs = random.Random(1), set(), []
    while len(pairs) < 6400:
        pair = sentence(chance)
        if pair[0] not in seen:
            seen.add(pair[0])
            pairs.append(pair)
    for name, part in (("train", pairs[:6000]), ("val", pairs[6000:6200]), ("test", pairs[6200:])):
        for side, end in enumerate((".en", ".de")):
            (where / (name + end)).write_text("".join(pair[side] + "\n" for pair in part), encoding="utf-8")


if __name__ == "__main__":
    main()
