"""Embeddings: the same loss in fewer steps, and vectors to look at."""
import concurrent.futures
import statistics

from tools import examples, log

steps, smooth = 1500, 50


def curve(gptc, work, name, seed):
    """The loss of each step, as the mean of the last 50."""
    where = work / f"{name}{seed}"
    gptc("train", examples / f"{name}.gpt", "--data", examples / "humpty.txt", "-o", where, "--seed", seed, "--set",
         f"steps={steps}", "--threads", 1)
    losses = [entry["loss"] for entry in log(where)]
    return [sum(losses[i - smooth:i]) / smooth for i in range(smooth, len(losses) + 1)]


def run(gptc, work):
    def race(seed):
        letters, embedding = (curve(gptc, work, name, seed) for name in ("letters", "embedding"))
        best = letters[-1]
        return best, next((i + smooth for i, loss in enumerate(embedding) if loss <= best), steps + 1)

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        races = list(pool.map(race, range(1, 6)))
    needed = statistics.median(step for _, step in races)
    loss = statistics.median(best for best, _ in races)
    rows = [(f"step 5's loss after {steps} steps in fewer", f"{loss:.3f} in {needed:.0f}, median of five seeds",
             needed < steps)]
    one = work / "embedding1"
    matrix = gptc("weights", one, "--show", "embed").table()
    rows.append(("the vectors can be exported", f"{len(matrix)} symbols, {len(matrix[0]) - 1} numbers each",
                 [row["vocabulary"] for row in matrix][:3] == ["␣", "a", "b"] and len(matrix) == 27 and
                 len(matrix[0]) == 9))
    nearest = {row["vocabulary"]: row for row in gptc("weights", one, "--nearest", 3).table()}

    def cosine(a, b):
        a, b = ([float(v) for k, v in row.items() if k != "vocabulary"] for row in (matrix[a], matrix[b]))
        return sum(x * y for x, y in zip(a, b)) / (sum(x * x for x in a) * sum(y * y for y in b)) ** 0.5

    names = [row["vocabulary"] for row in matrix]
    best = max((i for i in range(27) if i != 1), key=lambda i: cosine(1, i))
    shown = nearest["a"]
    rows.append(("and each one's nearest neighbours", f"a: {shown['nearest 1']} {shown['cosine 1']}",
                 shown["nearest 1"] == names[best] and abs(float(shown["cosine 1"]) - cosine(1, best)) < 1e-3))
    return rows
