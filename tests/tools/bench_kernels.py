# RUN: %python %s %t
"""What the benchmarks compile are models like any other, small ones here."""
from harness import *

work_directory()
small = {"linear": "m n k", "product": "m n k", "gelu": "rows width", "softmax": "rows width", "layer_norm": "rows width",
         "attention": "length"}
files = sorted((here.parent.parent / "bench" / "kernels").glob("*.gpt"))
check("there are kernels", len(files) >= 13, files)
for path in files:
    sizes = next(words for name, words in reversed(small.items()) if path.stem.startswith(name)).split()
    result = gptc("check", str(path), *[word for size in sizes for word in ("--set", f"{size}=48")])
    check(path.name, result.code == 0 and "arena" in result.out, result)
finish()
