"""Training batches of sounds: clips at other speeds, in rooms, mixed, in noise, one after another.

Speeds and rooms need the samples and are computed once, as VIEWS versions of every clip, log-mel frames
in one file of the cache. All else works on the power of those frames: sounds that have nothing to do
with each other add up in power, a gain is a factor, a cut is a row. So a batch costs little.

A batch: log-mel frames [TIME, batch, bins]; targets [TIME / 4, batch, classes], which sum to one; weights
[TIME / 4, batch], zero in the first LEAD frames of a sound, from which nothing can be told yet.
"""

from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from scipy.signal import fftconvolve, lfilter, resample_poly

from . import events, fbank, speech_batches

VIEWS = 12  # of a clip; the first is the clip as it is
SPEEDS = (0.8, 1.25)
ROOM_SHARE = 0.4  # of the views
TIME = events.SAMPLES // fbank.HOP  # log-mel frames of a clip
LONGEST = int(TIME / SPEEDS[0]) + 1
STRIDE = 4  # log-mel frames of a frame of the backbone
LEAD = 10  # frames of the backbone, 0.4 s
SILENT = float(np.log(fbank.LEAST_ENERGY)) + 0.05  # below it there was no sound; float16 rounds by 0.004

SAME_SHARE = 0.25  # of the sounds: with another of their class
BETWEEN_SHARE = 0.35  # with one of any class, and the classes' shares for targets
CHAIN_SHARE = 0.25  # of the clips: two sounds, one after the other
WRAP_SHARE = 0.3  # of the sounds: begin somewhere in the middle and end with the beginning
NOISE_SHARE = 0.5
NOISES = 64
GAIN = 1.0  # powers of ten of power, up and down


def view(rng, x, rooms, mel):
    """Log-mel frames of samples x at another speed, and often in a room."""
    speed = np.exp(rng.uniform(*np.log(SPEEDS)))
    ratio = Fraction(1 / speed).limit_denominator(40)
    x = resample_poly(x, ratio.numerator, ratio.denominator)
    if rng.random() < ROOM_SHARE:
        x = fftconvolve(x, rooms[rng.integers(len(rooms))])[: len(x)]
    return mel(torch.from_numpy(x.astype(np.float32))).numpy()[:LONGEST]


def views(clips, cache):
    """Frames, float16 [clips, VIEWS, LONGEST, bins], mapped from the cache, and how many of them are
    there, [clips, VIEWS]."""
    path, lengths_path = Path(cache) / "esc10-views.npy", Path(cache) / "esc10-views-lengths.npy"
    if not path.exists():
        rooms, mel = speech_batches.room_responses(), fbank.Fbank()
        partial = path.with_suffix(".part")
        shape = len(clips.samples), VIEWS, LONGEST, fbank.BINS
        found = np.lib.format.open_memmap(partial, "w+", np.float16, shape)
        lengths = np.zeros(shape[:2], np.int64)
        for i, samples in enumerate(clips.samples):
            x, rng = samples.astype(np.float32) / 32768, np.random.default_rng([3, i])
            for v in range(VIEWS):
                frames = view(rng, x, rooms, mel) if v else mel(torch.from_numpy(x)).numpy()
                found[i, v, : len(frames)], lengths[i, v] = frames, len(frames)
        np.save(lengths_path, lengths)
        found.flush()
        partial.rename(path)
    return np.load(path, mmap_mode="r"), np.load(lengths_path)


def loudest(power):
    """The power of the loudest frame of [time, bins]."""
    return power.sum(1).max() + 1e-12


def noises(rng, mel):
    """White noise through random one-pole filters, power [NOISES, TIME, bins], of mean one a frame."""
    white = rng.standard_normal((NOISES, events.SAMPLES)).astype(np.float32)
    x = [lfilter([1], [1, -rng.uniform(-0.5, 0.99)], row).astype(np.float32) for row in white]
    power = mel(torch.from_numpy(np.stack(x))).exp().numpy()
    return power / power.sum(-1).mean(1)[:, None, None]


class Batches(speech_batches.EndlessBatches):
    """Endless. `chosen` are the indices of the clips to draw from; `strength`, 0 to 1, scales how often
    they are mixed, put into noise, warped and masked."""

    def __init__(self, clips, chosen, cache, batch, strength, seed):
        self.classes, self.labels = clips.classes[chosen], clips.labels
        self.chosen, self.batch_size, self.strength, self.seed = chosen, batch, strength, seed
        self.views, self.lengths = views(clips, cache)
        self.noises = noises(np.random.default_rng(4), fbank.Fbank())
        self.warps = [torch.from_numpy(speech_batches.warp(f)) for f in speech_batches.WARPS]

    def window(self, rng, index, count):
        """Power [count, bins] of a part of a view of clip `index` in which there is a sound."""
        version = rng.integers(VIEWS)
        n = self.lengths[self.chosen[index], version]
        x = np.asarray(self.views[self.chosen[index], version, :n], np.float32)
        power = np.where(x > SILENT, np.exp(x), 0)
        if rng.random() < WRAP_SHARE:
            power = np.roll(power, rng.integers(n), 0)
        if n <= count:
            out = np.zeros((count, power.shape[1]), np.float32)
            at = rng.integers(0, count - n + 1)
            out[at : at + n] = power
            return out
        total = power.sum(1)
        heard = rng.choice(np.flatnonzero(total >= 1e-3 * total.max()))
        start = np.clip(heard - rng.integers(0, count // 2), 0, n - count)
        return power[start : start + count]

    def mixed(self, rng, power, target):
        """With another sound: of the same class, or of any and the target in between (Tokozume et al.
        2018, "Learning from between-class examples for deep sound recognition")."""
        draw, label = rng.random() / max(self.strength, 1e-9), target.argmax()
        if draw >= SAME_SHARE + BETWEEN_SHARE:
            return power, target
        same = draw < SAME_SHARE
        index = rng.choice(np.flatnonzero(self.classes == label) if same else len(self.classes))
        other = self.window(rng, index, len(power))
        power, other = power / loudest(power), other / loudest(other)
        if same:
            return power + 10 ** (rng.uniform(-1.2, 0)) * other, target
        share = rng.random()
        mixed = (1 - share) * target
        mixed[self.classes[index]] += share
        return (1 - share) ** 2 * power + share**2 * other, mixed

    def sound(self, rng, count):
        """Power [count, bins] and target [classes]."""
        index = rng.integers(len(self.classes))
        target = np.eye(len(self.labels), dtype=np.float32)[self.classes[index]]
        alone = self.window(rng, index, count)
        power, target = self.mixed(rng, alone, target)
        power = power / loudest(power)
        if rng.random() < NOISE_SHARE * self.strength:
            decibels = rng.uniform(10, 45)
            power = power + 10 ** (-decibels / 10) * self.noises[rng.integers(NOISES)][:count]
        return power * loudest(alone) * 10 ** rng.uniform(-GAIN, GAIN), target

    def clip(self, rng):
        """Log-mel frames [TIME, bins]; targets and weights of the TIME / 4 frames of the backbone."""
        count = TIME // STRIDE
        begins = [0]
        if rng.random() < CHAIN_SHARE:
            begins.append(int(rng.integers(3 * LEAD, count - 3 * LEAD)))
        weights, powers, targets = np.ones(count, np.float32), [], []
        for begin, end in zip(begins, [*begins[1:], count]):
            power, target = self.sound(rng, STRIDE * (end - begin))
            powers.append(power)
            targets += [target] * (end - begin)
            weights[begin : begin + LEAD] = 0
        frames = np.log(np.maximum(np.concatenate(powers), fbank.LEAST_ENERGY))
        return frames.astype(np.float32), np.stack(targets), weights

    def batch(self, rng):
        frames, targets, weights = (
            torch.from_numpy(np.stack(part, 1))
            for part in zip(*(self.clip(rng) for _ in range(self.batch_size))))
        for b in range(self.batch_size):
            if rng.random() < 0.7 * self.strength:
                frames[:, b] = frames[:, b] @ self.warps[rng.integers(len(self.warps))]
        if rng.random() < self.strength:
            speech_batches.Batches.mask(rng, frames)
        return frames, targets, weights
