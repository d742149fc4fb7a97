"""Trains a classifier of sounds on ESC-10.

    for fold in 1 2 3 4 5; do
        python3 -m rill_train.event_train --fold $fold --cache runs/events --output runs/events/fold$fold
    done

leaves one fold out, trains on the other four and scores the one that was left out once, at the end. To
choose anything, `--folds choose`: a second fold stays out and is scored instead. To ship,
`--folds all`: then the fold is validation, and nothing is a test.

The score is a stream's: a clip is played from a fresh state and is what the mean of the probabilities
of all its frames says; `last` is what the last frame says.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader

from . import event_batches, event_models, events, fbank
from .operators import Linear, SwiGlu
from .optimizer import Average
from .speech_train import statistics
from .trainer import Trainer, open_log

CHECKPOINT_SECONDS = 120
FRAME_WEIGHT = 0.5  # of each frame's loss; the rest is that of the mean of the probabilities


def loss(logits, targets, weights, smoothing):
    """Cross entropy of frames, and of their mean, as the score takes it, with the mean of the targets:
    logits and targets [time, batch, classes], weights [time, batch]."""
    targets = (1 - smoothing) * targets + smoothing / targets.shape[-1]
    frames = -(targets * logits.log_softmax(-1)).sum(-1)
    shares = (weights / weights.sum(0))[..., None]
    mean = (shares * logits.softmax(-1)).sum(0)
    whole = -((shares * targets).sum(0) * (mean + 1e-6).log()).sum(-1)
    return (FRAME_WEIGHT * (frames * weights).sum() / weights.sum()
            + (1 - FRAME_WEIGHT) * whole.mean())


class EventTrainer(Trainer):
    def __init__(self, options, labels):
        model = event_models.EventClassifier(event_models.EVENTS, len(labels))
        super().__init__(model, options, labels=labels)

    def loss(self, frames, targets, weights):
        return loss(self.model(frames), targets, weights, self.options.smoothing)

    def size(self, frames, targets, weights):
        return weights.numel()


class Scores:
    """Of clips, each a stream of its own."""

    def __init__(self, clips, chosen):
        samples = torch.from_numpy(clips.samples[chosen].astype(np.float32) / 32768)
        self.frames = fbank.Fbank()(samples).transpose(0, 1)
        self.classes = torch.from_numpy(clips.classes[chosen])

    @torch.no_grad()
    def __call__(self, model):
        """`model` gives logits [time, batch, classes] of log-mel frames [time, batch, bins]."""
        probabilities = model(self.frames).softmax(-1)
        right = lambda p: round((p.argmax(-1) == self.classes).float().mean().item(), 4)
        return {"accuracy": right(probabilities.mean(0)), "last": right(probabilities[-1])}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--output", type=Path, required=True, help="folder for the log and the checkpoints")
    add("--cache", type=Path, required=True, help="folder for decoded clips, 0.6 GB")
    add("--fold", type=int, choices=range(1, events.FOLDS + 1), required=True,
        help="the fold that is left out")
    add("--folds", choices=("test", "choose", "all"), default="test", help="what is left out, and why")
    add("--minutes", type=float, default=8, help="wall-clock budget")
    add("--decay", type=float, default=0.7, help="share of the minutes that decays the rate")
    add("--start", type=Path, help="checkpoint to start from")
    add("--resume", action="store_true", help="continue the run in --output")
    add("--batch", type=int, default=32, help="clips of five seconds")
    add("--lr", type=float, default=3e-3)
    add("--weight-decay", type=float, default=0.1)
    add("--smoothing", type=float, default=0.1, help="of the labels")
    add("--dropout", type=float, default=0.2, help="inside the SwiGLUs")
    add("--augment", type=float, default=1, help="how much mixing, noise, warps and masks: 0 to 1")
    add("--warmup", type=int, default=100, help="steps")
    add("--average", type=float, default=0.998, help="decay of the averaged weights, a step")
    add("--seed", type=int, default=1)
    add("--threads", type=int, default=2)
    add("--float32", action="store_true", help="no bfloat16 products")
    options = parser.parse_args()

    options.output.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    Linear.bfloat16, SwiGlu.dropout = not options.float32, options.dropout
    clips = events.clips(options.cache)
    train, scored = events.roles(options.fold, options.folds)
    trainer = EventTrainer(options, clips.labels)
    stream = event_batches.Batches(clips, events.indices(clips, train), options.cache, options.batch,
                                   options.augment, [options.seed, trainer.step])
    loader = iter(DataLoader(stream, batch_size=None, num_workers=1, prefetch_factor=8))
    if not options.resume and not options.start:
        mean, deviation = statistics(loader)
        trainer.model.audio.mean.data, trainer.model.audio.deviation.data = mean, deviation
        trainer.average = Average(trainer.model, options.average)
    scores = Scores(clips, events.indices(clips, [scored]))
    write = open_log(options.output)
    write(parameters=sum(p.numel() for p in trainer.model.parameters()), options=str(vars(options)),
          trained=train, scored=scored)
    # A fold that is a test is not looked at on the way.
    validate = (lambda model: None) if options.folds == "test" else scores
    trainer.run(loader, validate, write, CHECKPOINT_SECONDS)
    if options.folds == "test":
        write(fold=options.fold, test=scores(trainer.averaged_model()))


if __name__ == "__main__":
    main()
