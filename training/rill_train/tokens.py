"""Byte-pair units of text: a vocabulary of word pieces learned from sentences.

A word is its letters with a space before it; the most frequent pair of neighbours becomes a new
piece, again and again. Piece 0 is CTC's blank.
"""

from collections import Counter

BLANK = ""


def words_of(text):
    return [" " + word for word in text.split()]


def merge(pieces, pair):
    merged, i = [], 0
    while i < len(pieces):
        if tuple(pieces[i : i + 2]) == pair:
            merged.append(pieces[i] + pieces[i + 1])
            i += 2
        else:
            merged.append(pieces[i])
            i += 1
    return merged


def learn(texts, size):
    """The pieces of a vocabulary of so many at most, in the order they were found."""
    counts = Counter(word for text in texts for word in words_of(text))
    words = [(list(word), count) for word, count in sorted(counts.items())]
    pieces = [BLANK, *sorted({letter for word, _ in words for letter in word})]
    while len(pieces) < size:
        pairs = Counter()
        for parts, count in words:
            for pair in zip(parts, parts[1:]):
                pairs[pair] += count
        if not pairs:
            break
        # Ties go to the pair that sorts first, so that the vocabulary is the same everywhere.
        pair = min(pairs, key=lambda p: (-pairs[p], p))
        words = [(merge(parts, pair), count) for parts, count in words]
        pieces.append(pair[0] + pair[1])
    return pieces


class Tokens:
    def __init__(self, pieces):
        self.pieces = list(pieces)
        self.index = {piece: i for i, piece in enumerate(self.pieces)}
        self.known = {}

    def encode(self, text):
        return [i for word in words_of(text) for i in self.word(word)]

    def word(self, word):
        if word not in self.known:
            parts = list(word)
            while True:
                pairs = [self.index.get(a + b, len(self.pieces)) for a, b in zip(parts, parts[1:])]
                first = min(pairs, default=len(self.pieces))
                if first == len(self.pieces):
                    break
                i = pairs.index(first)
                parts = merge(parts, (parts[i], parts[i + 1]))
            self.known[word] = [self.index[part] for part in parts]
        return self.known[word]

    def decode(self, indices):
        return "".join(self.pieces[i] for i in indices).strip()
