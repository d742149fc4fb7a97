"""Training batches of speech: clips at other speeds, in rooms, in noise, and noise alone.

A batch holds clips of like length, padded with silence: log-mel frames [time, batch, bins], time a
multiple of 4, and the pieces and the phones of their texts.
"""

import os
import subprocess

import numpy as np
import torch
from scipy.signal import fftconvolve, lfilter, resample_poly
from torch.utils.data import IterableDataset

from . import fbank, speech

SPEEDS = ((9, 10), (10, 11), (1, 1), (1, 1), (11, 10), (10, 9))
SLOWEST = 0.9  # of the speeds
ACTED_WEIGHT = 0.5  # of the games' lines, shouts and invented names among them
WARPS = np.linspace(0.84, 1.18, 18)  # of the frequencies: shorter and longer vocal tracts
CHAIN_SHARE = 0.7  # of the batches
NOISE_ALONE = 0.12  # of the clips
SILENCE_SECONDS = 0.6  # at most so much before and after a clip
STRIDE = 4 * fbank.HOP  # samples of a frame of the backbone
# Frames of the backbone in a clip and in a chain of clips. Batches have few shapes, and most of them the
# same number of frames: every other shape costs oneDNN a compilation, a third of the time of a step.
LENGTHS = (80, 100, 128, 160, 200, 320, 400, 640, 800)
CHAINS = (200, 320, 400)


def least_frames(target):
    """CTC needs a frame for each target and one between two equal ones."""
    return len(target) + sum(a == b for a, b in zip(target, target[1:]))


def end_to_end(targets):
    """Lists of targets as one tensor, and their lengths."""
    lengths = torch.tensor([len(target) for target in targets])
    return torch.tensor([t for target in targets for t in target], dtype=torch.int64), lengths


def warp(factor):
    """The matrix [bins, bins] that moves log-mel frames to frequencies `factor` times as high, float32."""
    low, high = fbank.mel(fbank.LOW_HZ), fbank.mel(fbank.HIGH_HZ)
    step = (high - low) / (fbank.BINS + 1)
    hertz = 700 * np.expm1((low + step * np.arange(1, fbank.BINS + 1)) / 1127)
    source = (1127 * np.log1p(hertz / factor / 700) - low) / step - 1  # where each bin comes from
    source = source.clip(0, fbank.BINS - 1)
    left = np.minimum(np.floor(source).astype(int), fbank.BINS - 2)
    matrix = np.zeros((fbank.BINS, fbank.BINS), np.float32)
    bins = np.arange(fbank.BINS)
    matrix[left, bins] = 1 - (source - left)
    matrix[left + 1, bins] = source - left
    return matrix


def room_responses():
    """Impulse responses [count, samples], the direct sound first and of size one."""
    path = speech.folder() / "noise" / "rirs_200x9608.flac"
    command = ["gst-launch-1.0", "-q", "filesrc", f"location={path}", "!", "flacparse", "!",
               "flacdec", "!", "audioconvert", "!", "audio/x-raw,format=S16LE", "!", "fdsink"]
    raw = subprocess.run(command, check=True, capture_output=True).stdout
    rooms = np.frombuffer(raw, np.int16).astype(np.float32).reshape(200, 9608)
    starts = np.abs(rooms).argmax(1)
    return [room[start:] / np.abs(room).max() for room, start in zip(rooms, starts)]


def noises(cache):
    """Recordings of noise, float32; the kinds of them in noise/*.opus."""
    names = sorted(p.name for p in (speech.folder() / "noise").glob("*.opus"))
    return [speech.samples(f"noise/{name}", cache) for name in names]


class EndlessBatches(IterableDataset):
    """What a loader's process draws for ever: `batch(rng)` of a subclass, from its `seed`."""

    def __iter__(self):
        torch.set_num_threads(1)
        os.sched_setaffinity(0, range(os.cpu_count()))  # not the one core of the thread it came from
        rng = np.random.default_rng(self.seed)
        while True:
            yield self.batch(rng)


class Batches(EndlessBatches):
    """Endless: frames, lengths in backbone frames; then for pieces and for phones the targets end to
    end and their lengths.

    `tokens` and `pronunciations` encode texts as either; `frames`: of the backbone in a batch, about;
    `strength` scales how often clips are put into rooms, noise and the like; `synthetic`: the share of
    synthetic speech, if there is any.
    """

    def __init__(self, utterances, tokens, pronunciations, cache, frames, strength, synthetic, seed):
        self.utterances, self.cache = utterances, cache
        self.encoders = (tokens.encode, pronunciations.encode)
        self.frames, self.strength, self.seed = frames, strength, seed
        seconds = np.array([u.seconds for u in utterances])
        self.order = np.argsort(seconds)
        # Long clips fill a batch with few: drawn by their length, all of a kind are seen alike.
        acted = np.array([u.set.startswith("game-") for u in utterances])
        weights = np.where(acted, ACTED_WEIGHT, 1) * seconds
        made = np.array([u.set == "synthetic" for u in utterances])
        if made.any():
            weights[made] *= synthetic / (1 - synthetic) * weights[~made].sum() / weights[made].sum()
        self.seconds = seconds[self.order]
        self.until = np.cumsum(weights[self.order])
        self.noises, self.rooms = noises(cache), room_responses()
        self.fbank = fbank.Fbank()
        self.warps = [torch.from_numpy(warp(factor)) for factor in WARPS]

    def noise(self, rng, count):
        """Recorded, or white through a random one-pole filter; of unit power."""
        if rng.random() < 0.6:
            source = self.noises[rng.integers(len(self.noises))]
            start = rng.integers(0, max(1, len(source) - count))
            x = np.resize(source[start : start + count], count).astype(np.float32)
        else:
            x = lfilter([1], [1, -rng.uniform(-0.5, 0.99)], rng.standard_normal(count))
        return (x / (np.sqrt(np.mean(np.square(x))) + 1e-9)).astype(np.float32)

    def augment(self, rng, x):
        up, down = SPEEDS[rng.integers(len(SPEEDS))]
        if up != down:
            x = resample_poly(x, up, down).astype(np.float32)
        if rng.random() < 0.3 * self.strength:
            room = self.rooms[rng.integers(len(self.rooms))]
            x = fftconvolve(x, room)[: len(x)].astype(np.float32)
        if rng.random() < 0.1 * self.strength:  # as from a telephone
            x = resample_poly(resample_poly(x, 1, 2), 2, 1)[: len(x)].astype(np.float32)
        before, after = rng.integers(0, int(SILENCE_SECONDS * speech.RATE), 2)
        x = np.pad(x, (before, after))
        level = np.sqrt(np.mean(np.square(x))) + 1e-9
        noisy = rng.random() < 0.5 * self.strength
        decibels = rng.uniform(0, 25) if noisy else rng.uniform(30, 60)
        x = x + level * 10 ** (-decibels / 20) * self.noise(rng, len(x))
        peak = np.abs(x).max() + 1e-9
        return np.clip(x * min(10 ** (rng.uniform(-20, 10) / 20), 1.5 / peak), -1, 1)

    def clip(self, rng, utterance):
        """An augmented clip and its text; now and then noise and none."""
        if rng.random() < NOISE_ALONE:
            count = int(utterance.seconds * speech.RATE)
            return 10 ** rng.uniform(-4, -1) * self.noise(rng, count), ""
        x = self.augment(rng, speech.clip(utterance, self.cache))
        return x, utterance.text

    def chain(self, rng, samples):
        """Clips of anybody one after another, and their texts: what a stream hears."""
        xs, texts, left, misses = [np.zeros(0, np.float32)], [], samples, 0
        while misses < 4:
            utterance = self.drawn(rng)
            if utterance.seconds * speech.RATE > left:
                misses += 1
                continue
            x, text = self.clip(rng, utterance)
            if len(x) > left:
                misses += 1
                continue
            xs.append(x)
            texts.append(text)
            left -= len(x)
        return np.concatenate(xs), " ".join(texts)

    def parts(self, rng):
        """How many frames, and as many clips of like length, or chains of clips, as a batch holds."""
        if rng.random() < CHAIN_SHARE:
            frames = int(rng.choice(CHAINS))
            return frames, [self.chain(rng, frames * STRIDE) for _ in range(self.frames // frames)]
        longest = self.drawn(rng).seconds / SLOWEST + 2 * SILENCE_SECONDS
        frames = next((n for n in LENGTHS if n * STRIDE >= longest * speech.RATE), LENGTHS[-1])
        most = (frames * STRIDE / speech.RATE - 2 * SILENCE_SECONDS) * SLOWEST
        first, end = np.searchsorted(self.seconds, (most / 2, most))
        return frames, [self.clip(rng, self.drawn(rng, first, max(end, first + 1)))
                        for _ in range(self.frames // frames)]

    def drawn(self, rng, first=0, end=None):
        """An utterance of those from the first to before the end, in order of length."""
        end = len(self.order) if end is None else min(end, len(self.order))
        first = min(first, end - 1)
        before = self.until[first - 1] if first > 0 else 0
        at = np.searchsorted(self.until, rng.uniform(before, self.until[end - 1]))
        return self.utterances[self.order[min(at, end - 1)]]

    def batch(self, rng):
        time, parts = self.parts(rng)
        samples = np.zeros((len(parts), time * STRIDE), np.float32)
        columns, lengths = [[] for _ in self.encoders], []
        for row, (x, text) in zip(samples, parts):
            targets = [encode(text) for encode in self.encoders]
            frames = len(x) // STRIDE
            if len(x) > len(row) or max(map(least_frames, targets)) >= frames:
                # The few that are too long, or too fast for CTC, are heard as nothing.
                x, frames, targets = x[:0], 1, [[] for _ in targets]
            row[: len(x)] = x
            lengths.append(frames)
            for column, target in zip(columns, targets):
                column.append(target)
        frames = self.fbank(torch.from_numpy(samples)).transpose(0, 1)
        if rng.random() < self.strength:
            self.warp(rng, frames)
            self.mask(rng, frames)
        lengths = torch.tensor(lengths)
        return frames.contiguous(), lengths, *map(end_to_end, columns)

    def warp(self, rng, frames):
        """Other voices: every clip as if from a vocal tract of another length (Jaitly and Hinton 2013,
        "Vocal tract length perturbation")."""
        for b in range(frames.shape[1]):
            frames[:, b] = frames[:, b] @ self.warps[rng.integers(len(self.warps))]

    @staticmethod
    def mask(rng, frames):
        """SpecAugment: two bands and some moments become the clip's mean."""
        time, batch, bins = frames.shape
        mean = frames.mean(0)
        for b in range(batch):
            for _ in range(2):
                width = rng.integers(0, 21)
                low = rng.integers(0, bins - width)
                frames[:, b, low : low + width] = mean[b, low : low + width]
            for _ in range(rng.integers(0, 2 + time // 75)):
                width = min(rng.integers(0, 31), time - 1)
                begin = rng.integers(0, time - width)
                frames[begin : begin + width, b] = mean[b]
