// Texts on which tokenizers differ: made by rules from a seed, so that everyone gets the same.
const scripts = [
  "The quick brown fox jumps over the lazy dog", "Füße größer als zuvor, naïve façade, Ærøskøbing",
  "Съешь же ещё этих мягких французских булок", "Η γρήγορη καφέ αλεπού, άλφα Ωμέγα ς σ Σ",
  "敏捷的棕色狐狸跳过了懒狗。", "すばしっこい茶色の狐は、のろまな犬を飛び越える。カタカナ", "다람쥐 헌 쳇바퀴에 타고파",
  "الثعلب البني السريع يقفز فوق الكلب الكسول", "השועל החום המהיר קופץ", "तेज भूरी लोमड़ी आलसी कुत्ते पर कूदती है",
  "สุนัขจิ้งจอกสีน้ำตาลกระโดดข้าม", "বাদামী শিয়াল", "தமிழ் மொழி", "ქართული ენა", "Հայերեն լեզու", "አማርኛ ቋንቋ",
  "မြန်မာဘာသာ", "ខ្មែរ ភាសា", "ᏣᎳᎩ ᎦᏬᏂᎯᏍᏗ", "𐌲𐌿𐍄𐌹𐍃𐌺", "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𝒞𝓁𝒶𝓈𝓈", "ᚠᚢᚦᚨᚱᚲ", "ƷƸ Ǆǅǆ Ǉǈǉ ǲ", "Iİıi ßẞ ſt ﬁﬂﬃ ﬅﬆ Å K Ω",
];
const pieces = [
  "👩‍👩‍👧‍👦", "🏳️‍🌈", "👍🏽", "🇩🇪🇯🇵", "1️⃣", "☃️", "🧑🏿‍🚀", "❤️‍🔥", "e\u0301", "é", "a\u0323\u0307", "q\u0307\u0323", "ﬁ", "Å", "\u212b",
  "각", "\u1100\u1161\u11a8", "가\u11a8", "\u0344", "\u0958", "\u2126", "\u1e9b\u0323", "\u0301", "\u0300\u0345", "ℵ", "①", "½", "²", "Ⅷ", "٣٤٥", "१२३", "〇", "𝟙𝟚",
  " ", "  ", "   ", "        ", "\t", "\t\t", "\n", "\n\n", "\n\n\n\n", "\r\n", "\r", "\r\n\r\n", " \n", "\n ", " \r\n ", "\u00a0", "\u2003", "\u3000", "\u200b", "\u200d", "\ufeff", "\u2028", "\u2029", "\u0085", "\u180e", "\u202f", "\u1680", "\v", "\f", "\u0000", "\u0001", "\u001b[0m", "\u007f", "\u009f", "\ue000", "\ufffd", "\ufffe", "\u{10ffff}", "\u{e0001}",
  "'s", "'S", "'ſ", "'re", "'RE", "'Ve", "'LL", "'ll", "'d", "'D", "'m", "'T", "’s", "I'm", "DON'T", "it'S", "we'Re", "o'clock", "'", "''", "'sT", "x'ſy", "'K", "'\u212a",
  "1", "12", "123", "1234", "12345", "1234567890", "3.14159", "1,000,000", "0x1F", "1e-9", "٤٢", "2\u00b2", "x1y2",
  "...", "!!!", "?!", "--", "===", "!==", "//", "/* */", "# ", "<>", "{}", "[]()", "->", "::", "&&", "||", "\\n", "\\", "$", "€", "%", "@a", "_", "__init__", "snake_case", "camelCase", "HTTPServer", "XMLHttpRequest2", "ALLCAPS", "aB", "Ab", "ABc",
  "def f(x):\n    return x + 1\n", "for (int i = 0; i < n; ++i) {\n\t\ta[i] += b;\n\t}\n", "<div class=\"a\">\n  <p>\n</div>", "{\"a\": [1, 2.5e3, null]}", "SELECT * FROM t WHERE a != 'b';", "https://a.b/c?d=e&f=%20#g", "a@b.de", "C:\\d\\e.txt",
  "▁", "▁▁", " ▁ ", "Ġ", "ĠĊ", "Ċ", "<0x0A>", "<0xE2>", "<unk>", "@@", "##a", "</w>", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
  "\u{31350}", "\u{1e030}", "\u{a7cb}", "\u{10d50}\u{10d70}", "\u{11f50}", "\u{1fae8}", "\u0378", "\u{2ebf0}x",
];
const common = ["<s>", "</s>", "<unk>", "<pad>", "<bos>", "<eos>", "<|endoftext|>", "<|im_start|>", "<|begin_of_text|>", "<start_of_turn>", "[INST]", "<think>", "<mask>", "<tool_call>", "<|endoftext", "|>", "<", "<s", "s>"];

/// `count` texts; `names` are those of a tokenizer's added tokens, which some of the texts hold.
export function awkwardTexts(count, names, seed = 1) {
  let state = seed;
  const below = (n) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor(state / 4294967296 * n);
  };
  const pick = (list) => list[below(list.length)];
  const texts = ["", ...scripts, ...pieces, ...pieces.map((p) => "a" + p + "b"), ...pieces.map((p) => " " + p + " x")];
  const character = () => {
    const [first, size] = pick([[0, 128], [0x80, 0x780], [0x800, 0xd000], [0xe000, 0x2000], [0x10000, 0x4000], [0x1f300, 0x700], [0x300, 0x70], [0x2000, 0x70], [0x4e00, 0x5000], [0xac00, 11000], [0x1100, 256], [0x0900, 0x300]]);
    return String.fromCodePoint(first + below(size));
  };
  while (texts.length < count) {
    let text = "";
    const kind = below(4);
    for (let n = 1 + below(kind === 3 ? 60 : 12); n > 0; --n) {
      const of = below(10);
      if (kind === 3) text += character();
      else if (of < 4) text += pick(pieces);
      else if (of < 6) text += pick(pick(scripts).split(/(?<= )/));
      else if (of === 6) text += pick(scripts);
      else if (of === 7) text += pick(names.length ? names : common);
      else if (of === 8) text += pick([" ", "  ", "\n", "\t", ""]) + pick(common) + pick(["", " ", "\n"]);
      else text += character();
    }
    texts.push(text);
  }
  return texts;
}
