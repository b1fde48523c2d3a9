"""Rows of kernels: contractions, elementwise work and reductions, attention, and compiling."""
import statistics

from measure import Row, say


# Its memory stays with the process: arrays of 64 MiB would else be new pages at every call.
ARENA = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(1 << 40)}


def contractions(bench):
    rows = []
    for dtype in bench.dtypes:
        if dtype == "bf16" and not bench.ours_bf16 and not bench.has("oneDNN"):
            continue
        say(f"contractions, {dtype}")
        once = lambda: bench.google(f"contraction/|machine/{dtype}", dtype=dtype)
        figures = {}
        for now in bench.in_turn(bench.rounds, once):
            for name, values in now.items():
                figures.setdefault(name, []).extend(values)
        limits = figures[f"machine/{dtype}"]
        forms = {"AB": "x·w, bias, GELU", "AtB": "gradient xᵀ·dy", "ABt": "gradient dy·wᵀ"}
        names = {n.rsplit("/", 1)[0] for n in figures if n.startswith("contraction/")}
        for name in sorted(names, key=lambda n: (n.split("/")[1] == "768x384x128", n)):
            _, shape, form, _ = name.split("/")
            row = Row("contraction", f"{shape.replace('x', ' x ')}, {forms[form]}", dtype, "GFLOP/s",
                      headline=form == "AB")
            row.ours, row.limits = figures.get(name + "/ours", []), limits
            # Theirs multiply only, so ours is shown without bias and GELU, too.
            for title, suffix in (("ours without epilogue", "ours-without-epilogue"), ("OpenBLAS", "OpenBLAS"),
                                  ("oneDNN", "oneDNN")):
                if f"{name}/{suffix}" in figures:
                    row.peers[title] = figures[f"{name}/{suffix}"]
            rows.append(row)
    return rows


def in_turn(bench, pattern, part):
    """Rounds of our kernels and the machine's limits, then PyTorch's, each in a process."""
    def once():
        ours = bench.google(pattern)
        theirs = {}
        if bench.has("PyTorch"):
            theirs = bench.torch("torch_kernels.py", part, "--seconds", str(0.1 * bench.scale), **ARENA)
        return {name: values[0] for name, values in ours.items()}, theirs

    return bench.in_turn(bench.rounds, once)


def memory(bench):
    say("elementwise work and reductions")
    names = {"gelu": "GELU", "softmax": "softmax", "layer_norm": "layer norm"}
    rows = {f"{what}/{way}": Row("memory", f"{title} {way}", "f32", "GB/s", headline=True)
            for what, title in names.items() for way in ("forward", "backward")}
    for ours, theirs in in_turn(bench, "memory/|machine/(copy|add)", "memory"):
        for name, row in rows.items():
            stream = "copy" if name.endswith("forward") else "add"
            # Stores past the caches spare the reading of what is overwritten.
            limit = max(ours[f"machine/{stream}"], ours[f"machine/{stream}_past"])
            row.add(ours[f"memory/{name}/ours"], limit, PyTorch=theirs.get(name))
    return list(rows.values())


def attention(bench):
    say("attention")
    variants = {"window": "window of 256", "padding": "padding mask of a quarter", "alibi": "ALiBi",
                "softcap": "soft-capped scores", "cross": "cross-attention", "grouped": "grouped queries"}
    rows = {f"T{length}/{way}": Row("attention", f"T = {length}, {way.replace('-', ' and ')}", "f32", "GFLOP/s",
                                    headline=way != "forward")
            for length in (256, 1024, 4096) for way in ("forward", "forward-backward")}
    rows.update({f"{name}/forward-backward": Row("attention", f"T = 1024, {title}, forward and backward", "f32",
                                                 "GFLOP/s") for name, title in variants.items()})
    tiles = {name: [] for name in rows}
    for ours, theirs in in_turn(bench, "attention/|machine/f32", "attention"):
        for name, row in rows.items():
            kind, way = name.split("/")
            tiles[name].append(ours[f"attention/{kind}/f32/{way}/ours/by tiles"])
            row.add(ours[f"attention/{kind}/f32/{way}/ours"], ours["machine/f32"], PyTorch=theirs.get(name))

    def against_causal(name, figures):
        return statistics.median(a / b for a, b in zip(figures[name], figures["T1024/forward-backward"]))

    pairs = {name: row.ours for name, row in rows.items()}
    for name in (f"{variant}/forward-backward" for variant in variants):
        rows[name].note = (f"{against_causal(name, pairs):.2f} of the causal one's speed by the pairs that its mask leaves, "
                           f"{against_causal(name, tiles):.2f} by the tiles that it touches")
    return list(rows.values())


def compiling(bench):
    say("compiling")
    figures = bench.google("compile/", repetitions=max(3, bench.rounds), seconds=0.001)
    rows = []
    for name, title in (("shakespeare", "L4 H4 C128 T64 B12 V65"), ("gpt2", "GPT-2 124M T64 B4")):
        rows.append(Row("compiling", title, "f32", "ms", headline=True))
        rows[-1].ours = figures[f"compile/{name}/f32"]
    return rows
