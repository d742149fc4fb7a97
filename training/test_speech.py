"""python3 -m unittest"""

import tempfile
import unittest

import numpy as np
import torch

from rill_train import fbank, speech

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


if __name__ == "__main__":
    unittest.main()
