"""What every training run is: weights, optimisers and averages, a clock, checkpoints and a log.

The learning rate warms up, stays, and falls linearly to zero over the last `decay` of the minutes.
"""

import copy
import json
import math
import time

import torch

from .optimizer import Average, make_optimizers

REPORT_STEPS = 50
LONGEST_STEP = 10  # seconds


class Trainer:
    """`loss(*batch)` and `size(*batch)`, what a batch counts in the speed, are a subclass's.

    Options: output, minutes, decay, lr, warmup, weight_decay, average. `extra` goes into the
    checkpoints beside what a run goes on from.
    """

    def __init__(self, model, options, use_muon=True, **extra):
        self.model, self.options, self.extra = model, options, extra
        self.optimizers = make_optimizers(model, options.lr, options.weight_decay, use_muon)
        self.average = Average(model, options.average)
        self.step, self.seconds = 0, 0.0
        self.path = options.output / "last.pt"
        if options.resume:
            self.restore(self.path, same_run=True)
        elif options.start:
            self.restore(options.start, same_run=False)

    def restore(self, path, same_run):
        checkpoint = torch.load(path)
        self.model.load_state_dict(checkpoint["model"])
        self.average.values = checkpoint["ema"]
        self.average.steps = checkpoint["average_steps"]
        try:
            for optimizer, state in zip(self.optimizers, checkpoint["optimizers"]):
                optimizer.load_state_dict(state)
        except ValueError:  # Parameters in other groups: the weights can start anew, a run can't go on.
            if same_run:
                raise
        if same_run:
            self.step, self.seconds = checkpoint["step"], checkpoint["spent"]

    def checkpoint(self):
        """Written beside and renamed: a run that is killed leaves the old one or the new one."""
        content = {
            "config": self.model.config, "model": self.model.state_dict(),
            "ema": self.average.values, "average_steps": self.average.steps,
            "step": self.step, "spent": self.seconds, "options": str(vars(self.options)),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers], **self.extra}
        partial = self.path.with_suffix(".part")
        torch.save(content, partial)
        partial.rename(self.path)

    def averaged_model(self):
        model = copy.deepcopy(self.model)
        model.load_state_dict(self.average.values)
        return model.eval()

    def learning_rate(self):
        options, left = self.options, 1.0
        if options.decay > 0:
            left = min(1.0, max(0.0, (1 - self.seconds / (60 * options.minutes)) / options.decay))
        return options.lr * min(1.0, (self.step + 1) / options.warmup) * left

    def update(self, *batch):
        """One optimiser step; returns the loss and the gradient's norm."""
        rate = self.learning_rate()
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.zero_grad()
        loss = self.loss(*batch)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0).item()
        if math.isfinite(norm):
            for optimizer in self.optimizers:
                optimizer.step()
            self.average.update(self.model)
        self.step += 1
        return loss.item(), norm

    def run(self, loader, validate, write, checkpoint_seconds):
        """Trains until the minutes are spent; neither validation nor time that the process stands
        stopped is training time."""
        last = reported = saved = time.time()
        losses, norms, done = [], [], 0
        while self.seconds < 60 * self.options.minutes:
            batch = next(loader)
            loss, norm = self.update(*batch)
            losses.append(loss)
            norms.append(norm)
            done += self.size(*batch)
            now = time.time()
            self.seconds += min(now - last, LONGEST_STEP)
            last = now
            if self.step % REPORT_STEPS == 0:
                mean = lambda values: round(sum(values) / len(values), 4)
                write(step=self.step, minutes=round(self.seconds / 60, 2), loss=mean(losses),
                      norm=mean(norms), lr=self.learning_rate(),
                      frames_per_second=round(done / (now - reported)))
                losses, norms, done, reported = [], [], 0, now
            if now - saved > checkpoint_seconds or self.seconds >= 60 * self.options.minutes:
                self.checkpoint()
                write(step=self.step, validation=validate(self.averaged_model()))
                last = reported = saved = time.time()
                done = 0


def open_log(folder):
    """A function that writes its keywords as a line to the log in the folder, and prints it."""
    log = open(folder / "log.jsonl", "a", buffering=1)

    def write(**entry):
        log.write(json.dumps(entry) + "\n")
        print(json.dumps(entry), flush=True)

    return write
