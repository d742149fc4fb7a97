"""Training batches: windows of real and synthetic series, corrupted, cut into frames, normalised.

A batch holds windows of one length, of T frames each; a window is 24 T + 168 rows, preceded by rows
that only warm up the running scale, because a stream that has run for months has a settled one.
"""

from dataclasses import dataclass, field

import numpy as np
import torch
from torch.utils.data import IterableDataset

from . import features, series

# Loss weights follow SQL, which divides by the seasonal-naive error of the series; within reason.
SEASON = 24
WEIGHT_RANGE = (0.25, 4.0)
# Frames before a window that only settle the running scale.
MOST_WARM = 28


@dataclass
class Mixture:
    """What a batch is made of. Shares are probabilities of a window's source."""

    shares: dict = field(default_factory=lambda: {
        "synthetic": 0.50, "ett": 0.06, "beijing": 0.26, "ecg": 0.02, "mix": 0.14})
    # Streams are endless: without the longest windows, slow states drift where training never was.
    frames: tuple = (21, 42, 96, 252)
    frame_chance: tuple = (0.15, 0.35, 0.25, 0.25)
    tokens: int = 2016
    missing: float = 0.35
    resample: float = 0.35


def mixture():
    return Mixture()


def resample(rng, x):
    """The same quantity at another rate: aggregated, decimated or stretched."""
    if rng.random() < 0.3:
        # Stretch by up to four, with straight lines between the samples.
        length = int(len(x) / np.exp(rng.uniform(np.log(0.7), np.log(4))))
        where = np.linspace(0, min(length, len(x)) - 1, max(length, len(x)))
        return np.interp(where, np.arange(len(x)), x).astype(np.float32)
    factor = int(rng.choice([2, 3, 4, 6, 8, 12]))
    rows = x[: len(x) // factor * factor].reshape(-1, factor)
    return rows[:, 0] if rng.random() < 0.4 else rows.mean(-1)


class Source:
    """Series of one origin, drawn in proportion to their length."""

    def __init__(self, parts):
        # Longest first, so that those long enough for a window are a prefix.
        self.parts = sorted(parts, key=len, reverse=True)
        self.lengths = np.array([len(x) for x in self.parts])
        self.total = np.cumsum(self.lengths)

    def pick(self, rng, rows):
        """One series of at least so many rows, or None."""
        enough = np.searchsorted(-self.lengths, -rows, "right")
        if enough == 0:
            return None
        return self.parts[np.searchsorted(self.total, rng.random() * self.total[enough - 1], "right")]


class Windows:
    """Draws single windows of a given number of rows from the sources."""

    def __init__(self, sources, mixture):
        self.sources = {name: Source(parts) for name, parts in sources.items()}
        self.mixture, self.names = mixture, list(mixture.shares)
        self.chances = np.array([mixture.shares[name] for name in self.names])
        self.chances /= self.chances.sum()

    def crop(self, rng, source, rows):
        """Rows of one series, as recorded or at another rate."""
        real = source != "synthetic"
        for _ in range(8):
            x = self.sources[source].pick(rng, rows)
            if x is not None and real and rng.random() < self.mixture.resample:
                # Enough for the strongest decimation, not the whole record.
                need = min(len(x), 12 * rows)
                start = rng.integers(0, len(x) - need + 1)
                x = resample(rng, x[start : start + need])
            if x is None or len(x) < rows:
                continue
            start = rng.integers(0, len(x) - rows + 1)
            window = np.array(x[start : start + rows], np.float32)
            if np.isfinite(window).mean() > 0.5 and np.nanstd(window) > 0:
                return window
        return self.crop(rng, "synthetic", rows)

    def mixed(self, rng, rows):
        """A sum of two or three standardised windows: shapes of reality in new combinations."""
        total = np.zeros(rows, np.float32)
        real = ["ett", "beijing", "beijing", "ecg"]
        for k in range(rng.integers(2, 4)):
            window = self.crop(rng, rng.choice(real) if rng.random() < 0.6 else "synthetic", rows)
            window = (window - np.nanmean(window)) / np.nanstd(window)
            total += np.float32(rng.choice([-1, 1]) * np.exp(rng.uniform(-2, 0))) * window
        return total

    def draw(self, rng, rows):
        source = self.names[rng.choice(len(self.names), p=self.chances)]
        if source == "mix":
            return self.mixed(rng, rows)
        window = self.crop(rng, source, rows)
        if rng.random() < (0.5 if source == "synthetic" else 0.3):
            window = -window
        if rng.random() < 0.05:
            # Amplitude that grows or fades, as with seasons and ageing sensors.
            middle = np.nanmean(window)
            ramp = np.exp(np.linspace(0, rng.uniform(-1, 1), rows, dtype=np.float32))
            window = middle + (window - middle) * ramp
        return window


def drop_samples(rng, windows, chance):
    """Inputs with values missing at random and in one piece; targets stay."""
    batch, rows = windows.shape
    rate = np.where(rng.random(batch) < chance, rng.uniform(0, 0.6, batch), 0)
    missing = rng.random((batch, rows), np.float32) < rate[:, None]
    for row in np.flatnonzero(rng.random(batch) < 0.15):
        length = int(np.exp(rng.uniform(0, np.log(120))))
        start = rng.integers(0, rows)
        missing[row, start : start + length] = True
    return np.where(missing, np.nan, windows)


class Batches(IterableDataset):
    """Endless batches: features [2, T, B, F], dt [2, T, B], targets and weights [T, B, slots]."""

    def __init__(self, sources, mixture, config, seed):
        self.windows, self.mixture = Windows(sources, mixture), mixture
        self.config, self.seed = config, seed
        self.patch, self.horizon = config["sensor.patch"], config["forecast.horizon"]

    def __iter__(self):
        torch.set_num_threads(1)
        rng = np.random.default_rng(self.seed)
        while True:
            yield self.batch(rng)

    def batch(self, rng):
        mixture, patch = self.mixture, self.patch
        time = int(rng.choice(mixture.frames, p=mixture.frame_chance))
        count = mixture.tokens // time
        # No longer than the longest synthetic series, on which every draw can fall back.
        longest = self.windows.sources["synthetic"].lengths[0] - self.horizon
        spare = longest // patch - time
        # Whole frames lost in the middle: the next frame's dt says how many.
        lost = int(rng.integers(1, 9)) if rng.random() < 0.05 else 0
        warm = 0 if rng.random() < 0.5 else int(rng.integers(2, MOST_WARM + 1))
        lost = min(lost, spare)
        warm = min(warm, spare - lost)
        rows = (warm + lost + time) * patch + self.horizon
        windows = np.stack([self.windows.draw(rng, rows) for _ in range(count)]).astype(np.float64)
        clean = windows[:, warm * patch :]
        inputs = drop_samples(rng, windows, mixture.missing)

        config = self.config
        state = features.RunningScale.zeros(count)
        full = np.full(count, patch)
        for t in range(warm):
            state = features.advance(
                inputs[:, t * patch : (t + 1) * patch], full, state,
                config["sensor.memory"], config["sensor.outlier"])
        inputs = inputs[:, warm * patch :]

        dt = np.ones((2, time, count), np.float32)
        position = np.arange(time)
        if lost:
            cut = int(rng.integers(1, time))
            position[cut:] += lost
            dt[:, cut] += lost
        frames = np.stack([inputs[:, p * patch : (p + 1) * patch] for p in position])
        elapsed = self.elapsed(rng, (time, count))
        dt[1] += elapsed / patch - 1
        interval = 0.0
        if rng.random() < 0.04:
            # Clocks that are not quite regular.
            interval = 0.1 * rng.standard_normal((time, count))
            dt *= np.exp(interval)[None]
        inputs, scale = features.encode_streams(frames, elapsed, config, state, interval)
        targets, weights = self.targets(clean, position, elapsed, scale)
        arrays = inputs, dt.astype(np.float32), targets, weights
        return tuple(torch.from_numpy(array) for array in arrays)

    def elapsed(self, rng, shape):
        """Slots of each peeked frame: whole ones often, since every forecast at rest is one."""
        elapsed = rng.integers(1, self.patch, shape)
        return np.where(rng.random(shape) < 0.3, self.patch, elapsed)

    def targets(self, clean, position, elapsed, scale):
        """Normalised targets and their weights over the slots from each frame's first one."""
        slots = self.patch + self.horizon
        every = np.lib.stride_tricks.sliding_window_view(clean, slots, axis=1)
        values = every[:, position * self.patch].transpose(1, 0, 2)
        spread = scale.scale()[..., None]
        target = (values - scale.location[..., None]) / spread
        slot = np.arange(slots)
        steps = (slot >= elapsed[..., None]) & (slot < elapsed[..., None] + self.horizon)
        usable = steps & np.isfinite(target) & (np.abs(target) < 60)
        seasonal = np.nanmean(np.abs(clean[:, SEASON:] - clean[:, :-SEASON]), 1)[None, :, None]
        # Nothing to compare with: the least weight.
        seasonal = np.maximum(np.nan_to_num(seasonal, nan=1e30), 1e-12)
        weight = np.clip(spread / seasonal, *WEIGHT_RANGE)
        return (np.where(usable, target, 0).astype(np.float32),
                np.where(usable, weight, 0).astype(np.float32))


def sources(ett_end, synthetic_paths, ett_gap=None):
    found = series.training_pool(ett_end, ett_gap)
    found["synthetic"] = [x for path in synthetic_paths for x in np.load(path, mmap_mode="r")]
    return found
