"""Trains the recogniser with CTC.

    python3 -m rill_train.speech_train --minutes 150 --cache runs/audio --output runs/speech

The learning rate warms up, stays, and falls to zero over the last `--decay` of the minutes. With
`--resume` a run goes on from its last checkpoint, with `--start` from another's weights or a model
file's.
"""

import argparse
from pathlib import Path

import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader

from . import (digits, fbank, phones, speech, speech_batches, speech_export, speech_models,
               synthesize, tokens)
from .operators import Linear, SwiGlu
from .optimizer import Average
from .trainer import Trainer, open_log

CHECKPOINT_SECONDS = 600
LOOKAHEADS = (0, 2, 4)
# Of the losses of pieces, of phones, and of phones in the middle of the backbone.
WEIGHTS = (0.25, 0.5, 0.25)


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


def likeliest(logits):
    """What the likeliest alignment of logits [time, tokens] spells."""
    return [i for i in torch.unique_consecutive(logits.argmax(-1)).tolist() if i != 0]


def greedy(logits, known):
    """The text of logits [time, tokens]."""
    return known.decode(likeliest(logits))


class Validation:
    """Error rates of words and of phones, greedy, of every `every`-th utterance of the validation
    speakers."""

    def __init__(self, utterances, known, said, cache, every, lookahead=2):
        self.parts, self.known, self.said, self.lookahead = {}, known, said, lookahead
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
            pairs = []  # of what was said and what was heard
            for frames, text in part:
                pieces, spoken = (x[:, 0] for x in model(frames[:, None], self.lookahead))
                pairs.append(((text.split(), greedy(pieces, self.known).split()),
                              (self.said.encode(text), likeliest(spoken))))
            result[name] = [round(sum(sum(errors(*pair)) for pair in kind)
                                  / sum(len(said) for said, _ in kind), 4) for kind in zip(*pairs)]
        return result


def mean_ctc(logits, lengths, targets, target_lengths, hurry=0):
    """CTC's loss a target.

    With `hurry`, every frame also learns what the next one says, which moves the peaks ahead (Tian et
    al. 2022, "Peak-first CTC"): without it, words come as late as makes them surest.
    """
    logs = logits.log_softmax(-1)
    loss = F.ctc_loss(logs, targets, lengths, target_lengths, reduction="sum", zero_infinity=True)
    if hurry > 0:
        later = logs[1:].detach()
        ahead = (later.exp() * (later - logs[:-1])).sum(-1)
        inside = torch.arange(1, len(logs))[:, None] < lengths
        loss = loss + hurry * (ahead * inside).sum()
    return loss / target_lengths.sum().clamp(min=1)


class SpeechTrainer(Trainer):
    def __init__(self, options, known):
        config = dict(speech_models.BASE, **{"transcribe.tokens": len(known.pieces)})
        super().__init__(speech_models.SpeechModel(config), options, pieces=known.pieces)

    def restore(self, path, same_run):
        if path.suffix != ".gguf":
            return super().restore(path, same_run)
        missing = self.model.load_state_dict(speech_export.weights(path), strict=False).missing_keys
        assert all(name.startswith("phones.") for name in missing), missing
        self.average = Average(self.model, self.options.average)

    def loss(self, frames, lengths, pieces, spoken):
        """CTC's a piece and a phone, and as a lead that of phones in the middle of the backbone
        (Sanabria and Metze 2018, "Hierarchical multitask learning with CTC")."""
        lookahead = LOOKAHEADS[int(torch.randint(len(LOOKAHEADS), ()))]
        pieces_logits, phones_logits, lead = self.model.forward_with_lead(frames, lookahead)
        lengths = lengths.clamp(max=len(lead))
        hurry = self.options.hurry
        losses = (mean_ctc(pieces_logits, lengths, *pieces, hurry),
                  mean_ctc(phones_logits, lengths, *spoken, hurry), mean_ctc(lead, lengths, *spoken))
        return sum(weight * loss for weight, loss in zip(WEIGHTS, losses))

    def size(self, frames, lengths, pieces, spoken):
        return int(lengths.sum())


def statistics(batches, count=20):
    """Mean and deviation of each bin over a few batches: the encoder's normalisation."""
    frames = torch.cat([next(batches)[0].flatten(0, 1) for _ in range(count)])
    return frames.mean(0), frames.std(0)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--output", type=Path, required=True, help="folder for the log and the checkpoints")
    add("--cache", type=Path, required=True, help="folder for decoded recordings, 2 GB")
    add("--minutes", type=float, default=150, help="wall-clock budget")
    add("--decay", type=float, default=0.5, help="share of the minutes that decays the rate")
    add("--sets", help="only these sets of the manifest: a,b")
    add("--digits", type=Path, help="folder of rill_train.digits: train on digits instead")
    add("--without", help="speaker of digits to leave out")
    add("--start", type=Path, help="checkpoint or model file to start from")
    add("--resume", action="store_true", help="continue the run in --output")
    add("--frames", type=int, default=6400, help="backbone frames in a batch")
    add("--tokens", type=int, default=128)
    add("--lr", type=float, default=2e-3)
    add("--weight-decay", type=float, default=0.05)
    add("--synthetic", type=float, default=0, help="share of rill_train.synthesize's speech")
    add("--augment", type=float, default=1, help="how much of the noise, rooms and masks: 0 to 1")
    add("--dropout", type=float, default=0.1, help="inside the SwiGLUs")
    add("--hurry", type=float, default=0.02, help="weight of what makes the heads emit early")
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
    held_out = [u.text for u in everything if u.split != "train"]
    written = speech.sentences(held_out)[::10]
    # Always those of the whole data, so that runs go on from each other.
    known = tokens.Tokens(tokens.learn([u.text for u in train] + written, options.tokens))
    trainer = SpeechTrainer(options, known)
    if options.digits:
        train = digits.utterances(options.digits, options.without, options.cache)
        everything = []
    if options.synthetic > 0:
        train += synthesize.utterances(options.cache)
    said = phones.Pronunciations([u.text for u in train + everything], options.cache)
    stream = speech_batches.Batches(
        train, known, said, options.cache, options.frames, options.augment,
        options.synthetic, [options.seed, trainer.step])
    loader = iter(DataLoader(stream, batch_size=None, num_workers=1, prefetch_factor=8))
    if not options.resume and not options.start:
        mean, deviation = statistics(loader)
        trainer.model.audio.mean.data, trainer.model.audio.deviation.data = mean, deviation
        trainer.average = Average(trainer.model, options.average)
    validate = Validation(everything, known, said, options.cache, options.every)
    write = open_log(options.output)
    write(parameters=sum(p.numel() for p in trainer.model.parameters()),
          options=str(vars(options)), utterances=len(train),
          hours=round(sum(u.seconds for u in train) / 3600, 2))
    trainer.run(loader, validate, write, CHECKPOINT_SECONDS)


if __name__ == "__main__":
    main()
