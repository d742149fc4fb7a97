"""Trains a classifier of pictures and of video.

    python3 -m rill_train.image_train --set cifar --minutes 60 --cache runs/images --output runs/cifar

Most batches are stills. The others are clips of four frames: differently augmented views of one
picture, or of two with a cut between them, from which the state learns to gather evidence and to let
go of it. Every frame bears the loss.
"""

import argparse
import json
import math
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader

from . import classify_export, image_models, images
from .operators import Linear, SwiGlu
from .optimizer import Average
from .speech_batches import EndlessBatches
from .trainer import Trainer, open_log

TIME = 4
CUT_SHARE = 0.5
PADDING = 4  # pixels, of the random crop
# `shared`: the pictures of Fashion-MNIST, for the encoder of the shared model.
CONFIGS = {"cifar": image_models.CIFAR, "fashion": image_models.FASHION, "shared": image_models.SHARED}
CHECKPOINT_SECONDS = 300


def load(name, part, options):
    if name == "cifar":
        return images.cifar(part, options.cache)
    return images.fashion(part, options.fashion)


def paste(rng, pixels, others):
    """Puts a rectangle of others into pixels [..., height, width, channels]; returns the share that is
    left of these. All shares are equally likely, but for rectangles cut off at the border."""
    height, width = pixels.shape[-3:-1]
    side = math.sqrt(rng.random())
    row, column = rng.integers(0, height), rng.integers(0, width)
    rows = slice(max(0, round(row - side * height / 2)), round(row + side * height / 2))
    columns = slice(max(0, round(column - side * width / 2)), round(column + side * width / 2))
    pixels[..., rows, columns, :] = others[..., rows, columns, :]
    return 1 - pixels[..., rows, columns, 0].size / pixels[..., 0].size


class Clips(EndlessBatches):
    """Endless: pixels [time, batch, height, width, channels] of 0 to 1 and classes [time, batch]; all
    batches have as many pictures, `stills` of them (0 to 1) a time of one. With `cutmix`, half of the
    stills have a rectangle of another picture, and the batch has its classes and the share of the
    first ones too.

    Source: Yun et al. 2019, "CutMix".
    """

    def __init__(self, pictures, batch, stills, erase, cutmix, seed):
        self.pictures, self.count, self.stills = pictures, batch, stills
        self.erase, self.cutmix, self.seed = erase, cutmix, seed
        pad = ((0, 0), (PADDING, PADDING), (PADDING, PADDING), (0, 0))
        self.padded = np.pad(pictures.pixels, pad, "reflect")

    def batch(self, rng):
        is_still = rng.random() < self.stills
        return self.clips(rng, *((1, self.count * TIME) if is_still else (TIME, self.count)))

    def view(self, rng, index):
        """A picture shifted, perhaps mirrored, perhaps with a square erased."""
        height, width = self.pictures.pixels.shape[1:3]
        row, column = rng.integers(0, 2 * PADDING + 1, 2)
        x = self.padded[index, row : row + height, column : column + width]
        x = x[:, ::-1] if rng.random() < 0.5 else x
        x = x.astype(np.float32) / 255
        if self.erase and rng.random() < 0.5:
            side = rng.integers(4, height // 2)
            top, left = rng.integers(0, height - side), rng.integers(0, width - side)
            x = x.copy()
            x[top : top + side, left : left + side] = x.mean((0, 1))
        return x

    def clips(self, rng, time, batch):
        count = len(self.pictures.classes)
        shown = np.empty((time, batch), np.int64)
        for b in range(batch):
            cut = rng.integers(1, time) if time > 1 and rng.random() < CUT_SHARE else time
            shown[:cut, b], shown[cut:, b] = rng.integers(0, count, 2)
        pixels = np.stack([[self.view(rng, index) for index in row] for row in shown])
        classes = torch.from_numpy(self.pictures.classes[shown])
        if not (self.cutmix and time == 1 and rng.random() < 0.5):
            return torch.from_numpy(pixels), classes
        share = paste(rng, pixels, np.roll(pixels, 1, axis=1))
        return torch.from_numpy(pixels), classes, classes.roll(1, 1), share


class ImageTrainer(Trainer):
    def __init__(self, options, labels):
        model = image_models.ImageClassifier(CONFIGS[options.set], len(labels))
        super().__init__(model, options, labels=labels)

    def loss(self, pixels, classes, others=None, share=1.0):
        logits = self.model(pixels).flatten(0, 1)
        of = lambda wanted: F.cross_entropy(logits, wanted.flatten(), label_smoothing=self.options.smoothing)
        return of(classes) if others is None else share * of(classes) + (1 - share) * of(others)

    def size(self, pixels, classes, *_):
        return classes.numel()


@torch.no_grad()
def accuracy(model, pictures, batch=250):
    """Of stills, each the first frame of a stream."""
    right = 0
    for first in range(0, len(pictures.classes), batch):
        x = torch.from_numpy(pictures.pixels[first : first + batch]).float() / 255
        found = model(x[None])[0].argmax(-1).numpy()
        right += int((found == pictures.classes[first : first + batch]).sum())
    return round(right / len(pictures.classes), 4)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--set", choices=sorted(CONFIGS), required=True)
    add("--output", type=Path, help="folder for the log and the checkpoints")
    add("--score", nargs="+", help="checkpoints: prints what each gets of the validation part, and ends")
    add("--cache", type=Path, required=True, help="folder for decoded pictures")
    add("--fashion", type=Path, default=images.FASHION, help="folder of Fashion-MNIST")
    add("--minutes", type=float, default=60, help="wall-clock budget")
    add("--decay", type=float, default=0.6, help="share of the minutes that decays the rate")
    add("--start", help="checkpoint to start from")
    add("--resume", action="store_true", help="continue the run in --output")
    add("--batch", type=int, default=32, help="clips of four frames")
    add("--stills", type=float, default=0.8, help="share of the batches that are single pictures")
    add("--lr", type=float, default=4e-3)
    add("--weight-decay", type=float, default=0.1)
    add("--smoothing", type=float, default=0.1, help="of the labels")
    add("--dropout", type=float, default=0.0, help="inside the SwiGLUs")
    add("--erase", action="store_true", help="erase squares")
    add("--cutmix", action="store_true", help="put pieces of other pictures into half of the stills")
    add("--warmup", type=int, default=100, help="steps")
    add("--average", type=float, default=0.998, help="decay of the averaged weights, a step")
    add("--seed", type=int, default=1)
    add("--threads", type=int, default=2)
    add("--float32", action="store_true", help="no bfloat16 products")
    options = parser.parse_args()

    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    Linear.bfloat16, SwiGlu.dropout = not options.float32, options.dropout
    train, validation = images.split(load(options.set, "train", options))
    if options.score:
        for path in options.score:
            model, _ = classify_export.load(path)
            print(json.dumps({"checkpoint": path, "validation": accuracy(model, validation)}))
        return
    if not options.output:
        parser.error("--output is required for training")
    options.output.mkdir(parents=True, exist_ok=True)
    trainer = ImageTrainer(options, train.labels)
    if not options.resume and not options.start:
        scaled = train.pixels[::10].astype(np.float32) / 255
        trainer.model.image.mean.data = torch.from_numpy(scaled.mean((0, 1, 2)))
        trainer.model.image.deviation.data = torch.from_numpy(scaled.std((0, 1, 2)))
        trainer.average = Average(trainer.model, options.average)
    stream = Clips(train, options.batch, options.stills, options.erase, options.cutmix,
                   [options.seed, trainer.step])
    loader = iter(DataLoader(stream, batch_size=None, num_workers=1, prefetch_factor=8))
    write = open_log(options.output)
    write(parameters=sum(p.numel() for p in trainer.model.parameters()), options=str(vars(options)))
    trainer.run(loader, lambda model: accuracy(model, validation), write, CHECKPOINT_SECONDS)


if __name__ == "__main__":
    main()
