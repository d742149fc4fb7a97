"""Trains the shared model: every step takes a batch of one task.

    python3 -m rill_train.digits runs/digits
    python3 -m rill_train.omni_train --minutes 60 --fold 5 --folds choose --digits runs/digits \\
        --series runs/synthetic*.npy --cache runs/audio --events runs/events --pictures runs/images \\
        --start-image runs/fashion/last.pt --output runs/omni

Its pieces of text are those of the ten digits' names. The log has the mean loss of each task since the last validation beside its score, which is measured as by the
specialist's own script.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader

from . import digit_evaluate, digits, evaluate, event_train, events, image_train, images
from . import omni_batches, omni_models, series, speech_train, tokens, watch_batches
from .operators import Linear, SwiGlu
from .optimizer import Average
from .train import PinballLoss
from .trainer import Trainer, open_log

CHECKPOINT_SECONDS = 600
DIGIT_PIECES = 64  # at most; the ten names need fewer
DIGIT_PAIRS = 300  # in the validation of a run
# The gradients of the others are clipped to one and more; a forecast's is a third.
WEIGHTS = {"series": 3.0}
# Batches whose frames and pixels give the encoders' normalisation.
NORMALISING = 10


class OmniTrainer(Trainer):
    def __init__(self, options, config, labels, pieces):
        classes = {name: len(of) for name, of in labels.items()}
        model = omni_models.OmniModel(config, classes)
        self.levels = torch.tensor(config["forecast.quantiles"])
        self.losses = {}
        super().__init__(model, options, labels=labels, pieces=pieces)

    def spoken_loss(self, frames, lengths, pieces, spoken):
        """The recogniser's three."""
        lookahead = speech_train.LOOKAHEADS[int(torch.randint(len(speech_train.LOOKAHEADS), ()))]
        heads = self.model.forward_with_lead(frames, lookahead)
        lengths = lengths.clamp(max=len(heads[-1]))
        return sum(weight * speech_train.mean_ctc(logits, lengths, *targets)
                   for weight, logits, targets in zip(speech_train.WEIGHTS, heads, (pieces, spoken, spoken)))

    def series_loss(self, features, dt, targets, weights):
        quantiles = self.model.quantiles(self.model.peeked(features, dt))
        return PinballLoss.apply(quantiles, targets, weights, self.levels)

    def image_loss(self, pixels, classes):
        return F.cross_entropy(self.model.pictures(pixels).flatten(0, 1), classes.flatten(),
                               label_smoothing=self.options.smoothing)

    def event_loss(self, frames, targets, weights):
        return event_train.loss(self.model.events(frames), targets, weights, self.options.smoothing)

    def digit_loss(self, frames, pixels, order, classes, weights):
        logits = self.model.digits(frames, pixels, order).flatten(0, 1)
        each = F.cross_entropy(logits, classes.flatten(), reduction="none")
        return (each * weights.flatten()).sum() / weights.sum()

    def watch_loss(self, features, dt, frames, order, targets, weights, classes, heard):
        hidden, sounds = self.model.watched(features, dt, frames, order), order < len(classes)
        quantiles = self.model.quantiles(hidden[~sounds])
        forecast = PinballLoss.apply(quantiles, targets, weights, self.levels)
        logits = self.model.classify["event"](hidden[sounds])
        return (self.weight("series") * forecast
                + event_train.loss(logits, classes, heard, self.options.smoothing))

    def weight(self, task):
        return self.options.weight.get(task, 1.0)

    def loss(self, task, *batch):
        return self.weight(task) * getattr(self, f"{task}_loss")(*batch)

    def update(self, task, *batch):
        loss, norm = super().update(task, *batch)
        self.losses.setdefault(task, []).append((loss / self.weight(task), norm))
        return loss, norm

    def size(self, task, *batch):
        """Frames of the backbone."""
        return {"spoken": lambda frames, lengths, *_: int(lengths.sum()),
                "series": lambda features, dt, *_: dt[0].numel(),
                "image": lambda pixels, classes: classes.numel(),
                "event": lambda frames, targets, weights: weights.numel(),
                "digit": lambda *parts: parts[-1].numel(),
                "watch": lambda features, dt, *parts: dt[0].numel() + parts[-1].numel()}[task](*batch)

    def taken(self):
        """Mean loss and norm of the gradient of each task since the last call, and how many steps."""
        found, self.losses = self.losses, {}
        mean = lambda values: round(sum(values) / len(values), 4)
        return {task: [*map(mean, zip(*pairs)), len(pairs)] for task, pairs in sorted(found.items())}


class Validation:
    """Each task's score as its specialist's trainer has it."""

    def __init__(self, data, tasks, makers, options):
        self.parts = {}
        if "spoken" in tasks:
            held_out = data.spoken("validation")
            spoken = speech_train.Validation(held_out, data.known, data.said, options.cache, 1)
            self.parts["spoken"] = spoken  # errors of words and of phones
        if "series" in tasks:
            forecasts = evaluate.Validation()
            self.parts["series"] = lambda model: forecasts(omni_models.Forecaster(model))
        if "image" in tasks:
            self.parts["image"] = lambda model: image_train.accuracy(
                model.pictures, data.image_validation)
        clips = event_train.Scores(data.clips, data.event_scored)
        if "event" in tasks and options.folds != "test":
            self.parts["event"] = lambda model: clips(model.events)
        if "digit" in tasks:
            pairs = digit_evaluate.Pairs(data.spoken("validation"), data.digit_validation, options.cache)
            self.parts["digit"] = lambda model: pairs.scores(model, count=DIGIT_PAIRS)
        if "watch" in tasks:
            beside = evaluate.Validation()
            self.parts["ett beside sound"] = lambda model: round(float(beside.ett_scores(
                watch_batches.BesideSound(model, clips.frames))[0]), 4)
            windows = makers["watch"](np.random.default_rng(0))[0]
            self.watched = lambda model: clips(watch_batches.BesideSensor(model, windows))
            if options.folds != "test":
                self.parts["event beside a sensor"] = self.watched

    def __call__(self, model):
        return {name: score(model) for name, score in self.parts.items()}


def numbers(pairs):
    """{name: number} of NAME=NUMBER."""
    return {name: float(value) for name, value in (pair.split("=") for pair in pairs)}


def pieces_of(options):
    """Those of the run that goes on, or of what is started from; or new ones."""
    start = options.output / "last.pt" if options.resume else options.start
    if start:
        return torch.load(start, map_location="cpu")["pieces"]
    return tokens.learn(digits.WORDS, DIGIT_PIECES)


def start_image(model, path):
    """The picture encoder's weights of a checkpoint of image_train, whose backbone has another width, and so
    the last matrix another shape."""
    found, own = torch.load(path, map_location="cpu")["ema"], model.state_dict()
    model.load_state_dict({name: value for name, value in found.items() if name.startswith("image.")
                           and value.shape == own[name].shape}, False)


def normalise(trainer, makers, pixels, rng):
    """The encoders' means and deviations, where no weights have been started from."""
    model, options = trainer.model, trainer.options
    sounds = [makers[task](rng)[0].flatten(0, 1) for task in ("spoken", "event") if task in makers
              for _ in range(NORMALISING)]
    if sounds:
        frames = torch.cat(sounds)
        model.audio.mean.data, model.audio.deviation.data = frames.mean(0), frames.std(0)
    if not options.start_image:
        scaled = torch.from_numpy(pixels[::10]).float() / 255
        model.image.mean.data = scaled.mean((0, 1, 2))
        model.image.deviation.data = scaled.std((0, 1, 2))


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--output", type=Path, required=True, help="folder for the log and the checkpoints")
    add("--cache", type=Path, required=True, help="folder for decoded recordings of speech")
    add("--digits", type=Path, required=True, help="folder of rill_train.digits")
    add("--series", nargs="*", default=[], help="pools written by rill_train.synthetic")
    add("--events", type=Path, required=True, help="folder for decoded clips of sounds")
    add("--pictures", type=Path, required=True, help="folder for decoded pictures")
    add("--fashion", type=Path, default=images.FASHION, help="folder of Fashion-MNIST")
    add("--fold", type=int, choices=range(1, events.FOLDS + 1), default=5,
        help="of the sounds, that is left out")
    add("--folds", choices=("test", "choose", "all"), default="choose",
        help="what is left out, and why: as for rill_train.event_train")
    add("--without", help="speaker of digits to leave out")
    add("--ett-end", type=int, default=series.LTSF_TRAIN_END, help="train on ETT rows before this")
    add("--share", nargs="+", default=[], metavar="TASK=P", help="change tasks' shares of the steps")
    add("--weight", nargs="+", default=[], metavar="TASK=W", help="multiply tasks' losses")
    add("--minutes", type=float, default=60, help="wall-clock budget")
    add("--decay", type=float, default=0.5, help="share of the minutes that decays the rate")
    add("--start", type=Path, help="checkpoint to start from")
    add("--start-image", type=Path, help="checkpoint of rill_train.image_train --set shared, for its encoder")
    add("--resume", action="store_true", help="continue the run in --output")
    add("--lr", type=float, default=2e-3)
    add("--weight-decay", type=float, default=0.1)
    add("--smoothing", type=float, default=0.1, help="of the labels of pictures and of sounds")
    add("--dropout", type=float, default=0.1, help="inside the SwiGLUs")
    add("--augment", type=float, default=1, help="how much the sounds are augmented: 0 to 1")
    add("--warmup", type=int, default=300, help="steps")
    add("--average", type=float, default=0.998, help="decay of the averaged weights, a step")
    add("--workers", type=int, default=1, help="processes that make batches")
    add("--seed", type=int, default=1)
    add("--threads", type=int, default=2)
    add("--float32", action="store_true", help="no bfloat16 products")
    options = parser.parse_args()
    options.share = omni_batches.SHARES | numbers(options.share)
    options.weight = WEIGHTS | numbers(options.weight)
    if options.share["series"] > 0 and not options.series:
        parser.error("a share of series needs --series")
    return options


def main():
    options = arguments()
    options.output.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    Linear.bfloat16, SwiGlu.dropout = not options.float32, options.dropout
    tasks = [task for task, share in options.share.items() if share > 0]
    known = tokens.Tokens(pieces_of(options))
    data = omni_batches.Data(options, known)
    config = omni_models.OMNI | {"transcribe.tokens": len(known.pieces)}
    trainer = OmniTrainer(options, config, data.labels, known.pieces)
    makers = data.makers(tasks, config, trainer.step)
    if not options.resume and not options.start:
        if options.start_image:
            start_image(trainer.model, options.start_image)
        normalise(trainer, makers, data.image_train.pixels, np.random.default_rng(options.seed))
        trainer.average = Average(trainer.model, options.average)
    stream = omni_batches.Batches(makers, options.share, [options.seed, trainer.step])
    loader = iter(DataLoader(stream, batch_size=None, num_workers=options.workers, prefetch_factor=8))
    scores = Validation(data, tasks, makers, options)
    write = open_log(options.output)
    write(parameters=sum(p.numel() for p in trainer.model.parameters()), options=str(vars(options)))
    trainer.run(loader, lambda model: {"steps": trainer.taken()} | scores(model), write,
                CHECKPOINT_SECONDS)
    if options.folds == "test" and "event" in tasks:
        test, model = event_train.Scores(data.clips, data.event_scored), trainer.averaged_model()
        write(fold=options.fold, test=test(model.events), beside_a_sensor=scores.watched(model))


if __name__ == "__main__":
    main()
