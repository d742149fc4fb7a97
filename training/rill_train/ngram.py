"""Trains the word trigram of the recogniser: interpolated modified Kneser-Ney, pruned by entropy.

    python3 -m rill_train.ngram --output ../models/speech-en.lm --arpa runs/speech-en.arpa

The text is `speech.sentences` and the transcripts of the training speakers, neither with a sentence
that a held-out transcript equals; `--mix` adds the trigram of Debian's pocketsphinx. Perplexity is of
the validation speakers' transcripts, a set at a time, </s> counted and unknown words left out.
`--prune` may list several thresholds: each is reported, the last is written.

A gram is an int64 key, 20 bits a word, the newest lowest; keys ascend. Word ids are ranks of the
words sorted by bytes. Logarithms are natural.

Source: Chen and Goodman 1998, "An empirical study of smoothing techniques for language modeling",
section 3 (smoothing); Stolcke 1998, "Entropy-based pruning of backoff language models", equation 4
(pruning), with a history's probability from its count as Chelba et al. 2010 advise for Kneser-Ney.
"""

import argparse
import struct
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np

from . import speech

ORDER = 3
BITS = 20
BEGIN, END, UNKNOWN = "<s>", "</s>", "<unk>"
STEP = 1 / 1024  # of the binary's logarithms, docs/language-model-format.md


@dataclass
class Level:
    """The grams of one length."""

    keys: np.ndarray  # int64 [grams], ascending
    log_prob: np.ndarray  # float64 [grams]
    back_off: np.ndarray  # float64 [grams], logarithm

    def find(self, keys):
        """Places of keys and whether they are there."""
        at = np.searchsorted(self.keys, keys).clip(max=max(len(self.keys) - 1, 0))
        return at, (self.keys[at] == keys if len(self.keys) else np.zeros(len(keys), bool))


def newest(keys, count):
    return keys & ((1 << BITS * count) - 1)


def vocabulary(sentences):
    """The words, sorted by bytes, with the three that are none."""
    return sorted({BEGIN, END, UNKNOWN, *chain.from_iterable(map(str.split, sentences))},
                  key=str.encode)


def flat(sentences, words):
    """All word ids, each sentence between <s> and </s>; int64 [tokens]."""
    ids = {word: i for i, word in enumerate(words)}
    unknown = ids[UNKNOWN]
    return np.array([ids.get(word, unknown) for sentence in sentences
                     for word in (BEGIN, *sentence.split(), END)], np.int64)


def grams(tokens, length, end):
    """Keys of every run of `length` tokens that crosses no sentence end, in the text's order."""
    count = max(len(tokens) - length + 1, 0)
    keys, inside = np.zeros(count, np.int64), np.ones(count, bool)
    for i in range(length):
        part = tokens[i : i + count]
        keys = keys << BITS | part
        if i < length - 1:
            inside &= part != end
    return keys[inside]


def discounts(counts):
    """What is taken from counts of 1, 2 and more; index 0 is never used."""
    n = [np.count_nonzero(counts == k) for k in range(5)]
    if min(n[1:]) == 0:
        return np.array([0, 0.5, 1, 1.5])  # too little text to estimate them
    y = n[1] / (n[1] + 2 * n[2])
    found = [k - (k + 1) * y * n[k + 1] / n[k] for k in (1, 2, 3)]
    return np.array([0, *np.clip(found, 0.01, (0.99, 1.99, 2.99))])


def train(sentences, words):
    """Levels of a model that backs off, and the count of each history by length."""
    begin, end = words.index(BEGIN), words.index(END)
    tokens = flat(sentences, words)
    raw = [np.unique(grams(tokens, n, end), return_counts=True) for n in range(1, ORDER + 1)]
    levels = []
    for n in range(1, ORDER + 1):
        keys, counts = raw[n - 1]
        if n < ORDER:
            # How many words it follows; nothing comes before a beginning, so that keeps its count.
            follows, distinct = np.unique(newest(raw[n][0], n), return_counts=True)
            starts = keys >> BITS * (n - 1) == begin
            counts = np.where(starts, counts, 0)
            counts[np.searchsorted(keys, follows)] += distinct
        if n == 1:
            everything = np.zeros(len(words), np.int64)
            everything[keys] = counts
            everything[begin] = 0
            keys, counts = np.arange(len(words)), everything
            lower, context = np.full(len(words), 1 / (len(words) - 1)), np.zeros(len(words), int)
        else:
            below = levels[-1]
            lower = np.exp(below.log_prob[below.find(newest(keys, n - 1))[0]])
            context = np.unique(keys >> BITS, return_inverse=True)[1]
        taken = discounts(counts)[np.minimum(counts, 3)]
        total = np.bincount(context, counts)[context]
        kept = np.bincount(context, taken)[context] / total  # mass for the lower order
        probability = (counts - taken) / total + kept * lower
        levels.append(Level(keys, np.log(probability), np.zeros(len(keys))))
    levels[0].log_prob[begin] = -99 * np.log(10)  # the custom for what is never predicted
    return normalised(levels), raw


def log_prob(levels, keys, length):
    """Natural log probabilities of the last word of each key after the words before it."""
    at, found = levels[length - 1].find(keys)
    result = levels[length - 1].log_prob[at] if len(levels[length - 1].keys) else np.zeros(len(keys))
    if length == 1:
        return result
    missing = ~found
    context, known = levels[length - 2].find(keys[missing] >> BITS)
    result[missing] = np.where(known, levels[length - 2].back_off[context], 0) + log_prob(
        levels, newest(keys[missing], length - 1), length - 1)
    return result


def mass(levels, n):
    """For each gram of level n (from 2): its history's place, and the probability of all grams of
    that history, by itself and as the lower level sees them; [histories] both."""
    level, below = levels[n - 1], levels[n - 2]
    context = below.find(level.keys >> BITS)[0]
    lower = log_prob(levels, newest(level.keys, n - 1), n - 1)
    sums = [np.bincount(context, np.exp(p), len(below.keys)) for p in (level.log_prob, lower)]
    return context, lower, *sums


def normalised(levels):
    """The same grams with the back-offs that make every history sum to one."""
    levels = list(levels)
    for n in range(2, ORDER + 1):
        context, _, own, lower = mass(levels, n)
        left, left_lower = np.maximum(1 - own, 1e-12), np.maximum(1 - lower, 1e-12)
        levels[n - 2] = replace(levels[n - 2], back_off=np.log(left / left_lower))
    return levels


def pruned(levels, raw, threshold):
    """Without the grams whose loss raises the model's cross entropy by less than the threshold."""
    tokens = raw[0][1].sum()
    for n in range(ORDER, 1, -1):
        level = levels[n - 1]
        context, lower, own, below = mass(levels, n)
        p, left = np.exp(level.log_prob), np.maximum(1 - own, 1e-12)[context]
        left_lower = np.maximum(1 - below, 1e-12)[context]
        change = np.log((left + p) / (left_lower + np.exp(lower))) - np.log(left / left_lower)
        after = np.log((left + p) / (left_lower + np.exp(lower))) + lower
        keys, counts = raw[n - 2]
        seen = counts[np.searchsorted(keys, levels[n - 2].keys[context])] / tokens
        keep = -seen * (p * (after - level.log_prob) + change * left) >= threshold
        if n < ORDER:
            keep |= np.isin(level.keys, levels[n].keys >> BITS)
        levels = list(levels)
        levels[n - 1] = Level(level.keys[keep], level.log_prob[keep], level.back_off[keep])
    return normalised(levels)


def mixed(own, other, weight):
    """The linear interpolation of two models of (words, levels, histories' counts), the first with
    that weight: words, levels and such counts of all grams that either knows."""
    words = sorted({*own[0], *other[0]}, key=str.encode)
    place = {word: i for i, word in enumerate(words)}
    models, counts = [], []
    for known, levels, raw in (own, other):
        ids = np.array([place[word] for word in known])  # ascending, so keys stay sorted

        def renamed(keys, n):
            columns = [ids[newest(keys >> BITS * j, 1)] for j in range(n - 1, -1, -1)]
            return sum(column << BITS * (n - 1 - i) for i, column in enumerate(columns))

        unigrams = Level(np.arange(len(words)), np.full(len(words), np.log(1e-12)),
                         np.zeros(len(words)))
        unigrams.log_prob[ids], unigrams.back_off[ids] = levels[0].log_prob, levels[0].back_off
        models.append([unigrams] + [replace(level, keys=renamed(level.keys, n))
                                    for n, level in enumerate(levels[1:], 2)])
        counts.append([(renamed(keys, n), share / raw[0][1].sum())
                       for n, (keys, share) in enumerate(raw[: ORDER - 1], 1)])
    levels, raw = [], []
    for n in range(1, ORDER + 1):
        keys = np.union1d(models[0][n - 1].keys, models[1][n - 1].keys)
        log_probs = [log_prob(model, keys, n) for model in models]
        both = np.logaddexp(np.log(weight) + log_probs[0], np.log(1 - weight) + log_probs[1])
        levels.append(Level(keys, both, np.zeros(len(keys))))
        if n < ORDER:
            seen = np.zeros(len(keys))
            for part, (known, share) in zip((weight, 1 - weight), (counts[0][n - 1], counts[1][n - 1])):
                seen[np.searchsorted(keys, known)] += part * share
            raw.append((keys, seen))
    return words, normalised(levels), raw


def expected_counts(levels):
    """Counts of histories that a model expects, a share of all words."""
    raw = [(levels[0].keys, np.exp(levels[0].log_prob))]
    keys = levels[1].keys
    begins = raw[0][1][keys >> BITS]
    return raw + [(keys, begins * np.exp(levels[1].log_prob))]


def perplexity(levels, words, sentences):
    """Perplexity, and the share of words that are unknown."""
    begin, end, unknown = (words.index(w) for w in (BEGIN, END, UNKNOWN))
    tokens = flat(sentences, words)
    total, count, lost = 0.0, 0, np.count_nonzero(tokens == unknown)
    for n in range(2, ORDER + 1):
        keys = grams(tokens, n, end)
        # A shorter gram only where the sentence is not old enough for the longest.
        keys = keys[(n == ORDER) | (keys >> BITS * (n - 1) == begin)]
        keys = keys[newest(keys, 1) != unknown]
        total, count = total + log_prob(levels, keys, n).sum(), count + len(keys)
    spoken = np.count_nonzero((tokens != begin) & (tokens != end))
    return np.exp(-total / count), lost / spoken


def write_arpa(path, levels, words):
    with open(path, "w") as file:
        file.write("\\data\\\n")
        for n, level in enumerate(levels, 1):
            file.write(f"ngram {n}={len(level.keys)}\n")
        for n, level in enumerate(levels, 1):
            file.write(f"\n\\{n}-grams:\n")
            columns = [[words[i] for i in newest(level.keys >> BITS * j, 1)]
                       for j in range(n - 1, -1, -1)]
            scale = 1 / np.log(10)
            for p, b, *gram in zip(level.log_prob * scale, level.back_off * scale, *columns):
                file.write(f"{p:.6f}\t{' '.join(gram)}" + (f"\t{b:.6f}" if n < ORDER else "") + "\n")
        file.write("\n\\end\\\n")


def binary(levels, words):
    """The bytes of docs/language-model-format.md."""
    kind = "<u2" if len(words) <= 0xFFFF else "<u4"
    fixed = lambda x: np.round(x / STEP).clip(-32768, 32767).astype("<i2").tobytes()
    texts, last = [], b""
    for word in map(str.encode, words):
        shared = next((i for i, (a, b) in enumerate(zip(last, word)) if a != b),
                      min(len(last), len(word)))
        texts.append(bytes([shared, len(word) - shared]) + word[shared:])
        last = word
    text = b"".join(texts)
    parts = [b"RILLGRAM", struct.pack(f"<{len(levels) + 3}I", 1, len(levels),
                                      *(len(level.keys) for level in levels), len(text)), text]
    for n, level in enumerate(levels, 1):
        if n > 1:
            parts.append(newest(level.keys, 1).astype(kind).tobytes())
        parts.append(fixed(level.log_prob))
        if n < len(levels):
            children = np.bincount(level.find(levels[n].keys >> BITS)[0], minlength=len(level.keys))
            parts += [fixed(level.back_off), children.astype(kind).tobytes()]
    return b"".join(parts)


def listed(path):
    """The words of a file that `binary` made."""
    content = Path(path).read_bytes()
    _, order = np.frombuffer(content, "<u4", 2, 8)
    at = 16 + 4 * int(order)
    end = at + 4 + int(np.frombuffer(content, "<u4", 1, at)[0])
    at, words, word = at + 4, [], b""
    while at < end:
        shared, more = content[at], content[at + 1]
        word = word[:shared] + content[at + 2 : at + 2 + more]
        words.append(word.decode())
        at += 2 + more
    return words


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--output", type=Path, required=True, help="the binary")
    add("--arpa", type=Path, help="the same as text")
    add("--mix", type=float, default=1, help="weight of our own text; the rest is pocketsphinx-en-us's")
    add("--prune", default="1.6e-7", help="thresholds, nats of cross entropy: a,b; the last is written")
    options = parser.parse_args()

    everything = speech.utterances()
    held_out = {u.text for u in everything if u.split != "train"}
    sentences = speech.sentences(sorted(held_out)) + [
        u.text for u in everything if u.split == "train" and u.text not in held_out]
    words = vocabulary(sentences)
    full, raw = train(sentences, words)
    print(f"{len(sentences)} sentences, {raw[0][1].sum()} tokens, {len(words)} words", flush=True)
    if options.mix < 1:
        from . import sphinx_lm  # here, because it needs this module

        others, other = sphinx_lm.load()
        words, full, raw = mixed((words, full, raw), (others, other, expected_counts(other)),
                                 options.mix)
    spoken = {}
    for u in everything:
        if u.split == "validation":
            spoken.setdefault(u.set, []).append(u.text)
    for threshold in map(float, options.prune.split(",")):
        levels = pruned(full, raw, threshold) if threshold else full
        content = binary(levels, words)
        counts = " + ".join(str(len(level.keys)) for level in levels)
        print(f"pruned at {threshold:g}: {counts} grams, {len(content)} bytes")
        for name, texts in sorted(spoken.items()):
            value, lost = perplexity(levels, words, texts)
            print(f"  {name}: perplexity {value:.1f}, {100 * lost:.2f} % unknown words", flush=True)
    options.output.write_bytes(content)
    if options.arpa:
        write_arpa(options.arpa, levels, words)


if __name__ == "__main__":
    main()
