"""Texts to learn from, and trained weights as lists."""
import functools
import json
import math
import re
import struct
import subprocess


@functools.lru_cache(None)
def verses(passage):
    """Verses of the King James Bible (Debian's package bible-kjv), one a line: verses("gen1:1-gen50:26")."""
    done = subprocess.run(["bible", "-f", passage], capture_output=True, text=True, check=True)
    return "".join(line.split(" ", 1)[1] + "\n" for line in done.stdout.splitlines() if " " in line)


def letters(text):
    """Only small letters and single spaces, as the lecture's alphabet of 27 symbols has them."""
    return re.sub("[^a-z]+", " ", text.lower()).strip()


def weights(run):
    """The newest checkpoint's tensors: name -> (shape, flat list)."""
    newest = sorted((run / "checkpoints").glob("step-*"))[-1]
    data = (newest / "weights.safetensors").read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    tensors = {}
    for name, entry in json.loads(data[8:8 + size]).items():
        if name == "__metadata__":
            continue
        start, end = entry["data_offsets"]
        kind, width = {"F32": ("f", 4), "F64": ("d", 8)}[entry["dtype"]]
        values = struct.unpack(f"<{(end - start) // width}{kind}", data[8 + size + start:8 + size + end])
        tensors[name] = (entry["shape"], list(values))
    return tensors


def save_weights(path, tensors):
    """The same as a file for --init, in f64."""
    header, body = {}, b""
    for name, (shape, values) in tensors.items():
        part = struct.pack(f"<{len(values)}d", *values)
        header[name] = {"dtype": "F64", "shape": shape, "data_offsets": [len(body), len(body) + len(part)]}
        body += part
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)


def tables(out):
    """What `gptc run --format table` printed: [(title, column heads, [(row head, numbers)])]."""
    found = []
    for block in out.strip().split("\n\n"):
        title, heads, *rows = block.splitlines()
        found.append((title, heads.split(), [(r.split()[0], [float(w) for w in r.split()[1:]]) for r in rows]))
    return found


def chi_square_tail(x, freedom):
    """P(X > x) of a chi-square distribution: the upper regularised gamma function."""
    a, z = freedom / 2, x / 2
    scale = math.exp(a * math.log(z) - z - math.lgamma(a))
    if z < a + 1:
        term = total = 1 / a
        for n in range(1, 2000):
            term *= z / (a + n)
            total += term
        return 1 - scale * total
    f = 0.0
    for n in range(500, 0, -1):
        f = n * (n - a) / (z + 2 * n + 1 - a - f)
    return scale / (z + 1 - a - f)
