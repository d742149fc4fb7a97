"""Trains the recogniser with CTC.

    python3 -m rill_train.speech_train --minutes 150 --cache runs/audio --output runs/speech

The learning rate warms up, stays, and falls to zero over the last `--decay` of the minutes. With
`--resume` a run goes on from its last checkpoint, with `--start` from another's weights.
"""

import argparse
import json
import math
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader

from . import fbank, speech, speech_batches, speech_models, tokens
from .operators import Linear, SwiGlu
from .optimizer import Average, make_optimizers

REPORT_STEPS, CHECKPOINT_SECONDS = 50, 600
LOOKAHEADS = (0, 2, 4)


def errors(wanted, got):
    """Substitutions, deletions and insertions of the least costly alignment of two word lists."""
    row = [(j, 0, 0, j) for j in range(len(got) + 1)]  # cost, substitutions, deletions, insertions
    for i, word in enumerate(wanted, 1):
        last, row = row, [(i, 0, i, 0)]
        for j, other in enumerate(got, 1):
            cost, s, d, n = last[j - 1]
            options = [(cost + (word != other), s + (word != other), d, n)]
            cost, s, d, n = last[j]
            options.append((cost + 1, s, d + 1, n))
            cost, s, d, n = row[j - 1]
            options.append((cost + 1, s, d, n + 1))
            row.append(min(options))
    return row[-1][1:]


def greedy(logits, known):
    """The text of logits [time, tokens]."""
    best = torch.unique_consecutive(logits.argmax(-1)).tolist()
    return known.decode(i for i in best if i != 0)


class Validation:
    """Word error rate, greedy, of every `every`-th utterance of the validation speakers."""

    def __init__(self, utterances, known, cache, every, lookahead=2):
        self.parts, self.known, self.lookahead = {}, known, lookahead
        mel = fbank.Fbank()
        chosen = [u for u in utterances if u.split == "validation"][::every]
        for u in sorted(chosen, key=lambda u: u.seconds):
            x = torch.from_numpy(speech.clip(u, cache))
            x = F.pad(x, (0, -len(x) % speech_batches.STRIDE))
            self.parts.setdefault(u.set, []).append((mel(x), u.text))

    @torch.no_grad()
    def __call__(self, model):
        result = {}
        for name, part in self.parts.items():
            wrong = words = 0
            for frames, text in part:
                logits = model(frames[:, None], self.lookahead)[:, 0]
                wrong += sum(errors(text.split(), greedy(logits, self.known).split()))
                words += len(text.split())
            result[name] = round(wrong / words, 4)
        return result


class Trainer:
    def __init__(self, options, known):
        self.options, self.known = options, known
        self.model = speech_models.SpeechModel(
            dict(speech_models.BASE, **{"transcribe.tokens": len(known.pieces)}))
        self.optimizers = make_optimizers(self.model, options.lr, options.weight_decay)
        self.average = Average(self.model, options.average)
        self.step, self.seconds = 0, 0.0
        self.path = options.output / "last.pt"

    def restore(self, path, same_run):
        checkpoint = torch.load(path)
        self.model.load_state_dict(checkpoint["model"])
        self.average.values, self.average.steps = checkpoint["ema"], checkpoint["average_steps"]
        for optimizer, state in zip(self.optimizers, checkpoint["optimizers"]):
            optimizer.load_state_dict(state)
        if same_run:
            self.step, self.seconds = checkpoint["step"], checkpoint["spent"]

    def checkpoint(self):
        content = {
            "config": self.model.config, "pieces": self.known.pieces,
            "model": self.model.state_dict(), "ema": self.average.values,
            "average_steps": self.average.steps, "step": self.step, "spent": self.seconds,
            "options": str(vars(self.options)),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers]}
        torch.save(content, self.path.with_suffix(".part"))
        self.path.with_suffix(".part").rename(self.path)

    def averaged_model(self):
        model = speech_models.SpeechModel(self.model.config)
        model.load_state_dict(self.average.values)
        return model.eval()

    def learning_rate(self):
        left = (1 - self.seconds / (60 * self.options.minutes)) / max(self.options.decay, 1e-9)
        warm = min(1.0, (self.step + 1) / self.options.warmup)
        return self.options.lr * warm * min(1.0, max(0.0, left))

    def update(self, frames, lengths, targets, target_lengths):
        rate = self.learning_rate()
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.zero_grad()
        lookahead = LOOKAHEADS[int(torch.randint(len(LOOKAHEADS), ()))]
        logits = self.model(frames, lookahead)
        loss = F.ctc_loss(logits.log_softmax(-1), targets, lengths, target_lengths,
                          reduction="sum", zero_infinity=True) / target_lengths.sum().clamp(min=1)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0).item()
        if math.isfinite(norm):
            for optimizer in self.optimizers:
                optimizer.step()
            self.average.update(self.model)
        self.step += 1
        return loss.item(), norm


def statistics(batches, count=20):
    """Mean and deviation of each bin over a few batches: the encoder's normalisation."""
    frames = torch.cat([next(batches)[0].flatten(0, 1) for _ in range(count)])
    return frames.mean(0), frames.std(0)


def run(options, trainer, loader, validate, write):
    begin = time.time() - trainer.seconds
    reported = saved = time.time()
    losses, norms, done = [], [], 0
    while trainer.seconds < 60 * options.minutes:
        batch = next(loader)
        loss, norm = trainer.update(*batch)
        losses.append(loss)
        norms.append(norm)
        done += int(batch[1].sum())
        now = time.time()
        trainer.seconds = now - begin
        if trainer.step % REPORT_STEPS == 0:
            write(step=trainer.step, minutes=round(trainer.seconds / 60, 2),
                  loss=round(sum(losses) / len(losses), 4), norm=round(sum(norms) / len(norms), 3),
                  lr=trainer.learning_rate(), frames_per_second=round(done / (now - reported)))
            losses, norms, done, reported = [], [], 0, now
        if now - saved > CHECKPOINT_SECONDS or trainer.seconds >= 60 * options.minutes:
            trainer.checkpoint()
            write(step=trainer.step, word_error_rate=validate(trainer.averaged_model()))
            # Validation is not training time.
            reported = saved = time.time()
            begin += saved - now


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--output", type=Path, required=True, help="folder for the log and the checkpoints")
    add("--cache", type=Path, required=True, help="folder for decoded recordings, 2 GB")
    add("--minutes", type=float, default=150, help="wall-clock budget")
    add("--decay", type=float, default=0.5, help="share of the minutes that decays the rate")
    add("--sets", help="only these sets of the manifest: a,b")
    add("--start", help="checkpoint to start from")
    add("--resume", action="store_true", help="continue the run in --output")
    add("--frames", type=int, default=6400, help="backbone frames in a batch")
    add("--tokens", type=int, default=256)
    add("--lr", type=float, default=2e-3)
    add("--weight-decay", type=float, default=0.05)
    add("--dropout", type=float, default=0.1, help="inside the SwiGLUs")
    add("--warmup", type=int, default=300, help="steps")
    add("--average", type=float, default=0.998, help="decay of the averaged weights, a step")
    add("--every", type=int, default=8, help="validate on every so manieth utterance")
    add("--seed", type=int, default=1)
    add("--threads", type=int, default=2)
    add("--float32", action="store_true", help="no bfloat16 products")
    options = parser.parse_args()

    options.output.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    Linear.bfloat16, SwiGlu.dropout = not options.float32, options.dropout
    everything = speech.utterances()
    if options.sets:
        everything = [u for u in everything if u.set in options.sets.split(",")]
    train = [u for u in everything if u.split == "train"]
    known = tokens.Tokens(tokens.learn([u.text for u in train], options.tokens))
    trainer = Trainer(options, known)
    if options.resume or options.start:
        trainer.restore(trainer.path if options.resume else options.start, options.resume)
    stream = speech_batches.Batches(
        train, known, options.cache, options.frames, [options.seed, trainer.step])
    loader = iter(DataLoader(stream, batch_size=None, num_workers=1, prefetch_factor=8))
    if not options.resume and not options.start:
        mean, deviation = statistics(loader)
        trainer.model.audio.mean.data, trainer.model.audio.deviation.data = mean, deviation
        trainer.average = Average(trainer.model, options.average)
    validate = Validation(everything, known, options.cache, options.every)
    with open(options.output / "log.jsonl", "a", buffering=1) as log:

        def write(**entry):
            log.write(json.dumps(entry) + "\n")
            print(json.dumps(entry), flush=True)

        write(parameters=sum(p.numel() for p in trainer.model.parameters()),
              options=str(vars(options)), utterances=len(train),
              hours=round(sum(u.seconds for u in train) / 3600, 2))
        run(options, trainer, loader, validate, write)


if __name__ == "__main__":
    main()
