"""A sensor and a microphone on one machine: windows of series and clips of sound in one state.

A batch: the series' features, dt, targets and weights as batches.py makes them, [(2,) T, B, ...]; log-mel
frames [TIME, B, bins], targets and weights of sounds as event_batches.py makes them; and `order`, indices into
the T_s frames of sound, then the T of the sensor, as lfmfusion takes them: a sensor's frame comes when its
last row does, one of sound when it begins.
"""

import numpy as np
import torch

from . import batches, digit_batches

# Frames of the sensor in a clip of sound, from 4 to 62 frames of sound for each, and their chances.
FRAMES, CHANCES = (2, 4, 8, 16, 32), (0.1, 0.2, 0.25, 0.25, 0.2)
TOKENS = 32  # frames of sensors in a batch


def order(sounds, frames, phase=1.0):
    """Frames of a sensor at even times of so many frames of sound; `phase`, 0 to 1, is where in its share the
    first comes."""
    step = sounds / frames * digit_batches.FRAME_SECONDS
    return digit_batches.order(sounds, step * (np.arange(frames) + phase))


class Batches:
    """`pool` as batches.sources has it; `sounds` are event_batches.Batches, whose batch size is ours."""

    def __init__(self, pool, sounds, config):
        mixture = batches.Mixture(frames=FRAMES, frame_chance=CHANCES, tokens=TOKENS)
        self.windows, self.sounds = batches.Batches(pool, mixture, config, None), sounds

    def batch(self, rng):
        features, dt, targets, weights = self.windows.batch(rng)
        self.sounds.batch_size = dt.shape[2]
        frames, classes, heard = self.sounds.batch(rng)
        return (features, dt, frames, order(len(classes), dt.shape[1], rng.random()), targets, weights,
                classes, heard)


class BesideSound:
    """A model that hears all the while, as evaluate.py calls a forecaster. `frames` are log-mel frames
    [time, clips, bins], one clip after the other."""

    SOUNDS = 12  # frames of sound for each of the sensor

    def __init__(self, model, frames):
        self.model, self.config, self.head = model, model.config, model.quantiles
        self.frames = frames

    def hidden(self, features, dt):
        frames, streams = dt.shape[1:]
        sounds = self.SOUNDS * frames
        rows = [self.frames.roll(-b, 1).transpose(0, 1).flatten(0, 1) for b in range(streams)]
        heard = torch.stack([row.repeat(4 * sounds // len(row) + 1, 1)[: 4 * sounds] for row in rows], 1)
        index = order(sounds, frames)
        return self.model.watched(features, dt, heard, index)[index >= sounds]


class BesideSensor:
    """Logits of sounds from a model that watches the same windows of a sensor beside every clip, as
    event_train.Scores calls a classifier."""

    FRAMES = 10  # of the sensor beside a clip

    def __init__(self, model, features):
        self.model, self.features = model, features[:, : self.FRAMES]

    def __call__(self, frames):
        sounds, clips = len(frames) // 4, frames.shape[1]
        which = torch.arange(clips) % self.features.shape[2]
        features, index = self.features[:, :, which], order(sounds, self.FRAMES)
        hidden = self.model.watched(features, torch.ones(features.shape[:3]), frames, index)
        return self.model.classify["event"](hidden[index < sounds])
