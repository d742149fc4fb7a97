"""Golden files of the tokenizer: a small vocabulary, and the ids that llama.cpp gives with it.

    ../../shared/peers/llama_setup.sh FOLDER
    python3 -m rill_train.export_tokenizer_golden --llama FOLDER ../tests/goldens

`tokenizer.gguf` is a file of the architecture lfm2 with nothing but a tokenizer: special tokens as in
LFM2, bytes, pairs learned from a novel and sentences of many languages, and some words that no
merges give.
`tokenizer_golden.gguf` holds

    golden.texts        texts
    golden.parse        for each, 1 where special tokens are found in it, else 0
    golden.counts, ids  how many ids each has; the ids, one text behind another
"""

import argparse
import itertools
import lzma
import random
import re
import struct
import subprocess
import tempfile
from collections import Counter
from pathlib import Path

from . import gguf, tokens

SOURCE = Path(__file__).with_name("llama_ids.c")
TOKENS, PADS = 2400, 4
NOVEL = 146731, 149731  # lines of the data that are of Pride and Prejudice
NORMAL, CONTROL, USER_DEFINED, UNUSED = 1, 3, 4, 5
SPECIALS = """<|pad|> <|startoftext|> <|endoftext|> <|fim_pre|> <|fim_mid|> <|fim_suf|> <|im_start|>
<|im_end|> <|tool_list_start|> <|tool_list_end|> <|tool_call_start|> <|tool_call_end|>
<|tool_response_start|> <|tool_response_end|> <|reserved_14|> <|audio_start|> <image>
<|img_row_1_col_1|> <|img_row_1_col_10|> <|image_start|>""".split()
USER_DEFINED_TOKENS = ["<think>", "</think>", "  \t"]

LANGUAGES = [
    "The quick brown fox doesn't jump over the lazy dog's bed; we'll see, I'm sure they've gone.",
    "Größe und Straße: die Mädchen aßen früh Äpfel, Übung macht den Meister.",
    "Où est passée l'élève naïve ? Ça coûte 12,50 € à Noël, garçon !",
    "El niño comió jalapeños mañana por la mañana, ¿no? ¡Qué sueño!",
    "Zażółć gęślą jaźń. Příliš žluťoučký kůň úpěl ďábelské ódy.",
    "İstanbul'da ışık ve şeker; çok güzel öğretmen.",
    "Tiếng Việt có nhiều dấu: thương, đường, người, những.",
    "Η γρήγορη αλεπού πηδάει πάνω από το τεμπέλικο σκυλί. Καλημέρα κόσμε!",
    "Съешь же ещё этих мягких французских булок, да выпей чаю. Привіт, світе!",
    "مرحبا بالعالم، كيف حالك اليوم؟ هَذَا كِتَابٌ جَدِيدٌ ١٢٣٤٥",
    "שלום עולם, מה שלומך היום? בְּרֵאשִׁית בָּרָא",
    "नमस्ते दुनिया, आप कैसे हैं? क्षत्रिय ज्ञान हिन्दी १२३४",
    "সবাইকে শুভেচ্ছা। বাংলা ভাষা সুন্দর।",
    "வணக்கம் உலகம், தமிழ் மொழி.",
    "สวัสดีชาวโลก วันนี้อากาศดีมาก ขอบคุณครับ ๑๒๓",
    "你好，世界！今天天气很好。我們去臺灣吃飯，好嗎？一二三四五",
    "こんにちは世界。カタカナとひらがな、漢字も使います。ｶﾀｶﾅ",
    "안녕하세요 세계! 오늘 날씨가 정말 좋네요. 한글은 과학적이다.",
    "გამარჯობა მსოფლიო. Բարեւ աշխարհ. ሰላም ልዑል።",
    "😀😃 👩‍👩‍👧‍👦 👍🏽 🇩🇪🇫🇷 ❤️‍🔥 🏴󠁧󠁢󠁳󠁣󠁴󠁿 ☕️ a😀b",
    "e\u0301 a\u030a n\u0303 ﬁ ﬀ Å ½ ² ₃ Ⅷ ① ⅔ 𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𐍈𐌰 𠀀𠀁",
]
CODE = [
    "int main(int argc, char** argv) {\n  for (int i = 0; i < 100; ++i) {\n    f(\"%d\\n\", i);\n  }\n}\n",
    "def f(x):\n    if x is None:\n        return {'a': 1}\n\n    return [x ** 2 for _ in range(10)]\n",
    "| a | b |\n|---|---|\n| 1 | 2 |\n\n* item **bold**\n\t* tab `code` https://a.org/b?c=d&e=1#f\n",
]
SPLITS = [
    *("", " ", "  ", "   ", "\n", "\n\n", "\r\n", "\r\n\r\n", "\t", " \n", "\n ", " \n ", "a ", " a"),
    *("  a", "   a", "a  b", "a   b", "a\nb", "a \n b", "a\n\n  b", "a  \n\n\n  b  ", "\n\n\na"),
    *("a\r\n\tb", "\t\ta", " \ta", "a\t b", "'s", "'", "''", "'S'T", "'\u017fo"),
    "I'm I'M i'll I'LL we've WE'VE they're THEY'RE it's IT'S don't DON'T he'd HE'D I'mx 'sit 'd 'x ' s",
    "rock'n'roll o'clock l'homme d’accord ''s",
    "1 12 123 1234 12345 123456 1234567890 3.14159 1,000,000 -5 +7 x2 2x a1b2",
    "٣٤٥٦ १२३४५ ½¼¾ ²³¹ ⅧⅨⅩⅪ",
    "!!! ... --- ?! ;) :-( <<>> ((())) [] {} @user #tag $5 50% a&b c|d ~e ^f `g` \\h /i _j_ =k +l *m*",
    *("... \n...\n\n !\r\n!\r\n\r\n?\n a.\n", " .a", "  .a", ".\n\n\n.", "a.b.c", " - - ", "--\n  --"),
    "\u00a0\u00a0a \u2003b\u3000c\u2028d\u2029e\u0085f\u180eg\u200bh\ufeffi\u200dj\u00adk",
    *("\u00a0", "\u3000\u3000", "\u2028", " \u0085 ", "\x00\x01\x1f\x7f", "a\x00b", "\x0b\x0c"),
    "\ufffd\ufffe\U0010ffff",
    "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n",
    "<|im_start|><|im_start|> <|im_end|>x<|im_end|>  <|startoftext|>",
    *("<|im_start|", "|im_end|>", "<<|im_end|>>", "<|reserved_14|>14", "a <image>\n\n b"),
    "<|img_row_1_col_1|><|img_row_1_col_10|><|img_row_1_col_100|><image><image",
    *("<think>\nHm.\n</think>\n\nYes.", "<think", "< think>", "a  \tb", "a   \tb", "  \t  \t"),
    "<|tool_list_start|>[]<|tool_list_end|><|tool_call_start|>[f(x=1)]<|tool_call_end|>",
]


def byte_letters():
    """GPT-2's letter for each byte."""
    own = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(0x100) if byte not in own]
    return {**{byte: chr(byte) for byte in own}, **{b: chr(0x100 + i) for i, b in enumerate(others)}}


LETTERS = byte_letters()


def spell(text):
    return "".join(LETTERS[byte] for byte in text.encode())


def words_of(text):
    """About the pieces of the tokenizer's split, which Python's expressions cannot write."""
    return re.findall(r" ?[^\W\d_]+|\d{1,3}|\s+| ?[^\w\s]+|_", text)


def learn(texts, count):
    """So many merges, the most frequent pair first, as (left, right) in letters."""
    counts = Counter(spell(word) for text in texts for word in words_of(text))
    words = [(list(word), n) for word, n in sorted(counts.items())]
    merges = []
    while len(merges) < count:
        pairs = Counter()
        for parts, n in words:
            for pair in itertools.pairwise(parts):
                pairs[pair] += n
        pair = min(pairs, key=lambda p: (-pairs[p], p))
        words = [(tokens.merge(parts, pair) if pair[0] in parts else parts, n) for parts, n in words]
        merges.append(pair)
    return merges


def long_words(sentences):
    """Words that become tokens without merges."""
    return sorted({w for s in sentences for w in words_of(s) if len(w) > 11})[::7][:24]


def vocabulary(sentences):
    """Keys of a tokenizer."""
    texts = [*sentences, *(s.capitalize() for s in sentences[::4]), *8 * LANGUAGES, *20 * CODE]
    names = [(name, CONTROL) for name in SPECIALS]
    names += [(name, USER_DEFINED) for name in USER_DEFINED_TOKENS]
    names += [(LETTERS[byte], NORMAL) for byte in range(0x100)]
    bare = [spell(word) for word in long_words(sentences)]
    merges = learn(texts, TOKENS - len(names) - len(bare) - PADS)
    names += [(left + right, NORMAL) for left, right in merges]
    known = {name for name, _ in names}
    names += [(word, NORMAL) for word in bare if word not in known]
    names += [(f"[PAD{i}]", UNUSED) for i in range(len(names), TOKENS)]
    return {
        "general.architecture": "lfm2",
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "lfm2",
        "tokenizer.ggml.tokens": [name for name, _ in names],
        "tokenizer.ggml.token_type": [kind for _, kind in names],
        "tokenizer.ggml.merges": [f"{left} {right}" for left, right in merges],
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 7,
        "tokenizer.ggml.padding_token_id": 0,
        "tokenizer.ggml.add_bos_token": True,
    }


def write_keys(path, keys):
    """A file without tensors. Integers of arrays are int32, as llama.cpp wants token types."""
    data = gguf.MAGIC + struct.pack("<IQQ", gguf.VERSION, 0, len(keys))
    for key, value in keys.items():
        kind, body = gguf.encode_value(value)
        if isinstance(value, list) and isinstance(value[0], int):
            body = struct.pack(f"<IQ{len(value)}i", gguf.I32, len(value), *value)
        data += gguf.encode_string(key) + struct.pack("<I", kind) + body
    Path(path).write_bytes(data + bytes(-len(data) % gguf.ALIGNMENT))


def cases(sentences):
    """(text, 1 where special tokens are found in it)."""
    draw = random.Random(5)
    texts = LANGUAGES + CODE + SPLITS
    parts = [part for text in texts for part in words_of(text)]
    parts += SPECIALS + USER_DEFINED_TOKENS + SPLITS
    texts += ["".join(draw.choices(parts, k=draw.randrange(1, 14))) for _ in range(300)]
    texts += [letter * n for letter in ("a", " ", "\n", "-", "1", "é", "中") for n in (31, 200)]
    texts += sentences[:30] + ["".join(long_words(sentences))]
    plain = [(text, 0) for text in texts if "<" in text or "\t" in text]
    return [(text, 1) for text in texts] + plain


def compile_peer(folder, program):
    """llama_ids.c against the libraries that llama_setup.sh installed."""
    library = next(Path(folder).glob("node_modules/@node-llama-cpp/linux-x64/bins/**/libllama.v*"))
    libraries = library.parent
    names = [library.name, next(libraries.glob("libggml.v*.so")).name, "libggml-base.so"]
    headers = [f"-I{folder}/headers/include", f"-I{folder}/headers/ggml/include"]
    link = [f"-L{libraries}", *(f"-l:{name}" for name in names), f"-Wl,-rpath,{libraries}"]
    link += ["-Wl,--allow-shlib-undefined", "-lm"]
    subprocess.run(["gcc", "-O2", *headers, SOURCE, "-o", program, *link], check=True)


def peer_ids(program, model, texts):
    data = b"".join(
        struct.pack("<BI", parse, len(text.encode())) + text.encode() for text, parse in texts)
    out = subprocess.run([program, model], input=data, stdout=subprocess.PIPE, check=True).stdout
    cursor, ids = gguf.Cursor(out), []
    for _ in texts:
        ids.append([cursor.take("<i") for _ in range(cursor.take("<i"))])
    return ids


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--llama", required=True, help="the folder that llama_setup.sh was given")
    parser.add_argument("--data", default="../../shared/data", help="where speech/text is")
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    with lzma.open(f"{arguments.data}/speech/text/sentences.txt.xz", "rt") as file:
        sentences = [line.strip() for line in itertools.islice(file, *NOVEL)]
    model = arguments.folder / "tokenizer.gguf"
    write_keys(model, vocabulary(sentences))
    texts = cases(sentences)
    with tempfile.TemporaryDirectory() as folder:
        compile_peer(arguments.llama, f"{folder}/llama_ids")
        ids = peer_ids(f"{folder}/llama_ids", model, texts)
    write_keys(arguments.folder / "tokenizer_golden.gguf", {
        "golden.texts": [text for text, _ in texts],
        "golden.parse": [parse for _, parse in texts],
        "golden.counts": [len(row) for row in ids],
        "golden.ids": [i for row in ids for i in row],
    })  # fmt: skip


if __name__ == "__main__":
    main()
