"""python3 -m unittest"""

import argparse
import tempfile
import unittest
from pathlib import Path

import numpy as np
import torch

from rill_train import (classify_export, evaluate, export_goldens, features, gguf, image_models, ltsf,
                        models, operators, optimizer, series, trainer)
from rill_train.train import PinballLoss

CONFIG = dict(export_goldens.TINY, **{"attention.sinks": 0})


class TwoStreams(unittest.TestCase):
    def test_peeks_of_training_equal_peeks_of_streaming(self):
        torch.manual_seed(0)
        model = export_goldens.shaken(models.SensorModel(CONFIG))
        inputs, dt = torch.randn(2, 19, 3, 16).double(), torch.rand(2, 19, 3).double() + 0.3
        both, state = model(inputs, dt), model.initial_state(3)
        for t in range(19):
            hidden, _, _ = model.step(inputs[operators.PEEK, t], dt[operators.PEEK, t], state)
            torch.testing.assert_close(model.head(hidden), both[t])
            _, state, _ = model.step(inputs[operators.MAIN, t], dt[operators.MAIN, t], state)


class Gradients(unittest.TestCase):
    def test_liquid_recurrence(self):
        torch.manual_seed(0)
        x, a, i = (torch.randn(2, 5, 2, 3).double().requires_grad_() for _ in range(3))
        rate = torch.rand(3, dtype=torch.double, requires_grad=True)
        dt = torch.rand(2, 5, 2, 1, dtype=torch.double) + 0.1
        recurrence = operators._LiquidRecurrence.apply
        self.assertTrue(torch.autograd.gradcheck(recurrence, (x, a, i, rate, dt)))

    def test_rms_norm(self):
        x, w = torch.randn(2, 7).double().requires_grad_(), torch.rand(7).double().requires_grad_()
        norm = lambda x, w: operators._RmsNorm.apply(x, w, 1e-5)
        self.assertTrue(torch.autograd.gradcheck(norm, (x, w)))

    def test_pinball(self):
        torch.manual_seed(0)
        quantiles = torch.randn(4, 5, 3, dtype=torch.double, requires_grad=True)
        targets, weights = torch.randn(4, 5).double(), torch.rand(4, 5).double()
        levels = torch.tensor([0.1, 0.5, 0.9]).double()
        loss = lambda q: PinballLoss.apply(q, targets, weights, levels)
        self.assertTrue(torch.autograd.gradcheck(loss, (quantiles,)))
        miss = targets[..., None] - quantiles
        plain = 2 * torch.maximum(levels * miss, (levels - 1) * miss) * weights[..., None]
        torch.testing.assert_close(loss(quantiles), plain.sum() / (4 * 5 * 3))


    def test_bfloat16_products_are_near_and_only_in_training(self):
        torch.manual_seed(0)
        layer, x = operators.linear(64, 32, bias=True), torch.randn(3, 5, 64)
        exact = layer(x)
        exact.sum().backward()
        wanted = layer.weight.grad.clone()
        layer.weight.grad = None
        self.addCleanup(setattr, operators.Linear, "bfloat16", False)
        operators.Linear.bfloat16 = True
        rough = layer(x)
        rough.sum().backward()
        self.assertGreater((rough - exact).abs().max(), 0)
        torch.testing.assert_close(rough, exact, atol=0.03, rtol=0.03)
        torch.testing.assert_close(layer.weight.grad, wanted, atol=0.1, rtol=0.02)
        with torch.no_grad():
            torch.testing.assert_close(layer(x), exact, atol=0, rtol=0)

    def test_dropout_only_in_training(self):
        torch.manual_seed(0)
        mixer, x = operators.SwiGlu(16, 32, 1.0), torch.randn(4, 16)
        self.addCleanup(setattr, operators.SwiGlu, "dropout", 0.0)
        plain = mixer(x)
        operators.SwiGlu.dropout = 0.5
        self.assertGreater((mixer(x) - plain).abs().max(), 0)
        torch.testing.assert_close(mixer.eval()(x), plain)


class Ltsf(unittest.TestCase):
    def test_loss_is_the_formula(self):
        torch.manual_seed(0)
        levels = torch.tensor([0.25, 0.5, 0.75])
        quantiles, targets = torch.randn(2, 1, 192, 3), torch.randn(2, 1, 192)
        weights = torch.rand(2, 1, 192)
        weights[0, 0, 30:40] = 0
        used = slice(24, 120)
        q, y, w = quantiles[..., used, :], targets[..., used], weights[..., used]
        error = w * (q.mean(-1) - y)
        self.assertLess(error.abs().max(), ltsf.BEND)
        miss = w[..., None] * (y[..., None] - q)
        pinball = torch.maximum(levels * miss, (levels - 1) * miss).mean(-1)
        want = (0.5 * error.square() + pinball).sum() / (w > 0).sum()
        torch.testing.assert_close(ltsf.loss(quantiles, targets, weights, levels), want)

    def test_winter_is_left_out(self):
        first, end = ltsf.WINTER
        whole = series.training_pool(series.LTSF_TRAIN_END)["ett"]
        parts = series.training_pool(series.LTSF_TRAIN_END, ltsf.WINTER)["ett"]
        self.assertEqual([len(x) for x in parts[:2]], [first, len(whole[0]) - end])
        np.testing.assert_array_equal(parts[1], whole[0][end:])


class Encoder(unittest.TestCase):
    def test_scale_of_a_settled_stream(self):
        state = features.RunningScale.zeros(1)
        rng = np.random.default_rng(0)
        for _ in range(400):
            frame = 50 + 3 * rng.standard_normal((1, 24))
            state = features.advance(frame, np.array([24]), state, 672.0, 6.0)
        self.assertAlmostEqual(state.location[0], 50, delta=0.5)
        self.assertAlmostEqual(state.scale()[0], 3 * np.sqrt(2 / np.pi), delta=0.15)

    def test_empty_frames_keep_the_location(self):
        state = features.RunningScale(np.array([10.0]), np.array([5.0]), np.array([20.0]))
        after = features.advance(np.full((1, 24), np.nan), np.array([24]), state, 672.0, 6.0)
        self.assertEqual(after.location[0], 5)
        self.assertAlmostEqual(after.scale()[0], 2)


class Forecasts(unittest.TestCase):
    def test_forecast_sees_nothing_after_the_cutoff(self):
        torch.manual_seed(0)
        model = models.SensorModel(CONFIG).eval()
        values = np.random.default_rng(0).standard_normal((2, 50))
        other = values.copy()
        other[:, 33:] += 9
        seen = [evaluate.forecast(model, v, [22, 33]) for v in (values, other)]
        np.testing.assert_allclose(*seen, atol=1e-5)


class ModelFiles(unittest.TestCase):
    def test_round_trip(self):
        rng = np.random.default_rng(0)
        array = rng.standard_normal((6, 64)).astype(np.float32)
        metadata = {"a.text": "x", "a.count": 7, "a.list": ["p", "q"], "a.levels": [0.1, 0.9]}
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "t.gguf"
            gguf.write(path, metadata, {kind: (array, kind) for kind in gguf.TENSOR_TYPES})
            keys, tensors = gguf.read(path)
        self.assertEqual(keys["a.list"], ["p", "q"])
        np.testing.assert_allclose(keys["a.levels"], [0.1, 0.9], rtol=1e-6)
        for kind, error in (("F32", 0), ("F16", 2e-3), ("BF16", 1.6e-2), ("Q8_0", 1.5e-2)):
            np.testing.assert_allclose(tensors[kind], array, atol=error)


class BatchNorm(unittest.TestCase):
    def test_folds_into_the_convolution_before_it(self):
        torch.manual_seed(0)
        config = image_models.CIFAR | {"image.stage_channels": [4, 4, 6, 6, 8, 8], "image.stage_inner": [8] * 6}
        model = image_models.ImageClassifier(config, 3)
        for stage in model.image.stage:
            torch.nn.init.normal_(stage.batch_norm.weight)
            torch.nn.init.normal_(stage.batch_norm.bias)
        pixels = torch.rand(1, 5, 9, 7, 3)
        for _ in range(3):
            model(pixels)
        model.eval()
        expected = model(pixels)
        model.image.fold()
        torch.testing.assert_close(model(pixels), expected, rtol=1e-4, atol=1e-5)
        names = classify_export.tensors(model, "F32")
        self.assertFalse([name for name in names if "batch_norm" in name])
        keys = classify_export.metadata(model, ["a", "b", "c"], "Tiny", "For tests")
        self.assertNotIn("rill." + image_models.BATCH_NORM, keys)


class Optimisers(unittest.TestCase):
    def test_muon_takes_the_matrices_inside(self):
        config = image_models.SHARED | {"operators": ["short_conv", "liquid_scan"], "short_conv.taps": 3}
        model = image_models.ImageClassifier(config, 3)
        taken = {name for name, p in model.named_parameters() if p.ndim > 1 and optimizer.is_hidden(name, p)}
        for name in ("image.stage.1.conv.weight", "image.stage.1.blk.0.short_conv.in_proj.weight",
                     "blk.0.swiglu.down.weight", "blk.1.liquid_scan.in_proj.weight"):
            self.assertIn(name, taken)
        for name in ("image.stage.0.conv.weight", "image.stage.1.blk.0.short_conv.conv.weight",
                     "image.embed.weight", "blk.0.short_conv.conv.weight", "classify.out.weight"):
            self.assertNotIn(name, taken)

    def test_a_start_with_other_groups_takes_the_weights_alone(self):
        model = lambda: torch.nn.ModuleDict({"blk": torch.nn.Linear(4, 4, bias=False)})
        with tempfile.TemporaryDirectory() as folder:
            options = argparse.Namespace(output=Path(folder), minutes=1, decay=0, lr=1e-3, warmup=1,
                                         weight_decay=0, average=0.9, resume=False, start=None)
            first = model()
            first.config = {}
            before = trainer.Trainer(first, options, use_muon=False)
            before.checkpoint()
            options.start = folder + "/last.pt"
            second = model()
            second.config = {}
            trainer.Trainer(second, options)
            torch.testing.assert_close(second["blk"].weight, first["blk"].weight)
            options.start, options.resume = None, True
            with self.assertRaises(ValueError):
                trainer.Trainer(model(), options)


if __name__ == "__main__":
    unittest.main()
