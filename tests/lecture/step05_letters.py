"""The next letter of a nursery rhyme, from twelve letters as numbers."""
from tools import examples, log


def run(gptc, work):
    gptc("train", examples / "letters.gpt", "--data", examples / "humpty.txt", "-o", work / "run")

    def continues(prompt, tokens):
        return gptc("generate", work / "run", "--prompt", prompt, "--tokens", tokens).out[len(prompt):-1]

    rows = []
    text = "humpty dumpt"
    for wanted in ("y", " ", "s"):
        found = continues(text, 1)
        rows.append((f'"{text}" gives "{wanted}"', f'"{found}"', found == wanted))
        text = text[-11:] + wanted
    line = "humpty dumpt" + continues("humpty dumpt", 17)
    rows.append(("the window slides and recites the line", line, line == "humpty dumpty sat on the wall"))
    short = gptc("generate", work / "run", "--prompt", "humpty", "--tokens", 7).out
    rows.append(("a short prompt is filled up on the left", short.strip(), len(short) == len("humpty dumpty\n")))
    bare = (examples / "letters.gpt").read_text().replace(', pad: " "', "").replace("steps: 3000", "steps: 1")
    (work / "bare.gpt").write_text(bare)
    gptc("train", work / "bare.gpt", "--data", examples / "humpty.txt", "-o", work / "bare")
    refused = gptc("generate", work / "bare", "--prompt", "humpty", code=1)
    rows.append(("without a pad it is refused", refused.err.splitlines()[-1][:60],
                 "the prompt has 6 tokens, but the model looks at exactly 12" in refused.err and not refused.out))
    return rows
