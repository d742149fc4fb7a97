"""Batches of all the tasks of the shared model, one task a batch, drawn by given shares.

    spoken   digits, one after another, to be transcribed    speech_batches.py
    series   windows to be forecast                          batches.py
    image    pictures of Fashion-MNIST, four frames          image_train.py
    event    sounds of ESC-10                                event_batches.py
    digit    a spoken digit, a written one, or both          digit_batches.py
    watch    a sensor's window beside a clip of sounds       watch_batches.py

A batch is the task's name, then what the task's own module makes.
"""

import functools
import os

import numpy as np
import torch
from torch.utils.data import IterableDataset, get_worker_info

from . import batches, digit_batches, event_batches, events, image_train, images, phones
from . import speech_batches, watch_batches

SHARES = {"spoken": 0.2, "series": 0.2, "image": 0.15, "event": 0.13, "digit": 0.22, "watch": 0.1}
# Frames of the backbone in a batch, about, and clips of pictures: each task's batch takes as long as another's.
SPEECH_FRAMES, TOKENS, EVENTS, IMAGES = 1600, 1008, 12, 48
STILLS = 0.8  # of the batches of pictures


class Speech(speech_batches.Batches):
    """In noise from `sounds` alone: the recordings that the recogniser has for noise are the clips of
    ESC-10, tests among them."""

    def __init__(self, sounds, *rest):
        super().__init__(*rest)
        self.noises = sounds


class Data:
    """What is learned from and what is chosen on, loaded for the tasks that are asked for."""

    def __init__(self, options, known):
        """`known` are the pieces of text, as tokens.Tokens."""
        self.options, self.known = options, known
        self.clips = events.clips(options.events)
        trained, scored = events.roles(options.fold, options.folds)
        self.event_train = events.indices(self.clips, trained)
        self.event_scored = events.indices(self.clips, [scored])
        self.sounds = self.clips.samples[self.event_train]
        self.digits = digit_batches.spoken(options.digits, options.cache, options.without)
        self.digit_train, self.digit_validation = images.split(images.digits("train", options.pictures))
        self.image_train, self.image_validation = images.split(images.fashion("train", options.fashion))
        self.said = phones.Pronunciations([u.text for u in self.digits], options.cache)
        self.labels = {"image": self.image_train.labels, "event": self.clips.labels,
                       "digit": self.digit_train.labels}

    def spoken(self, split):
        return [u for u in self.digits if u.split == split]

    def makers(self, tasks, config, step):
        """{task: a function that makes a batch with a random generator}, from this step of the training on."""
        options = self.options
        pool = functools.cache(lambda: batches.sources(options.ett_end, options.series))
        sounds = lambda: event_batches.Batches(
            self.clips, self.event_train, options.events, EVENTS, options.augment, None)
        known = {
            "spoken": lambda: Speech(
                self.sounds, self.spoken("train"), self.known, self.said, options.cache, SPEECH_FRAMES,
                options.augment, 0.0, None).batch,
            "series": lambda: batches.Batches(pool(), batches.Mixture(tokens=TOKENS), config, None).batch,
            "image": lambda: image_train.Clips(self.image_train, IMAGES, STILLS, False, False, None).batch,
            "event": lambda: sounds().batch,
            "digit": lambda: digit_batches.Batches(
                self.spoken("train"), self.digit_train, self.sounds, options.cache,
                round(step * options.share["digit"]), None).batch,
            "watch": lambda: watch_batches.Batches(pool(), sounds(), config).batch,
        }
        return {task: known[task]() for task in tasks}


class Batches(IterableDataset):
    """Endless; `shares` are probabilities of the tasks, in any unit."""

    def __init__(self, makers, shares, seed):
        self.makers, self.names, self.seed = makers, list(makers), seed
        chances = np.array([shares[name] for name in self.names])
        self.chances = chances / chances.sum()

    def __iter__(self):
        torch.set_num_threads(1)
        os.sched_setaffinity(0, range(os.cpu_count()))  # not the one core of the thread it came from
        worker = get_worker_info()
        rng = np.random.default_rng([*self.seed, worker.id if worker else 0])
        while True:
            task = self.names[rng.choice(len(self.names), p=self.chances)]
            yield task, *self.makers[task](rng)
