"""Spoken and written digits, each too noisy to rely on: errors of one, of the other, and of both.

    python3 -m rill_train.digit_evaluate runs/omni/last.pt --digits runs/digits --cache runs/audio \\
        --pictures runs/images --decibels -12 -9 -6 --noise 1.5 2 3
    python3 -m rill_train.digit_evaluate runs/omni/last.pt ... --split test --write runs/pairs --count 100

A pair is a word in noise and some pictures of the same digit, each with noise of its own, spread over
the time of the sound. What counts is the last frame's label, all from a fresh state: of the sound's
frames, of the pictures', and of both in the order of their times. `after` has the accuracy after so many
frames of one picture. The second command also writes pairs as files for a pipeline.

The noise is chosen on validation, where the two errors are alike; then the test is measured once.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from scipy.io import wavfile

from . import digit_batches, digits, fbank, images, speech

DECIBELS, NOISE, SHOWN = -9.0, 2.0, 2
AFTER = (1, 4, 16)
COUNT, BATCH = 1000, 100


class Pairs:
    """Noisy pairs, the same every time; the digits take turns. `utterances` and `written` are of one
    split."""

    def __init__(self, utterances, written, cache):
        self.words = [[speech.clip(u, cache) for u in utterances if u.text == word]
                      for word in digits.WORDS]
        self.pixels = [written.pixels[written.classes == digit] for digit in range(len(self.words))]
        self.mel = fbank.Fbank()

    def draw(self, seed, count, decibels, noise, shown):
        """Samples [count, digit_batches.SAMPLES]; pixels [shown, count, height, width, channels], their times
        [shown] in seconds; classes [count]."""
        rng, samples, pictures = np.random.default_rng(seed), [], []
        classes = np.arange(count) % len(self.words)
        for digit in classes:
            word = self.words[digit][rng.integers(len(self.words[digit]))]
            noisy = digit_batches.coloured(rng, digit_batches.SAMPLES)
            samples.append(digit_batches.noisy_word(rng, word, decibels, noisy)[0])
            pictures.append(self.pixels[digit][rng.integers(len(self.pixels[digit]))])
        pixels = digit_batches.noisy_pictures(rng, np.stack(pictures), shown, noise)
        span = digit_batches.SPAN * digit_batches.FRAME_SECONDS
        return np.stack(samples), pixels, span * np.arange(shown) / shown, classes

    @torch.no_grad()
    def scores(self, model, decibels=DECIBELS, noise=NOISE, shown=SHOWN, count=COUNT):
        """`model` is an OmniModel."""
        wrong = {"sound": 0, "picture": 0, "both": 0}
        right = dict.fromkeys(AFTER, 0)
        sizes = [min(BATCH, count - first) for first in range(0, count, BATCH)]
        for seed, size in enumerate(sizes):
            samples, pixels, times, classes = self.draw(seed, size, decibels, noise, shown)
            frames = self.mel(torch.from_numpy(samples.astype(np.float32))).transpose(0, 1)
            pixels, classes = torch.from_numpy(pixels), torch.from_numpy(classes)
            nothing, unseen = torch.zeros(0, size, fbank.BINS), pixels[:0]
            sounds, alone = digit_batches.SPAN, np.zeros(0)
            label = lambda *inputs: model.digits(*inputs).argmax(-1)
            both = digit_batches.order(sounds, times)
            wrong["sound"] += int((label(frames, unseen, torch.arange(sounds))[-1] != classes).sum())
            wrong["picture"] += int((label(nothing, pixels, torch.arange(shown))[-1] != classes).sum())
            wrong["both"] += int((label(frames, pixels, both)[-1] != classes).sum())
            many = torch.from_numpy(self.draw(seed, size, decibels, noise, AFTER[-1])[1])
            found = label(nothing, many, digit_batches.order(0, np.arange(AFTER[-1])))
            for n in AFTER:
                right[n] += int((found[n - 1] == classes).sum())
        share = lambda counts: {key: round(n / count, 4) for key, n in counts.items()}
        return {"error": share(wrong), "after": share(right)}

    def write(self, folder, count, decibels, noise, shown):
        """NUMBER-DIGIT.wav, and NUMBER-DIGIT-PICTURE.png of each of its pictures."""
        from PIL import Image  # Debian's python3-pil

        folder.mkdir(parents=True, exist_ok=True)
        samples, pixels, _, classes = self.draw(0, count, decibels, noise, shown)
        for i, digit in enumerate(classes):
            name = f"{i:04d}-{digit}"
            wavfile.write(folder / f"{name}.wav", speech.RATE,
                          np.round(32767 * samples[i]).astype(np.int16))
            for k in range(shown):
                grey = np.round(255 * pixels[k, i, ..., 0]).astype(np.uint8)
                Image.fromarray(grey).save(folder / f"{name}-{k:02d}.png")


def pairs(options, split):
    """Of the split; options as main has them."""
    utterances = digit_batches.spoken(options.digits, options.cache, options.without)
    written = images.digits("test" if split == "test" else "train", options.pictures)
    if split != "test":
        written = images.split(written)[1]
    return Pairs([u for u in utterances if u.split == split], written, options.cache)


def main():
    from . import omni_export  # which has the heads of all the other tasks

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("checkpoint")
    add("--digits", type=Path, required=True, help="folder of rill_train.digits")
    add("--cache", type=Path, required=True, help="folder of decoded recordings")
    add("--pictures", type=Path, required=True, help="folder of decoded pictures")
    add("--without", help="the speaker who was left out")
    add("--split", choices=("validation", "test"), default="validation")
    add("--decibels", type=float, nargs="+", default=[DECIBELS], help="of the word over the noise")
    add("--noise", type=float, nargs="+", default=[NOISE], help="deviation over the step from black to white")
    add("--shown", type=int, default=SHOWN, help="pictures in a pair")
    add("--count", type=int, default=COUNT, help="pairs")
    add("--write", type=Path, help="write the pairs of the first noise there")
    add("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    found = pairs(options, options.split)
    model, *_ = omni_export.load(options.checkpoint)
    for decibels in options.decibels:
        for noise in options.noise:
            result = found.scores(model, decibels, noise, options.shown, options.count)
            print(json.dumps({"decibels": decibels, "noise": noise} | result), flush=True)
    if options.write:
        found.write(options.write, options.count, options.decibels[0], options.noise[0], options.shown)


if __name__ == "__main__":
    main()
