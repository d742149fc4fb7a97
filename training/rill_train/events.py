"""Sounds of the surroundings: ESC-10, 400 clips of five seconds, ten classes, five folds.

Clips are decoded by GStreamer, 16 kHz mono int16, once, into one file of the cache. A clip's fold is
the first digit of its name; clips cut from one recording lie in one fold.

The recordings of `speech/noise` are these same clips, those of every fold: what is to be scored on a
fold must not hear them. Training on events takes its noise from its own folds or makes it.
"""

import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from . import fbank
from .series import data_dir

FOLDS = 5
SAMPLES = 5 * fbank.RATE  # of a clip


@dataclass
class Clips:
    samples: np.ndarray  # int16 [count, SAMPLES]
    classes: np.ndarray  # int64 [count]
    folds: np.ndarray  # int64 [count], 1 to 5
    labels: list


def _decoded(opus):
    """The samples of a file's bytes; a little more or less than SAMPLES of them."""
    command = (f"gst-launch-1.0 -q fdsrc fd=0 ! oggdemux ! opusdec ! audioconvert ! audioresample ! "
               f"audio/x-raw,format=S16LE,rate={fbank.RATE},channels=1 ! fdsink")
    raw = subprocess.run(command.split(), input=opus, check=True, capture_output=True).stdout
    return np.frombuffer(raw, np.int16)


def _read(path):
    """All clips of CLASS/FOLD-ID-TAKE.opus in an archive, sorted by name."""
    found = []
    with tarfile.open(path) as archive:
        for member in archive:
            parts = member.name.split("/")
            if member.name.endswith(".opus"):
                found.append((parts[-2], parts[-1], archive.extractfile(member).read()))
    found.sort(key=lambda row: row[:2])
    labels = sorted({label for label, _, _ in found})
    samples = np.zeros((len(found), SAMPLES), np.int16)
    for row, (_, _, opus) in zip(samples, found):
        x = _decoded(opus)[:SAMPLES]
        row[: len(x)] = x
    return Clips(samples, np.array([labels.index(label) for label, _, _ in found]),
                 np.array([int(name[0]) for _, name, _ in found]),
                 [label.lower().replace("_", " ") for label in labels])


def clips(cache):
    path = Path(cache) / "esc10.npz"
    if not path.exists():
        found = _read(data_dir().parent / "events" / "esc10.tar")
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".part.npz")
        np.savez(partial, **vars(found))
        partial.rename(path)
    stored = np.load(path)
    return Clips(stored["samples"], stored["classes"], stored["folds"],
                 list(map(str, stored["labels"])))


def validation_fold(test):
    """The fold on which is chosen what is then tested on the fold `test`."""
    return test % FOLDS + 1


def roles(fold, use):
    """The folds that train and the one that is scored, where `fold` is left out.

    `test`: all others train. `choose`: neither trains on `fold` nor scores it, but the validation fold
    of it. `all`: as `test`, for a model to ship; then `fold` is validation and nothing is a test.
    """
    scored = validation_fold(fold) if use == "choose" else fold
    return [f for f in range(1, FOLDS + 1) if f not in (fold, scored)], scored


def indices(clips, folds):
    """Of the clips of these folds."""
    return np.flatnonzero(np.isin(clips.folds, folds))
