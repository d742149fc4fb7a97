"""python3 -m unittest"""

import argparse
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import numpy as np
import torch

from rill_train import (classify_export, digit_batches, digit_evaluate, digits, export_goldens, gguf, images,
                        models, omni_batches, omni_export, omni_models, omni_train, operators, speech,
                        tokens, watch_batches)

SMALL = omni_models.OMNI | {
    "width": 24, "operators": ["short_conv", "liquid_scan"], "swiglu.width": 32, "short_conv.taps": 3,
    "liquid_scan.width": 20, "audio.channels": 6, "transcribe.tokens": 12, "sensor.patch": 4,
    "forecast.horizon": 6, "image.stages": 2, "image.stage_channels": [4, 8],
    "image.stage_strides": [2, 2], "image.stage_blocks": [0, 1], "image.stage_inner": [8, 16]}
CLASSES = {"image": 10, "event": 10, "digit": 10}


def small():
    torch.manual_seed(0)
    return omni_models.OmniModel(SMALL, CLASSES)


class SharedBlocks(unittest.TestCase):
    def test_forecasts_are_those_of_the_sensor_model_with_the_same_weights(self):
        model = export_goldens.shaken(small())
        sensor = models.SensorModel(models.BASE | SMALL).double()
        names = set(sensor.state_dict())
        sensor.load_state_dict({k: v for k, v in model.state_dict().items() if k in names})
        inputs, dt = torch.randn(2, 9, 3, 16).double(), torch.rand(2, 9, 3).double() + 0.3
        forecaster = omni_models.Forecaster(model)
        torch.testing.assert_close(forecaster.head(forecaster.hidden(inputs, dt)), sensor(inputs, dt))

    def test_a_fused_stream_is_one_state(self):
        model, frames = small().eval(), torch.randn(32, 2, 80)
        pixels = torch.rand(3, 2, 28, 28, 1)
        order = digit_batches.order(8, np.array([0.04, 0.05, 0.3]))
        self.assertEqual(order.tolist(), [0, 1, 8, 9, 2, 3, 4, 5, 6, 7, 10])
        logits = model.digits(frames, pixels, order)
        alone = model.digits(frames, pixels[:0], torch.arange(8))
        torch.testing.assert_close(logits[:2], alone[:2])  # nothing has been seen yet
        self.assertGreater((logits[4] - alone[2]).abs().max(), 1e-4)
        pixels[2] = 0  # which comes last
        torch.testing.assert_close(model.digits(frames, pixels, order)[:-1], logits[:-1])
        hidden, _, _ = model.hidden(frames, model.initial_state(2))
        torch.testing.assert_close(alone, model.classify["digit"](hidden))


    def test_a_watched_machine_is_one_state(self):
        model, frames = small().double().eval(), torch.randn(32, 3, 80).double()
        features, dt = torch.randn(2, 3, 3, 16).double(), torch.rand(2, 3, 3).double() + 0.3
        order = watch_batches.order(8, 3, 0.5)
        self.assertEqual(order.tolist(), [0, 1, 8, 2, 3, 9, 4, 5, 6, 10, 7])
        hidden = model.watched(features, dt, frames, order)
        # Frame by frame: the main stream makes the state that each frame and each peek starts from.
        embedded = torch.cat([model.heard(frames).expand(2, -1, -1, -1), model.sensor.embed(features)], 1)
        dts = torch.cat([torch.ones(2, 8, 3).double(), dt], 1)
        mixers = [operators.OPERATORS[block.name] for block in model.blk]
        state = [mixer.initial_state(block.operator, 3) for mixer, block in zip(mixers, model.blk)]
        state = [torch.zeros_like(part).double() for part in state]

        def step(x, dt):
            new = []
            for mixer, block, part in zip(mixers, model.blk, state):
                y, part = mixer.step(block.operator, block.norm(x), dt, part)
                x = x + y
                x = x + block.swiglu(block.mlp_norm(x))
                new.append(part)
            return model.norm(x), new

        for t, index in enumerate(order):
            peek, _ = step(embedded[1, index], dts[1, index])
            torch.testing.assert_close(hidden[t], peek)
            _, state = step(embedded[0, index], dts[0, index])


class NoisyDigits(unittest.TestCase):
    def setUp(self):
        """Ten words that are tones, ten pictures with a bar, their samples in the place of recordings."""
        time = np.arange(speech.RATE // 4) / speech.RATE
        tone = {w: np.sin(2000 * (i + 1) * time).astype(np.float32) for i, w in enumerate(digits.WORDS)}
        self.utterances = [speech.Utterance(f"fsdd/{i}_a_9.wav", 0, 0.25, "a", word, "train")
                           for i, word in enumerate(digits.WORDS)]
        pixels = np.zeros((10, 28, 28, 1), np.uint8)
        for i in range(10):
            pixels[i, :, 2 * i + 4 : 2 * i + 7] = 255
        self.written = images.Pictures(pixels, np.arange(10), list("0123456789"))
        patch = mock.patch.object(speech, "clip", lambda utterance, cache: tone[utterance.text])
        patch.start()
        self.addCleanup(patch.stop)

    def test_takes_of_a_recording_have_one_split(self):
        splits = lambda *rest: [digit_batches.split_of(take, *rest) for take in (0, 4, 5, 9, 10, 49)]
        usual = ["test"] * 2 + ["validation"] * 2 + ["train"] * 2
        self.assertEqual(splits("a"), usual)
        self.assertEqual(splits("a", "a"), ["test"] * 2 + ["unused"] * 4)
        self.assertEqual(splits("b", "a"), ["train"] * 2 + usual[2:])

    def test_noise_is_as_strong_as_said(self):
        rng = np.random.default_rng(0)
        noise = digit_batches.coloured(rng, digit_batches.SAMPLES)
        self.assertAlmostEqual(np.mean(np.square(noise)), 1, places=4)
        word = np.sin(np.arange(5000) / 9).astype(np.float32)
        with_word, end = digit_batches.noisy_word(rng, word, 10.0, noise)
        added = with_word - digit_batches.LEVEL * 10**-0.5 * noise
        level = np.mean(np.square(added[end - 5000 : end])) / digit_batches.LEVEL**2
        self.assertAlmostEqual(level, 1, delta=0.02)
        self.assertLess(np.abs(added[: end - 5000]).max(), 1e-6)
        grey = np.full((1, 50, 50, 1), 255, np.uint8)
        shown = digit_batches.noisy_pictures(rng, grey, 2, 0.5)
        self.assertEqual(shown.shape, (2, 1, 50, 50, 1))
        self.assertAlmostEqual(np.median(shown), 0.5 + 0.5 / 3, delta=0.01)  # white, in a step of a third
        self.assertFalse((shown[0] == shown[1]).all())
        np.testing.assert_allclose(digit_batches.noisy_pictures(rng, grey, 1, 0.0)[0], 1)

    def test_batches_of_each_kind(self):
        batches = digit_batches.Batches(self.utterances, self.written, [], None, 0, 1)
        rng, seen = np.random.default_rng(0), set()
        for _ in range(16):
            frames, pixels, order, classes, weights = batches.batch(rng)
            sounds, shown = len(frames) // 4, len(pixels)
            seen.add((sounds > 0, shown > 0, bool((classes[0] != classes[-1]).any())))
            self.assertEqual(sorted(order.tolist()), list(range(sounds + shown)))
            self.assertEqual((classes.shape, weights.shape), ((sounds + shown, frames.shape[1]),) * 2)
            for part in (order < sounds, order >= sounds):  # each in its own order
                self.assertTrue((order[part].diff() > 0).all())
            self.assertTrue((weights[-1] == 1).all())
            if shown and not sounds:
                self.assertTrue((weights == 1).all())
        self.assertEqual(len({kind[:2] for kind in seen}), 3)
        self.assertEqual({kind[2] for kind in seen}, {False, True})

    def test_noise_grows_with_the_batches(self):
        changes = []
        for made in (0, digit_batches.EASY_BATCHES, 2 * digit_batches.EASY_BATCHES):
            batches = digit_batches.Batches(self.utterances, self.written, [], None, made, 1)
            pixels, _ = batches.seen(np.random.default_rng(0), np.arange(10).repeat(5), 2)
            changes.append(np.abs(pixels[0] - pixels[1]).mean())
        self.assertLess(2 * changes[0], changes[1])
        self.assertEqual(changes[1], changes[2])
        first = digit_batches.Batches(self.utterances, self.written, [], None, 0, 1)
        for _ in range(3):
            first.batch(np.random.default_rng(0))
        self.assertEqual(first.made, 3)

    def test_scores_are_the_same_every_time(self):
        pairs = digit_evaluate.Pairs(self.utterances, self.written, None)
        model = small().eval()
        found = pairs.scores(model, count=20)
        self.assertEqual(found, pairs.scores(model, count=20))
        self.assertEqual(list(found["after"]), [1, 4, 16])
        self.assertTrue(all(0 <= e <= 1 for e in found["error"].values()))

    def test_learns_to_fuse(self):
        model = small()
        model.audio.mean.data.fill_(-8)
        model.audio.deviation.data.fill_(4)
        pairs = digit_evaluate.Pairs(self.utterances, self.written, None)
        samples, pixels, times, classes = pairs.draw(0, 20, 20.0, 0.2, 2)
        frames = pairs.mel(torch.from_numpy(samples)).transpose(0, 1)
        order = digit_batches.order(digit_batches.SPAN, times)
        pixels, classes = torch.from_numpy(pixels), torch.from_numpy(classes)
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
        for _ in range(50):
            optimizer.zero_grad()
            last = model.digits(frames, pixels, order)[-1]
            torch.nn.functional.cross_entropy(last, classes).backward()
            optimizer.step()
        self.assertGreater((last.argmax(-1) == classes).float().mean(), 0.8)


class Joint(unittest.TestCase):
    def test_tasks_come_by_their_shares(self):
        makers = {"a": lambda rng: (rng.random(),), "b": lambda rng: (2.0, 3.0)}
        stream = iter(omni_batches.Batches(makers, {"a": 3, "b": 1, "c": 0}, [1, 2]))
        drawn = [next(stream) for _ in range(200)]
        self.assertIn(("b", 2.0, 3.0), drawn)
        self.assertAlmostEqual(sum(task == "a" for task, *_ in drawn) / 200, 0.75, delta=0.1)

    def test_pictures_are_stills_and_clips(self):
        data = omni_batches.Data.__new__(omni_batches.Data)
        data.image_train = images.Pictures(np.zeros((9, 28, 28, 1), np.uint8), np.arange(9), list("abcdefghi"))
        data.options = argparse.Namespace(augment=1)
        make, rng = data.makers(["image"], SMALL, 0)["image"], np.random.default_rng(0)
        batches = [make(rng) for _ in range(8)]
        self.assertEqual({tuple(pixels.shape[:2]) for pixels, _ in batches}, {(1, 192), (4, 48)})
        for pixels, classes in batches:
            self.assertEqual(pixels.shape[:2], classes.shape)

    def test_every_task_trains_the_blocks_and_its_own_parts(self):
        with tempfile.TemporaryDirectory() as folder:
            options = argparse.Namespace(
                output=Path(folder), minutes=1, decay=0, lr=1e-3, warmup=1, weight_decay=0, average=0.9,
                resume=False, start=None, smoothing=0.1, weight={"series": 2.0})
            trainer = omni_train.OmniTrainer(options, SMALL, {k: list("abcdefghij") for k in CLASSES}, [])
        frames = torch.randn(96, 2, 80)
        targets = torch.tensor([1, 2, 3]), torch.tensor([2, 1])
        batches = {
            "spoken": (frames, torch.tensor([24, 20]), targets, targets),
            "series": (torch.randn(2, 5, 2, 16), torch.ones(2, 5, 2), torch.randn(5, 2, 10),
                       torch.ones(5, 2, 10)),
            "image": (torch.rand(2, 3, 28, 28, 1), torch.randint(10, (2, 3))),
            "event": (frames, torch.full((24, 2, 10), 0.1), torch.ones(24, 2)),
            "digit": (frames, torch.rand(2, 2, 28, 28, 1), torch.arange(26), torch.randint(10, (26, 2)),
                      torch.ones(26, 2)),
            "watch": (torch.randn(2, 5, 2, 16), torch.ones(2, 5, 2), frames, watch_batches.order(24, 5),
                      torch.randn(5, 2, 10), torch.ones(5, 2, 10), torch.full((24, 2, 10), 0.1),
                      torch.ones(24, 2))}
        own = {"spoken": ("audio.", "transcribe."), "series": ("sensor.", "forecast."),
               "image": ("image.", "classify.image."), "event": ("audio.", "classify.event."),
               "digit": ("audio.", "image.", "classify.digit."),
               "watch": ("audio.", "sensor.", "forecast.", "classify.event.")}
        for task, batch in batches.items():
            trainer.model.zero_grad(set_to_none=True)
            trainer.loss(task, *batch).backward()
            got = {name for name, p in trainer.model.named_parameters()
                   if p.grad is not None and p.grad.abs().max() > 0}
            for prefix in ("blk.0.", "blk.1.", *own[task]):
                self.assertTrue(any(name.startswith(prefix) for name in got), (task, prefix))
            others = {p for t, parts in own.items() for p in parts} - set(own[task])
            self.assertFalse([name for name in got if name.startswith(tuple(others))], task)
            losses = [trainer.update(task, *batch)[0] for _ in range(8)]
            self.assertLess(losses[-1], losses[0], task)
            self.assertGreater(trainer.size(task, *batch), 0)
        taken = trainer.taken()
        self.assertEqual({task: found[2] for task, found in taken.items()}, dict.fromkeys(batches, 8))
        self.assertEqual(trainer.taken(), {})


class ModelFile(unittest.TestCase):
    def test_has_all_encoders_and_heads(self):
        model, pieces = small(), tokens.learn(digits.WORDS, 30)
        labels = {name: list("abcdefghij") for name in CLASSES}
        keys = omni_export.metadata(model, pieces, "one W AH N\n", labels, "Omni", "For tests")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "omni.gguf"
            gguf.write(path, keys, classify_export.tensors(model, "Q8_0", ("phones.",)))
            keys, tensors = gguf.read(path)
        self.assertEqual(keys["rill.encoders"], ["audio", "sensor", "image"])
        self.assertEqual(keys["rill.heads"], ["transcribe", "forecast", "classify.image", "classify.event",
                                              "classify.digit"])
        self.assertEqual(keys["rill.classify.digit.labels"], labels["digit"])
        self.assertFalse([key for key in keys if key.startswith(("rill.heads.", "rill.transcribe.tokens"))])
        self.assertEqual(set(tensors),
                         {name for name in model.state_dict() if not name.startswith("phones.")})
        self.assertEqual(tensors["image.stage.1.conv.weight"].shape, (8, 36))

    def test_is_not_too_large(self):
        model, _, _ = omni_export.untrained()
        self.assertLess(models.parameter_count(model), 12_000_000)


if __name__ == "__main__":
    unittest.main()
