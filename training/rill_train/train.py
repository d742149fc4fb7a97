"""Trains the sensor forecaster.

    python3 -m rill_train.synthetic --output runs/synthetic.npy
    python3 -m rill_train.train --minutes 52 --synthetic runs/synthetic.npy --output runs/base
    python3 -m rill_train.train --minutes 14 --decay 1 --ett-end 14060 --start runs/base/last.pt \
        --synthetic runs/synthetic.npy --output runs/shipped

The learning rate warms up, stays, and decays linearly over the last `--decay` of the minutes. A run
without decay is a base from which several short decaying runs, with other data, can start.
"""

import argparse
from pathlib import Path

import torch
from torch.utils.data import DataLoader

from . import batches, evaluate, ltsf, models, series
from .operators import Linear, SwiGlu
from .trainer import Trainer, open_log

CHECKPOINT_SECONDS = 300


class PinballLoss(torch.autograd.Function):
    """Weighted sum of 2 pinball over quantiles, averaged over all weighted targets.

    Written out because it runs over [tokens, slots, levels], the largest array of a step.
    """

    @staticmethod
    def forward(ctx, quantiles, targets, weights, levels):
        miss = targets[..., None] - quantiles
        slope = torch.where(miss >= 0, levels, levels - 1).mul_(weights[..., None])
        count = (weights > 0).sum() * len(levels) / 2
        ctx.save_for_backward(slope.div_(count))
        return torch.dot(miss.flatten(), slope.flatten())

    @staticmethod
    def backward(ctx, grad):
        (slope,) = ctx.saved_tensors
        return slope * -grad, None, None, None


class ForecastTrainer(Trainer):
    def __init__(self, options):
        super().__init__(models.SensorModel(models.BASE), options, not options.adam)
        self.objective = ltsf.loss if options.objective == "squared" else PinballLoss.apply
        self.levels = torch.tensor(self.model.config["forecast.quantiles"])

    def loss(self, features, dt, targets, weights):
        return self.objective(self.model(features, dt), targets, weights, self.levels)

    def size(self, features, dt, targets, weights):
        return dt[0].numel()


def make_loader(options, config, step):
    recipe = ltsf if options.recipe == "ltsf" else batches
    mixture = recipe.mixture()
    for share in options.share:
        name, value = share.split("=")
        mixture.shares[name] = float(value)
    mixture.resample = mixture.resample if options.resample is None else options.resample
    pool = batches.sources(
        options.ett_end, options.synthetic, ltsf.WINTER if options.without_winter else None)
    # The step is in the seed: the same batches again after a resume would teach nothing.
    stream = recipe.Batches(pool, mixture, config, [options.seed, step])
    return mixture, iter(DataLoader(stream, batch_size=None, num_workers=1, prefetch_factor=8))


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--output", type=Path, required=True, help="folder for the log and the checkpoints")
    add("--synthetic", nargs="+", required=True, help="pools written by rill_train.synthetic")
    add("--minutes", type=float, default=52, help="wall-clock budget")
    add("--decay", type=float, default=0.0, help="share of the minutes that decays the rate")
    add("--ett-end", type=int, default=series.LTSF_TRAIN_END, help="train on ETT rows before this")
    add("--without-winter", action="store_true",
        help="leave out the ETT rows of ltsf.WINTER and validate on them")
    add("--recipe", choices=("stream", "ltsf"), default="stream")
    add("--objective", choices=("pinball", "squared"), default="pinball")
    add("--start", help="checkpoint to start from: weights, average, optimiser state")
    add("--resume", action="store_true", help="continue the run in --output")
    add("--lr", type=float, default=2e-3)
    add("--adam", action="store_true", help="AdamW instead of Muon for the backbone's matrices")
    add("--weight-decay", type=float, default=0.05)
    add("--dropout", type=float, default=0.0, help="inside the SwiGLUs")
    add("--warmup", type=int, default=200, help="steps")
    add("--average", type=float, default=0.998, help="decay of the averaged weights, a step")
    add("--share", action="append", default=[], metavar="SOURCE=P", help="change a source's share")
    add("--resample", type=float, metavar="P", help="chance that a real window changes its rate")
    add("--seed", type=int, default=1)
    add("--threads", type=int, default=1)
    add("--bfloat16", action="store_true", help="matrix products in bfloat16: for AVX512-BF16, AMX")
    options = parser.parse_args()

    options.output.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    Linear.bfloat16, SwiGlu.dropout = options.bfloat16, options.dropout
    trainer = ForecastTrainer(options)
    mixture, loader = make_loader(options, trainer.model.config, trainer.step)
    validate = ltsf.Validation() if options.recipe == "ltsf" else evaluate.Validation()
    if options.without_winter:
        validate = ltsf.Validation(start=ltsf.WINTER[0] + ltsf.CONTEXT, end=ltsf.WINTER[1])
    write = open_log(options.output)
    write(parameters=models.parameter_count(trainer.model), options=str(vars(options)),
          mixture=str(mixture))
    trainer.run(loader, validate, write, CHECKPOINT_SECONDS)


if __name__ == "__main__":
    main()
