"""python3 -m unittest"""

import struct
import tempfile
import unittest
from pathlib import Path

import numpy as np

from rill_train import export_goldens, ngram

SENTENCES = export_goldens.ngram_sentences()
WORDS = ngram.vocabulary(SENTENCES)


def read(content):
    """Words and (newest words, log probabilities, back-offs, children) of a binary's levels."""
    order, at, words, last = struct.unpack_from("<I", content, 12)[0], 16, [], b""
    *counts, text = struct.unpack_from(f"<{order + 1}I", content, at)
    at += 4 * (order + 1)
    for _ in range(counts[0]):
        shared, others = content[at], content[at + 1]
        last = last[:shared] + content[at + 2 : at + 2 + others]
        at += 2 + others
        words.append(last.decode())
    levels = []
    for n, count in enumerate(counts):
        columns = [None] * 4
        for i, kind in enumerate(("<u2", "<i2", "<i2", "<u2")):
            if (n == 0 and i == 0) or (n + 1 == order and i > 1):
                continue
            columns[i] = np.frombuffer(content, kind, count, at)
            at += 2 * count
        levels.append(columns)
    assert at == len(content)
    return words, levels


class Trigram(unittest.TestCase):
    def setUp(self):
        self.full, self.raw = ngram.train(SENTENCES, WORDS)
        self.pruned = ngram.pruned(self.full, self.raw, 1e-4)

    def test_every_history_sums_to_one(self):
        count, begin = len(WORDS), WORDS.index(ngram.BEGIN)
        predicted = np.delete(np.arange(count), begin)
        for levels in (self.full, self.pruned):
            for n in range(1, ngram.ORDER + 1):
                histories = np.zeros(1, np.int64)
                for _ in range(n - 1):
                    histories = (histories[:, None] << ngram.BITS | np.arange(count)).ravel()
                keys = (histories[:, None] << ngram.BITS | predicted).ravel()
                p = np.exp(ngram.log_prob(levels, keys, n)).reshape(len(histories), -1)
                np.testing.assert_allclose(p.sum(1), 1, rtol=1e-9)

    def test_a_mixture_weighs_what_two_models_say(self):
        others = ["the cat ran", "a dog sat down", "the dog and the cat"]
        names = ngram.vocabulary(others)
        other, counts = ngram.train(others, names)
        words, levels, raw = ngram.mixed((WORDS, self.full, self.raw), (names, other, counts), 0.7)
        self.assertEqual(words, sorted({*WORDS, *names}))
        self.assertAlmostEqual(raw[0][1].sum(), 1)

        def probability(known, model, gram):
            if any(word not in known for word in gram):
                # A word before that is unknown tells nothing; one that is asked for never comes.
                return probability(known, model, gram[1:]) if gram[-1] in known else 1e-12
            key = sum(known.index(word) << ngram.BITS * i for i, word in enumerate(gram[::-1]))
            return float(np.exp(ngram.log_prob(model, np.array([key]), len(gram))[0]))

        for n, level in enumerate(levels, 1):
            for key in level.keys:
                gram = [words[ngram.newest(key >> ngram.BITS * i, 1)] for i in range(n - 1, -1, -1)]
                want = 0.7 * probability(WORDS, self.full, gram) + 0.3 * probability(names, other, gram)
                self.assertAlmostEqual(probability(words, levels, gram), want, places=9)
        histories = np.arange(len(words))[:, None] << ngram.BITS
        predicted = np.delete(np.arange(len(words)), words.index(ngram.BEGIN))
        p = np.exp(ngram.log_prob(levels, (histories | predicted).ravel(), 2))
        np.testing.assert_allclose(p.reshape(len(words), -1).sum(1), 1, rtol=1e-6)

    def test_pruning_drops_grams_and_costs_little(self):
        self.assertLess(len(self.pruned[2].keys), len(self.full[2].keys))
        self.assertGreater(len(self.pruned[2].keys), 0)
        before, after = (ngram.perplexity(m, WORDS, SENTENCES)[0] for m in (self.full, self.pruned))
        self.assertLess(before, after)
        self.assertLess(after, 1.1 * before)
        for n in (1, 2):  # what a gram begins with stays
            self.assertTrue(self.pruned[n - 1].find(self.pruned[n].keys >> ngram.BITS)[1].all())

    def test_lower_orders_count_what_a_word_follows(self):
        # "b" is frequent but follows "a" alone; "d" is rarer and follows three words.
        sentences = ["a b"] * 9 + ["a d", "c d", "b d"]
        words = ngram.vocabulary(sentences)
        levels, _ = ngram.train(sentences, words)
        p = levels[0].log_prob
        self.assertLess(p[words.index("b")], p[words.index("d")])
        # Continuation counts a 1, b 2, c 1, d 3, </s> 2 of 9, discounts of too little text, five
        # words and <unk>: by hand for "d".
        taken = 0.5 + 1 + 0.5 + 1.5 + 1
        self.assertAlmostEqual(np.exp(p[words.index("d")]), (3 - 1.5) / 9 + taken / 9 / 6)

    def test_unknown_words_are_left_out_of_the_perplexity(self):
        _, lost = ngram.perplexity(self.full, WORDS, ["the cat", "the dog"])
        self.assertEqual(lost, 0.25)

    def test_binary_holds_the_same_model(self):
        words, levels = read(ngram.binary(self.pruned, WORDS))
        self.assertEqual(words, WORDS)
        for n, (level, (newest, log_prob, back_off, children)) in enumerate(
                zip(self.pruned, levels), 1):
            if n > 1:
                np.testing.assert_array_equal(newest, ngram.newest(level.keys, 1))
                self.assertEqual(before.sum(), len(level.keys))
            least = -32768 * ngram.STEP  # <s> is never predicted
            np.testing.assert_allclose(
                log_prob * ngram.STEP, np.maximum(level.log_prob, least), atol=ngram.STEP / 2)
            if n < ngram.ORDER:
                np.testing.assert_allclose(
                    back_off * ngram.STEP, level.back_off, atol=ngram.STEP / 2)
            before = children

    def test_words_of_a_file_are_listed(self):
        with tempfile.NamedTemporaryFile() as file:
            file.write(ngram.binary(self.pruned, WORDS))
            file.flush()
            self.assertEqual(ngram.listed(file.name), WORDS)

    def test_goldens_are_these(self):
        with tempfile.TemporaryDirectory() as folder:
            export_goldens.write_ngrams(Path(folder))
            for name in ("ngram.arpa", "ngram.lm"):
                golden = Path(__file__).parent.parent / "tests" / "goldens" / name
                self.assertEqual((Path(folder) / name).read_bytes(), golden.read_bytes())


if __name__ == "__main__":
    unittest.main()
