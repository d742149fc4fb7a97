"""python3 -m unittest"""

import shutil
import tempfile
import unittest

import numpy as np
import torch

from rill_train import fbank, phones, speech, speech_batches, speech_models, speech_train, tokens

try:
    from torchaudio.compliance import kaldi
except ImportError:
    kaldi = None


class Text(unittest.TestCase):
    def test_numbers_are_words(self):
        for text, want in {
            "This is the 1940's": "this is the nineteen forties",
            "you were born 13th july 1922 huh": "you were born thirteenth july nineteen twenty two huh",
            "model x7, 100 miles": "model x seven one hundred miles",
            "at 19 00 hours": "at nineteen hundred hours",
            "the 21st of 2,000": "the twenty first of two zero zero zero",
            "in 1805 or 1900": "in eighteen oh five or nineteen hundred",
            "2b or not 2b": "two b or not two b",
            "45678": "forty five thousand six hundred seventy eight",
            "Don't—stop": "don't stop",
        }.items():
            self.assertEqual(speech.normalised(text), want)
        self.assertEqual(speech.ordinal(30), "thirtieth")

    def test_every_fifth_speaker_is_held_out(self):
        names = [f"s{i}" for i in range(12)]  # sorted by bytes: s0 s1 s10 s11 s2 s3 ...
        of = speech.splits({"many": set(names), "one": {"x"}})
        held = {split: sorted(s for (_, s), v in of.items() if v == split)
                for split in ("validation", "test")}
        self.assertEqual(held, {"validation": ["s2", "s7"], "test": ["s11", "s6"]})
        self.assertEqual(of["one", "x"], "train")


class Voices(unittest.TestCase):
    def test_a_warp_moves_a_tone_to_another_frequency(self):
        hertz = [700 * np.expm1(fbank.mel(0) + (fbank.mel(fbank.LOW_HZ) + (
            fbank.mel(fbank.HIGH_HZ) - fbank.mel(fbank.LOW_HZ)) * (k + 1) / (fbank.BINS + 1)) / 1127)
            for k in range(fbank.BINS)]
        np.testing.assert_allclose(speech_batches.warp(1.0), np.eye(fbank.BINS), atol=1e-5)
        for factor in 0.85, 1.15:
            moved = speech_batches.warp(factor)[40].argmax()
            self.assertAlmostEqual(hertz[moved] / hertz[40], factor, delta=0.05)
            np.testing.assert_allclose(speech_batches.warp(factor).sum(0), 1, rtol=1e-5)


@unittest.skipUnless((speech.folder() / "manifest.tsv").exists(), "no speech data")
class Manifest(unittest.TestCase):
    def test_reads_normalised_utterances_of_disjoint_speakers(self):
        found = speech.utterances()
        self.assertGreater(len(found), 17000)
        who = {}
        for u in found:
            self.assertRegex(u.text, r"^[a-z']+( [a-z']+)*$")
            self.assertEqual(who.setdefault((u.set, u.speaker), u.split), u.split)
        hours = {split: sum(u.seconds for u in found if u.split == split) / 3600
                 for split in ("train", "validation", "test")}
        self.assertGreater(hours["train"], 9)
        self.assertGreater(min(hours.values()), 2)

    def test_sentences_hold_no_held_out_text(self):
        held = [u.text for u in speech.utterances() if u.split != "train"]
        found = speech.sentences(held)
        self.assertFalse(set(found) & set(held))
        self.assertGreater(len(found), 200000)
        text = "\n".join(found)
        for sentence in [t for t in held if len(t.split()) > 4][::200]:
            self.assertNotIn(sentence, text)

    def test_decodes_what_the_manifest_says(self):
        utterance = min(speech.utterances(), key=lambda u: u.seconds)
        with tempfile.TemporaryDirectory() as cache:
            clip = speech.clip(utterance, cache)
        self.assertAlmostEqual(len(clip) / speech.RATE, utterance.seconds, delta=0.001)
        self.assertGreater(np.abs(clip).max(), 0.01)


class Frames(unittest.TestCase):
    def signal(self):
        torch.manual_seed(0)
        return 0.1 * torch.randn(2, 16000) + 0.3 * torch.sin(torch.arange(16000) * 0.2)

    @unittest.skipUnless(kaldi, "no torchaudio")
    def test_equals_kaldi_on_the_same_windows(self):
        samples = self.signal()
        got = fbank.Fbank()(samples)
        for row, frames in zip(samples, got):
            ahead = torch.cat([torch.zeros(fbank.WINDOW - fbank.HOP), row])
            want = kaldi.fbank(
                ahead[None], num_mel_bins=fbank.BINS, low_freq=fbank.LOW_HZ, high_freq=fbank.HIGH_HZ,
                window_type="povey", dither=0.0, snip_edges=True, energy_floor=0.0)
            torch.testing.assert_close(frames, want, atol=2e-3, rtol=1e-4)

    def test_a_frame_depends_on_nothing_later(self):
        samples, cut = self.signal(), 50
        part = fbank.Fbank()(samples[:, : cut * fbank.HOP])
        torch.testing.assert_close(fbank.Fbank()(samples)[:, :cut], part)


@unittest.skipUnless(phones.DICTIONARY.exists() and shutil.which("flite"), "needs the dictionary and flite")
class Phones(unittest.TestCase):
    def test_a_lexicon_says_the_words_of_both_sources(self):
        with tempfile.TemporaryDirectory() as folder:
            lines = phones.lexicon(["tomato", "rillish", "it's"], folder).splitlines()
            again = phones.lexicon(["tomato", "rillish", "it's"], folder).splitlines()
        self.assertEqual(lines, again)
        self.assertEqual([line for line in lines if line.startswith("tomato ")],
                         ["tomato T AH M EY T OW", "tomato T AH M AA T OW"])
        self.assertEqual(sum(line.startswith("rillish ") for line in lines), 1)
        for line in lines:
            word, *said = line.split()
            self.assertTrue(said and set(said) <= set(phones.PHONES[1:]), line)
            self.assertRegex(word, "^[a-z']+$")


class Pieces(unittest.TestCase):
    def test_text_comes_back(self):
        texts = ["the cat sat on the mat", "the dog's mat"] * 3
        known = tokens.Tokens(tokens.learn(texts, 40))
        self.assertEqual(known.pieces[0], tokens.BLANK)
        self.assertEqual(len(set(known.pieces)), len(known.pieces))
        for text in texts + ["coat"]:
            self.assertEqual(known.decode(known.encode(text)), text)
        self.assertEqual(len(known.encode("the mat")), 2)

    def test_errors_are_counted_by_kind(self):
        count = lambda a, b: speech_train.errors(a.split(), b.split())
        self.assertEqual(count("a b c", "a b c"), (0, 0, 0))
        self.assertEqual(count("a b c", "a x c d"), (1, 0, 1))
        self.assertEqual(count("a b c", "c"), (0, 2, 0))
        self.assertEqual(count("", "a"), (0, 0, 1))


SMALL = dict(speech_models.BASE, **{
    "width": 24, "operators": ["short_conv", "liquid_scan"], "swiglu.width": 32,
    "liquid_scan.width": 20, "audio.channels": 6, "transcribe.tokens": 9})


class Recogniser(unittest.TestCase):
    def test_pieces_of_a_recording_equal_the_whole(self):
        torch.manual_seed(0)
        model, frames = speech_models.SpeechModel(SMALL).double(), torch.randn(80, 2, 80).double()
        double = lambda s: ([double(x) for x in s] if isinstance(s, list) else
                            None if s is None else s.double())
        whole, _, _ = model.hidden(frames, double(model.initial_state(2)))
        state, parts = double(model.initial_state(2)), []
        for begin, end in ((0, 4), (4, 40), (40, 48), (48, 80)):
            part, state, _ = model.hidden(frames[begin:end], state)
            parts.append(part)
        torch.testing.assert_close(torch.cat(parts), whole)
        for lookahead in (0, 2, 4):
            heads = model.head(whole, lookahead)
            changed = frames.clone()
            changed[4 * (9 + lookahead + 1) :] += 1  # later than frame 9 may see
            other = model.head(model.hidden(changed, double(model.initial_state(2)))[0], lookahead)
            for logits, others in zip(heads, other):
                self.assertEqual(len(logits), 20 - lookahead)
                torch.testing.assert_close(others[:10], logits[:10])

    def test_gradient_of_the_recurrence(self):
        torch.manual_seed(0)
        decay, x = (torch.rand(5, 2, 3).double().requires_grad_() for _ in range(2))
        state = torch.randn(2, 3).double()
        run = lambda decay, x: speech_models._Recurrence.apply(decay, x, state)
        self.assertTrue(torch.autograd.gradcheck(run, (decay, x)))

    def test_learns_two_words_by_heart(self):
        torch.manual_seed(0)
        model = speech_models.SpeechModel(SMALL)
        frames, targets = torch.randn(48, 2, 80), torch.tensor([[1, 2, 3], [4, 4, 5]])
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
        for _ in range(60):
            optimizer.zero_grad()
            for logits in model(frames, 2):
                torch.nn.functional.ctc_loss(
                    logits.log_softmax(-1), targets, torch.tensor([12, 12]),
                    torch.tensor([3, 3])).backward(retain_graph=True)
            optimizer.step()
        known = tokens.Tokens(["", *" abcdefgh"][:9])
        for b in range(2):
            pieces, spoken = (x[:, b] for x in model(frames, 2))
            self.assertEqual(speech_train.greedy(pieces, known), known.decode(targets[b].tolist()))
            self.assertEqual(speech_train.likeliest(spoken), targets[b].tolist())


if __name__ == "__main__":
    unittest.main()
