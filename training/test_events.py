"""python3 -m unittest"""

import tempfile
import unittest
from pathlib import Path
from unittest import mock

import numpy as np
import torch

from rill_train import (classify_export, event_batches, event_models, event_train, events, fbank, gguf,
                        speech_batches)

SMALL = event_models.EVENTS | {
    "width": 24, "operators": ["short_conv", "liquid_scan"], "swiglu.width": 32,
    "liquid_scan.width": 20, "audio.channels": 8}


def tones(count=6):
    """Clips of three tones, one a class, each only in a part of its clip."""
    rng, time = np.random.default_rng(0), np.arange(events.SAMPLES)
    classes = np.arange(count) % 3
    samples = np.zeros((count, events.SAMPLES), np.int16)
    for row, c in zip(samples, classes):
        begin = rng.integers(0, 3 * fbank.RATE)
        part = slice(begin, begin + fbank.RATE)
        row[part] = 8000 * np.sin(2 * np.pi * 300 * 3**c * time[part] / fbank.RATE)
    return events.Clips(samples, classes, np.arange(count) % events.FOLDS + 1, ["low", "middle", "high"])


class Folds(unittest.TestCase):
    def test_what_is_scored_does_not_train(self):
        for fold in range(1, events.FOLDS + 1):
            for use in "test", "choose", "all":
                train, scored = events.roles(fold, use)
                self.assertNotIn(scored, train)
                self.assertNotIn(fold, train)
                self.assertEqual(len(train), 3 if use == "choose" else 4)
                self.assertEqual(scored == fold, use != "choose")

    @unittest.skipUnless((events.data_dir().parent / "events" / "esc10.tar").exists(), "no ESC-10")
    def test_decodes_a_clip_of_each_class(self):
        with tempfile.TemporaryDirectory() as folder:
            read = events._decoded
            silent = np.ones(events.SAMPLES, np.int16)
            few = iter(range(400))
            some = lambda opus: read(opus) if next(few) % 40 == 0 else silent
            with mock.patch.object(events, "_decoded", some):
                clips = events.clips(folder)
            again = events.clips(folder)
        np.testing.assert_array_equal(clips.samples, again.samples)
        self.assertEqual(clips.labels[:2], ["baby cry", "chainsaw"])
        np.testing.assert_array_equal(np.bincount(10 * (clips.folds - 1) + clips.classes), 8)
        self.assertGreater(np.abs(clips.samples[::40].astype(int)).max(1).min(), 100)


class Batches(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.clips = tones()
        room = np.r_[np.ones(1, np.float32), np.zeros(99, np.float32)]
        for owner, name, value in ((speech_batches, "room_responses", lambda: [room]),
                                   (event_batches, "NOISES", 2)):
            patch = mock.patch.object(owner, name, value)
            patch.start()
            self.addCleanup(patch.stop)

    def batches(self, strength, chosen=range(6)):
        return event_batches.Batches(self.clips, np.array(chosen), self.folder.name, 16, strength, 1)

    def test_a_view_is_another_speed(self):
        views, lengths = event_batches.views(self.clips, self.folder.name)
        self.assertEqual(views.shape, (6, event_batches.VIEWS, event_batches.LONGEST, fbank.BINS))
        self.assertTrue((lengths[:, 0] == event_batches.TIME).all())
        self.assertGreater(lengths.max() / lengths.min(), 1.3)
        whole = fbank.Fbank()(torch.from_numpy(self.clips.samples[2].astype(np.float32) / 32768))
        np.testing.assert_allclose(views[2, 0, : event_batches.TIME], whole, atol=0.01)

    def test_targets_are_shares_of_what_sounds(self):
        frames, targets, weights = self.batches(1.0).batch(np.random.default_rng(0))
        time = event_batches.TIME // event_batches.STRIDE
        self.assertEqual(frames.shape, (event_batches.TIME, 16, fbank.BINS))
        self.assertEqual((targets.shape, weights.shape), ((time, 16, 3), (time, 16)))
        self.assertTrue(frames.isfinite().all())
        torch.testing.assert_close(targets.sum(-1), torch.ones(time, 16))
        self.assertTrue((weights[: event_batches.LEAD] == 0).all())
        # Where another sound begins, nothing counts for as long.
        cut = (targets[1:] != targets[:-1]).any(-1).int().argmax(0) + 1
        for b in (targets[0] != targets[-1]).any(-1).nonzero()[:, 0]:
            self.assertEqual(weights[cut[b] : cut[b] + event_batches.LEAD, b].sum(), 0)

    def test_without_strength_sounds_are_pure_and_only_the_chosen(self):
        batches = self.batches(0.0, [1, 4])
        for _ in range(3):
            frames, targets, _ = batches.batch(np.random.default_rng(0))
            self.assertTrue((targets[..., 1] == 1).all())
            # The tone of 900 Hz, or of 720 to 1,125 at other speeds.
            self.assertTrue(((frames.exp().mean(0).argmax(-1) - 26).abs() < 10).all())

    def test_learns_tones_by_heart_and_exports_them(self):
        torch.manual_seed(0)
        model = event_models.EventClassifier(SMALL, 3)
        model.audio.mean.data.fill_(-12)
        model.audio.deviation.data.fill_(5)
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
        batches, rng, losses = self.batches(0.0), np.random.default_rng(1), []
        for _ in range(40):
            frames, *wanted = batches.batch(rng)
            optimizer.zero_grad()
            loss = event_train.loss(model(frames), *wanted, 0.0)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        self.assertLess(losses[-1], losses[0] / 2)
        self.assertEqual(event_train.Scores(self.clips, np.arange(6))(model)["accuracy"], 1)
        keys = classify_export.metadata(model, self.clips.labels, "Tones", "For tests")
        path = Path(self.folder.name) / "tones.gguf"
        gguf.write(path, keys, classify_export.tensors(model, "Q8_0"))
        keys, tensors = gguf.read(path)
        self.assertEqual((keys["rill.encoders"], keys["rill.heads"]), (["audio"], ["classify"]))
        self.assertEqual(keys["rill.classify.labels"], self.clips.labels)
        self.assertEqual(tensors["audio.conv2.weight"].shape, (8, 72))
        self.assertEqual(set(tensors), set(model.state_dict()))


class Loss(unittest.TestCase):
    def test_is_least_for_the_targets(self):
        targets = torch.tensor([0.7, 0.3, 0]).expand(6, 2, 3)
        weights = torch.ones(6, 2)
        weights[:2] = 0
        right, wrong = (targets + 1e-6).log(), torch.randn(6, 2, 3)
        least = event_train.loss(right, targets, weights, 0.0)
        self.assertLess(least, event_train.loss(wrong, targets, weights, 0.0))
        other = torch.cat([wrong[:2], right[2:]])  # frames that do not count
        torch.testing.assert_close(event_train.loss(other, targets, weights, 0.0), least)


if __name__ == "__main__":
    unittest.main()
