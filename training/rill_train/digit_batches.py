"""Spoken and written digits, both noisy: training batches of sound, of pictures, and of both.

The recordings are the Free Spoken Digit Dataset's: takes 0 to 4 are the customary test, 5 to 9
validation, the others train. The pictures are those of mnist-12k. A picture is shown again and again,
each time with other noise, so that there is something to gather.

Where both are there, their frames go through one state in the order of their times, as `lfmfusion` takes
them: frame k of the sound counts from 0.04 k seconds, where it begins, and comes first where a picture
has the same time.
"""

from pathlib import Path

import numpy as np
import torch
from scipy.signal import lfilter, resample_poly

from . import digits, fbank, speech, speech_batches

SPAN = 32  # frames of the backbone around a spoken digit: 1.28 s
SAMPLES = SPAN * speech_batches.STRIDE
FRAME_SECONDS = speech_batches.STRIDE / speech.RATE
VALIDATION_TAKES = (digits.TEST_TAKES, 10)
LEVEL = 0.05  # root mean square of a word

KINDS = {"sound": 0.25, "picture": 0.3, "both": 0.45}
CHAIN_SHARE = 0.3  # of the batches: another digit after the first
MANY = (1, 4, 16)  # frames of one picture where there is no sound
FEW = (1, 2, 4, 8)  # where there is
PICTURES = 192  # in a batch, about
MOST = 48  # clips in a batch
# In training the noise grows from the first to the second over the first batches: from full noise alone, nothing is
# ever learned.
EASY_BATCHES = 800
DECIBELS = ((6.0, 36.0), (-18.0, 12.0))  # of a word over the noise, from and to
MOST_NOISE = (0.05, 4.0)  # of the pictures, as noisy_pictures has it; half of them have a quarter of it or less
UNTOLD = 0.1  # weight of frames before anything of the digit has come


def split_of(take, speaker, without=None):
    """Of a recording. With a speaker left out, that one tests and no other does."""
    first, end = VALIDATION_TAKES
    if speaker == without:
        return "test" if take < first else "unused"
    if take < first:
        return "train" if without else "test"
    return "validation" if take < end else "train"


def spoken(folder, cache, without=None):
    """All recordings in the folder of rill_train.digits, with their splits."""
    Path(cache).mkdir(parents=True, exist_ok=True)
    found = digits.utterances(folder, None, cache)
    for u in found:
        take = int(u.file.rsplit("_", 1)[1].split(".")[0])
        u.split = split_of(take, u.speaker, without)
    return found


def coloured(rng, count):
    """White noise through a random one-pole filter, float32 [count], of unit power."""
    x = lfilter([1], [1, -rng.uniform(-0.5, 0.95)], rng.standard_normal(count))
    return (x / np.sqrt(np.mean(np.square(x)))).astype(np.float32)


def noisy_word(rng, x, decibels, noise):
    """A word x somewhere in noise of unit power, which is so many decibels weaker than the word: float32
    of the noise's length, and the sample after the word's last."""
    x = x[: len(noise)]
    at = rng.integers(0, len(noise) - len(x) + 1)
    out = 10 ** (-decibels / 20) * noise
    out[at : at + len(x)] += x / (np.sqrt(np.mean(np.square(x))) + 1e-9)
    return np.clip(LEVEL * out, -1, 1), at + len(x)


def noisy_pictures(rng, pixels, shown, noise):
    """Bytes [batch, height, width, channels] as float32 of 0 to 1, [shown, batch, ...], each time with other
    noise. Its deviation is `noise` times the step from black to white; to keep it in the bytes' range, the
    step shrinks to 1 / (1 + 4 noise) around a middle grey."""
    x = pixels.astype(np.float32) / 255 - 0.5
    x = x + noise * rng.standard_normal((shown, *x.shape), np.float32)
    x = np.clip(0.5 + x / (1 + 4 * noise), 0, 1)
    return np.round(255 * x).astype(np.float32) / 255


def order(sounds, times):
    """How so many frames of sound and pictures of these times, in seconds, follow each other: indices
    into the frames and then the pictures, int64."""
    when = np.concatenate([FRAME_SECONDS * np.arange(sounds), times])
    return torch.from_numpy(np.argsort(when, kind="stable"))


class Batches(speech_batches.EndlessBatches):
    """Endless: log-mel frames [4 sounds, batch, bins] and pixels [pictures, batch, height, width, channels],
    either perhaps of no time; `order` of both together; classes and weights [sounds + pictures, batch],
    in that order.

    `utterances` are spoken digits, `written` pictures, `sounds` recordings of noise; `made` is how many batches have
    been made before.
    """

    def __init__(self, utterances, written, sounds, cache, made, seed):
        self.words = [[speech.clip(u, cache) for u in utterances if u.text == word]
                      for word in digits.WORDS]
        self.pixels = [written.pixels[written.classes == digit] for digit in range(len(self.words))]
        self.sounds, self.made, self.seed, self.mel = sounds, made, seed, fbank.Fbank()

    def grown(self, values):
        """Between the first and the second of the two, as far as the noise has grown."""
        share = min(1.0, self.made / EASY_BATCHES)
        return (1 - share) * np.array(values[0]) + share * np.array(values[1])

    def noise(self, rng):
        """Made, or a recording."""
        if rng.random() < 0.6 or not len(self.sounds):
            return coloured(rng, SAMPLES)
        source = self.sounds[rng.integers(len(self.sounds))]
        start = rng.integers(0, max(1, len(source) - SAMPLES))
        x = np.resize(source[start : start + SAMPLES], SAMPLES).astype(np.float32)
        return x / (np.sqrt(np.mean(np.square(x))) + 1)  # a sample is at least one of 32,768

    def heard(self, rng, classes):
        """A word of each class in noise: samples [batch, SAMPLES], and when it ends, in seconds."""
        found, ends = [], []
        for digit in classes:
            x = self.words[digit][rng.integers(len(self.words[digit]))]
            up, down = speech_batches.SPEEDS[rng.integers(len(speech_batches.SPEEDS))]
            x = resample_poly(x, up, down).astype(np.float32) if up != down else x
            noisy, end = noisy_word(rng, x, rng.uniform(*self.grown(DECIBELS)), self.noise(rng))
            found.append(10 ** (rng.uniform(-20, 6) / 20) * noisy)
            ends.append(end / speech.RATE)
        return np.stack(found), np.array(ends)

    def seen(self, rng, classes, shown):
        """A picture of each class, moved by up to two pixels, in noise as bad for all of a clip's."""
        pictures, most = [], self.grown(MOST_NOISE)
        for digit in classes:
            x = self.pixels[digit][rng.integers(len(self.pixels[digit]))]
            x = np.roll(x, rng.integers(-2, 3, 2), (0, 1))
            pictures.append(noisy_pictures(rng, x[None], shown, most * rng.random() ** 2)[:, 0])
        return np.stack(pictures, 1)

    def part(self, rng, kind, shown, count):
        """One digit: samples, or None; pixels and their times, or None; classes; when each clip's digit
        begins to be told."""
        classes = rng.integers(0, len(self.words), count)
        samples = pixels = None
        times, told = np.zeros(0), np.full(count, np.inf)
        if kind != "picture":
            samples, told = self.heard(rng, classes)
        if kind != "sound":
            times = np.sort(rng.uniform(0, SPAN * FRAME_SECONDS, shown))
            pixels, told = self.seen(rng, classes, shown), np.minimum(told, times[0])
        return samples, pixels, times, classes, told

    def batch(self, rng):
        self.made += 1
        kind = rng.choice(list(KINDS), p=list(KINDS.values()))
        shown = int(rng.choice(MANY if kind == "picture" else FEW))
        parts = 2 if rng.random() < CHAIN_SHARE else 1
        count = MOST if kind == "sound" else min(MOST, PICTURES // shown)
        count = max(1, count // parts)
        samples, pixels, times, classes, told = zip(
            *(self.part(rng, kind, shown, count) for _ in range(parts)))
        begins = SPAN * FRAME_SECONDS * np.arange(parts)
        times = np.concatenate([t + begin for t, begin in zip(times, begins)])
        frames, sounds = torch.zeros(0, count, fbank.BINS), 0
        if kind != "picture":
            x = torch.from_numpy(np.concatenate(samples, 1).astype(np.float32))
            frames, sounds = self.mel(x).transpose(0, 1).contiguous(), parts * SPAN
        shape = (0, count, *self.pixels[0].shape[1:])
        pixels = torch.zeros(shape) if kind == "sound" else torch.from_numpy(np.concatenate(pixels))
        index = order(sounds, times)
        # A frame belongs to the digit that has begun last, and knows it once it has been told. What is
        # known of a frame of sound is all up to its end.
        when = np.concatenate([FRAME_SECONDS * np.arange(sounds), times])[index.numpy()]
        which = np.minimum((when / (SPAN * FRAME_SECONDS) + 1e-9).astype(int), parts - 1)
        until = when - begins[which] + FRAME_SECONDS * (index < sounds).numpy()
        is_told = until[:, None] >= np.stack(told)[which] - 1e-9
        return (frames, pixels, index, torch.from_numpy(np.stack(classes)[which]),
                torch.from_numpy(np.where(is_told, 1, UNTOLD).astype(np.float32)))
