"""Reads the trigram that Debian's pocketsphinx-en-us brings (BSD), to mix it with our own.

The file: "Trie Language Model", the order (a byte), counts (u32); tables of 2^16 floats that the
probabilities and back-offs of bigrams, then the probabilities of trigrams index; unigrams (probability,
back-off, where its bigrams begin); bigrams and trigrams bit by bit; the words, each with a zero after it.
A gram hangs under its newest word, then the one before. Logarithms are to base 1.0001.
"""

from pathlib import Path

import numpy as np

from .ngram import BEGIN, BITS, END, UNKNOWN, Level

MODEL = Path("/usr/share/pocketsphinx/model/en-us/en-us.lm.bin")
MAGIC = b"Trie Language Model"
BINS = 1 << 16
BASE = np.log(1.0001)


def _bits(most):
    return int(most).bit_length()


class _Packed:
    """Rows of bit fields, one after another."""

    def __init__(self, data, widths):
        self.data, self.widths = data, widths

    def column(self, index, count):
        first = sum(self.widths[:index]) + np.arange(count, dtype=np.int64) * sum(self.widths)
        value = np.zeros(count, np.uint64)
        for i in range(5):  # 32 bits at most, at any offset in a byte
            value |= self.data[(first >> 3) + i].astype(np.uint64) << np.uint64(8 * i)
        value >>= (first & 7).astype(np.uint64)
        return (value & np.uint64((1 << self.widths[index]) - 1)).astype(np.int64)


def load(path=MODEL):
    """The words, sorted by bytes, and the levels; words of letters and apostrophes alone."""
    data = Path(path).read_bytes()
    assert data.startswith(MAGIC) and data[len(MAGIC)] == 3, path
    at = len(MAGIC) + 1
    counts = np.frombuffer(data, "<u4", 3, at).astype(int)
    at += 12 + 4
    bins = np.frombuffer(data, "<f4", 3 * BINS, at).reshape(3, BINS) * BASE
    at += 12 * BINS
    unigrams = np.frombuffer(data, [("p", "<f4"), ("b", "<f4"), ("next", "<u4")], counts[0] + 1, at)
    at += unigrams.nbytes
    word_bits = _bits(counts[0])
    raw = np.frombuffer(data, np.uint8)
    size = lambda widths, rows: ((1 + rows) * sum(widths) + 7) // 8 + 8
    widths = [word_bits, 16, 16, _bits(counts[2])]
    middle = _Packed(raw[at:], widths)
    at += size(widths, counts[1])
    longest = _Packed(raw[at:], [word_bits, 16])
    at += size(longest.widths, counts[2])
    length = int(np.frombuffer(data, "<u4", 1, at)[0])
    names = data[at + 4 : at + 4 + length].decode().split("\0")[: counts[0]]

    wanted = {BEGIN, END}
    keep = np.array([name in wanted or name.replace("'", "").isalpha() and name.isascii()
                     and name == name.lower() for name in names])
    words = sorted({name for name, kept in zip(names, keep) if kept} | {UNKNOWN}, key=str.encode)
    place = {word: i for i, word in enumerate(words)}
    ids = np.array([place.get(name, -1) if kept else -1 for name, kept in zip(names, keep)])

    def spread(starts, total):
        """For each entry the row whose run it is in."""
        return np.searchsorted(starts, np.arange(total), "right") - 1

    before = middle.column(0, counts[1])
    newest = spread(unigrams["next"][:-1].astype(np.int64), counts[1])
    starts = middle.column(3, counts[1] + 1)
    parent = spread(starts[:-1], counts[2])
    first = longest.column(0, counts[2])

    def level(columns, log_prob, back_off):
        columns = [ids[column] for column in columns]  # the oldest word first
        good = np.all([column >= 0 for column in columns], 0)
        keys = np.zeros(good.sum(), np.int64)
        for column in columns:
            keys = keys << BITS | column[good]
        order = np.argsort(keys)
        return Level(keys[order], log_prob[good][order].astype(float),
                     back_off[good][order].astype(float))

    everything = np.full(len(words), np.log(1e-12))
    back_offs = np.zeros(len(words))
    everything[ids[keep]] = unigrams["p"][:-1][keep] * BASE
    back_offs[ids[keep]] = unigrams["b"][:-1][keep] * BASE
    levels = [
        Level(np.arange(len(words)), everything, back_offs),
        level([before, newest], bins[0][middle.column(2, counts[1])],
              bins[1][middle.column(1, counts[1])]),
        level([first, before[parent], newest[parent]], bins[2][longest.column(1, counts[2])],
              np.zeros(counts[2]))]
    return words, levels
