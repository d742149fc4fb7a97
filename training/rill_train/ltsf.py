"""The recipe for the customary long-term forecasting benchmark: ETTh1 and ETTh2, horizon 96.

Train on rows before 8,640, choose on 8,640 to 11,519. At evaluation every window starts from an
empty state and sees the 504 rows before its cutoff (21 whole frames; the protocol allows 512),
stride one, the error in units of each channel's standard deviation over the training rows. The
recipe trains on just that: 21 whole frames, the first 96 steps, errors in those units.

A year of fourteen channels is little: a run of minutes from scratch with dropout does better than a
long base and a fine-tune, both of which learn the year by heart.
"""

import numpy as np
import torch
import torch.nn.functional as F

from . import batches, evaluate, series

PATCH, CONTEXT, HORIZON = 24, 504, 96
# A channel's standard deviation is 1 in the pool below; windows far calmer or wilder are bounded.
WEIGHT_RANGE = (0.02, 3.0)
BEND = 3.0
# October to February of the training year, as far from the validation months as the test months are:
# recipes are compared on it too, with models that have not seen it.
WINTER = (2760, 5760)


def mixture():
    return batches.Mixture(
        shares={"ett": 0.3, "beijing": 0.25, "mix": 0.2, "synthetic": 0.25},
        frames=(21,), frame_chance=(1.0,), missing=0.05, resample=0.2)


def loss(quantiles, targets, weights, levels):
    """Half the squared error of the mean of the quantiles, linear beyond BEND, and the pinball loss,
    which keeps the quantiles apart; both in units of the channel."""
    steps = slice(PATCH, PATCH + HORIZON)
    quantiles, targets, weights = quantiles[..., steps, :], targets[..., steps], weights[..., steps]
    count = (weights > 0).sum()
    error = weights * (quantiles.mean(-1) - targets)
    squared = F.huber_loss(error, torch.zeros_like(error), reduction="sum", delta=BEND)
    miss = weights[..., None] * (targets[..., None] - quantiles)
    pinball = torch.maximum(levels * miss, (levels - 1) * miss)
    return (squared + pinball.mean(-1).sum()) / count


class Batches(batches.Batches):
    def __init__(self, pool, *rest):
        standard = {name: [(x - np.nanmean(x)) / np.nanstd(x) for x in parts]
                    for name, parts in pool.items() if name != "synthetic"}
        super().__init__(pool | standard, *rest)

    def elapsed(self, rng, shape):
        return np.full(shape, self.patch)

    def targets(self, clean, position, elapsed, scale):
        target, weight = super().targets(clean, position, elapsed, scale)
        usable = weight > 0
        usable[..., self.patch + HORIZON :] = False
        # The benchmark's error is in units of the channel, not of the window.
        unit = np.clip(scale.scale()[..., None], *WEIGHT_RANGE)
        return target, np.where(usable, unit, 0).astype(np.float32)


class Validation:
    """MSE and MAE of the median and of the mean of the quantiles on the validation months."""

    def __init__(self, stride=12, start=series.LTSF_TRAIN_END, end=series.LTSF_VALIDATION_END):
        self.parts = []
        for s in series.ett(max(end, series.LTSF_TRAIN_END)):
            train = s.values[:, : series.LTSF_TRAIN_END]
            values = (s.values - train.mean(1, keepdims=True)) / train.std(1, keepdims=True)
            cutoffs = np.arange(start, end - HORIZON + 1, stride)
            context = np.stack([values[:, c - CONTEXT : c] for c in cutoffs])
            truth = np.stack([values[:, c : c + HORIZON] for c in cutoffs])
            self.parts.append((s.name, context.reshape(-1, CONTEXT), truth.reshape(-1, HORIZON)))

    def __call__(self, model, block=512):
        result = {}
        for name, context, truth in self.parts:
            quantiles = np.concatenate([
                evaluate.forecast(model, context[start : start + block], [CONTEXT])[0, :, :HORIZON]
                for start in range(0, len(context), block)])
            middle = quantiles.shape[-1] // 2
            points = {"median": quantiles[..., middle], "mean": quantiles.mean(-1)}
            for point, predicted in points.items():
                error = predicted - truth
                result[f"{name}_mse_{point}"] = round(float(np.mean(error**2)), 4)
                result[f"{name}_mae_{point}"] = round(float(np.mean(np.abs(error))), 4)
        return result
