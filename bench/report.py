"""The figures as a table, as JSON and as a picture."""
import datetime
import json
import os
import platform
import re
import statistics
from xml.sax.saxutils import escape

from measure import Row, root, spread


def number(value):
    if value is None:
        return ""
    return f"{value:.0f}" if value >= 1000 else f"{value:.1f}" if value >= 100 else f"{value:.3g}"


def percent(value):
    return "" if value is None else f"{value:.0%}"


def median(values):
    return statistics.median(values) if values else None


HEAD = ["what", "type", "ours", "spread", "theirs", "spread", "", "unit", "ratio", "limit", "share"]


def lines_of(row):
    """A line for each peer; the first one holds what is ours."""
    limit, share = number(median(row.limits)), percent(row.share(row.ours))
    left = [f"{row.group}: {row.what}", row.dtype, number(median(row.ours)),
            percent(spread(row.ours)) if row.ours else ""]
    lines = []
    for name, values in list(row.peers.items()) or [("", [])]:
        ratio = row.ratio(name) if row.ours and values else None
        lines.append((left if not lines else ["", "", "", ""]) +
                     [number(median(values)), percent(spread(values)) if values else "", name, row.unit,
                      f"{ratio:.2f}" if ratio else ""] + ([limit, share] if not lines else ["", ""]))
    return lines


def text_table(rows):
    lines = [HEAD] + [line for row in rows for line in lines_of(row)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEAD))]
    left = {0, 1, 6, 7}
    return "\n".join("  ".join(cell.ljust(width) if i in left else cell.rjust(width)
                               for i, (cell, width) in enumerate(zip(line, widths))).rstrip() for line in lines)


def markdown_table(rows):
    head = [cell or "by" for cell in HEAD]
    lines = [head, ["---" if i in (0, 1, 6, 7) else "---:" for i in range(len(head))]]
    lines += [line for row in rows for line in lines_of(row)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def cpu_name():
    with open("/proc/cpuinfo") as file:
        found = re.search(r"model name\s*: (.*)", file.read())
    return found.group(1) if found else platform.machine()


def machine_text(bench, machine):
    streams = {"read": "read", "copy": "read and write", "copy_past": "read and write with non-temporal stores",
               "update": "four reads and three writes"}
    peaks = ", ".join(f"{machine[name]:.0f} GFLOP/s in {name}" for name in ("f32", "bf16") if name in machine)
    bandwidth = ", ".join(f"{title} {machine[name]:.1f}" for name, title in streams.items() if name in machine)
    threads = f"{bench.threads} thread{'s' if bench.threads > 1 else ''}"
    return f"{cpu_name()}, {threads}; peak {peaks}; GB/s: {bandwidth}."


def peers_text(bench):
    texts = [f"{name} {version}" for name, version in bench.versions.items()]
    absent = [f"{name} is not here (apt-get install {package})" for name, package in bench.missing.items()]
    return "Theirs: " + "; ".join(texts + absent) + "."


def json_text(bench, machine, rows):
    return json.dumps({"date": datetime.date.today().isoformat(), "cpu": cpu_name(), "threads": bench.threads,
                       "rounds": bench.rounds, "machine": machine, "peers": bench.versions, "absent": bench.missing,
                       "rows": [row.as_json() for row in rows]}, indent=1) + "\n"


def implausible(rows):
    """Nothing is faster than the machine; what seems so was counted wrongly, or the machine was busy."""
    for row in rows:
        for name, values in [("ours", row.ours), *row.peers.items()]:
            share = row.share(values) if row.physical else None
            if share is not None and share > 1.02:
                yield f"{row.group}: {row.what}, {row.dtype}, {name}: {share:.0%} of the limit"


#===-- The picture ------------------------------------------------------------#

COLOURS = {"ours": "#2f6fb3", "peer": "#b9bec5", "text": "#1f2328", "faint": "#68707a", "line": "#d5d9de"}
LABEL, BAR, AFTER, LINE = 330, 420, 260, 15  # widths of the columns, and the height of a bar


def bars_of(row):
    bars = [("ours", row.ours, COLOURS["ours"])]
    return bars + [(name, values, COLOURS["peer"]) for name, values in row.peers.items()
                   if values and not name.startswith("ours")]


def svg(rows, note):
    """A bar for each figure: its share of the limit."""
    rows = [row for row in rows if row.headline and row.limits and any(values for _, values, _ in bars_of(row))]
    parts, y = [], 44
    text = lambda x, y, words, colour="text", anchor="start", size=12, more="": parts.append(
        f'<text x="{x}" y="{y}" fill="{COLOURS[colour]}" text-anchor="{anchor}" font-size="{size}"{more}>'
        f"{escape(words)}</text>")
    text(12, 22, "Share of what this machine can do", size=15, more=' font-weight="600"')
    group, grid_from = None, y
    for row in rows:
        if row.group != group:
            group = row.group
            y += 20
            text(12, y, group, more=' font-weight="600"')
            y += 8
        bars = [bar for bar in bars_of(row) if bar[1]]
        text(LABEL - 8, y + LINE * len(bars) / 2 + 4, row.what + ("" if row.dtype == "f32" else f", {row.dtype}"),
             anchor="end")
        for name, values, colour in bars:
            share = row.share(values)
            parts.append(f'<rect x="{LABEL}" y="{y}" width="{BAR * min(share, 1):.1f}" height="{LINE - 3}" '
                         f'fill="{colour}"/>')
            ratio = "" if name == "ours" or not row.ours else f", ours {row.ratio(name):.2f}x"
            unit = f" {row.unit}" if row.physical else ""
            figure = "" if not row.physical else f" {number(median(values))}{unit}"
            text(LABEL + BAR * min(share, 1) + 6, y + LINE - 5, f"{share:.0%}  {name}{figure}{ratio}", "faint", size=10)
            y += LINE
        y += 6
    for tenth in range(0, 11, 2):
        x = LABEL + BAR * tenth / 10
        parts.insert(0, f'<line x1="{x}" y1="{grid_from}" x2="{x}" y2="{y}" stroke="{COLOURS["line"]}"/>')
        text(x, y + 16, f"{tenth * 10} %", "faint", "middle", 10)
    y += 40
    words, line = note.split(), ""
    for word in words + [None]:
        if word is None or len(line) + len(word) > 150:
            text(12, y, line.strip(), "faint", size=10)
            y, line = y + 14, ""
        line += (word or "") + " "
    width = LABEL + BAR + AFTER
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{y}" viewBox="0 0 {width} {y}" '
            f'font-family="system-ui, sans-serif">\n<rect width="{width}" height="{y}" fill="#ffffff"/>\n'
            + "\n".join(parts) + "\n</svg>\n")


#===-- The READMEs --------------------------------------------------------------#

BEGIN, END = "<!-- results: written by ./dev bench --publish -->", "<!-- end of results -->"


def joined(rows):
    """The published rows, these in the place of older ones."""
    with open(os.path.join(root, "bench/results.json"), encoding="utf-8") as file:
        published = [Row.of_json(entry) for entry in json.load(file)["rows"]]
    key = lambda row: (row.group, row.what, row.dtype)
    now = {key(row): row for row in rows}
    return [now.pop(key(row), row) for row in published] + list(now.values())


def matters(row):
    """The rows of the project's README: whole training steps, and attention by itself."""
    return row.group == "training step" or (row.group == "attention" and row.what.startswith("T = 1024"))


def short_table(rows):
    """What a reader asks first: ours, theirs, how many times as fast, how near the limit. One line per row."""
    lines = [["what", "type", "ours", "theirs", "unit", "by", "times as fast", "share of the limit"],
             ["---", "---", "---:", "---:", "---", "---", "---:", "---:"]]
    for row in filter(matters, rows):
        for name, values in [*row.peers.items()][:1] or [("", [])]:
            ratio = row.ratio(name) if row.ours and values else None
            lines.append([f"{row.group}: {row.what}", row.dtype, number(median(row.ours)), number(median(values)), row.unit,
                          name, f"{ratio:.2f}" if ratio else "", percent(row.share(row.ours))])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def put(path, text):
    """Puts the text between the two marks of a file."""
    path = os.path.join(root, path)
    with open(path, encoding="utf-8") as file:
        old = file.read()
    if BEGIN not in old or END not in old:
        raise SystemExit(f"{path} has no place for results: {BEGIN} ... {END}")
    head, rest = old.split(BEGIN, 1)
    with open(path, "w", encoding="utf-8") as file:
        file.write(head + "\n".join([BEGIN, text, END]) + rest.split(END, 1)[1])


def publish(rows, notes):
    """The picture and the rows that matter into the project's README, the whole table into bench/README.md."""
    rows = [row for row in rows if row.headline]
    put("README.md", "\n".join(["![share of the machine's limit](bench/results.svg)", "", short_table(rows), "", notes[0]]))
    put("bench/README.md", "\n".join([markdown_table(rows), "", *notes]))
