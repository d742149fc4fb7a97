"""Spoken digits: one speaker left out, the others to fine-tune the recogniser on.

    python3 -m rill_train.digits runs/digits --voices 8
    python3 -m rill_train.speech_train --digits runs/digits --without george --start runs/speech/last.pt ...
    rill bench speech --task wer --data runs/digits --sets fsdd --speakers george -m george.gguf \\
        --language-model runs/digits/digits.arpa

The first writes what `rill bench speech` reads: the recordings of the Free Spoken Digit Dataset
(8 kHz), a manifest of takes 0 to 4, which are the customary test, and a language model whose only
sentences are one digit each. With `--voices`, every voice of rill_train.synthesize says each digit so
often: five speakers are few to learn what a sixth may sound like.
"""

import argparse
import tarfile
from math import log10
from pathlib import Path

import numpy as np
from scipy.io import wavfile
from scipy.signal import resample_poly

from . import speech, synthesize

WORDS = speech.ONES[:10]
TEST_TAKES = 5
NEVER = -99  # a logarithm


def recordings(folder):
    """(path, word, speaker, take) of each."""
    for path in sorted((folder / "speech" / "fsdd").glob("*.wav")):
        digit, speaker, take = path.stem.split("_")
        yield path, WORDS[int(digit)], speaker, int(take)


def samples(path):
    """int16 [samples] at 16 kHz."""
    rate, x = wavfile.read(path)
    assert x.dtype == np.int16, path
    return np.clip(np.round(resample_poly(x.astype(np.float64), speech.RATE, rate)),
                   -32768, 32767).astype(np.int16)


def synthesise(folder, takes):
    """The voices' takes, as files named like the recordings."""
    (folder / "voices").mkdir(exist_ok=True)
    for number, voice in enumerate(synthesize.VOICES):
        rng = np.random.default_rng([9, number])
        for digit, word in enumerate(WORDS):
            for take in range(takes):
                voice.say(rng, word, str(folder / "voices" / f"{digit}_{voice.name}_{take}.wav"))


def voices(folder):
    """(path, word, voice) of each synthetic take."""
    for path in sorted((folder / "voices").glob("*.wav")):
        digit, voice, _ = path.stem.split("_")
        yield path, WORDS[int(digit)], voice


def utterances(folder, without, cache):
    """All takes of the other speakers, and of voices; their samples lie in the cache."""
    takes = [(path, word, speaker) for path, word, speaker, _ in recordings(folder)]
    found = []
    for path, word, speaker in takes + list(voices(folder)):
        name = f"fsdd/{path.name}"
        cached = speech.cached(name, cache)
        if not cached.exists():
            samples(path).tofile(cached)
        if speaker != without:
            seconds = cached.stat().st_size / 2 / speech.RATE
            found.append(speech.Utterance(name, 0, seconds, speaker, word, "train"))
    return found


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    parser.add_argument("--voices", type=int, default=0, help="takes of each synthetic voice")
    options = parser.parse_args()
    output = options.output
    target = output / "speech" / "fsdd"
    target.mkdir(parents=True, exist_ok=True)
    with tarfile.open(speech.folder() / "fsdd.tar.xz") as archive:
        for member in archive:
            if member.name.endswith(".wav"):
                (target / Path(member.name).name).write_bytes(archive.extractfile(member).read())
    with open(output / "speech" / "manifest.tsv", "w") as file:
        file.write("file\tstart\tend\tspeaker\ttranscript\n")
        for path, word, speaker, take in recordings(output):
            if take < TEST_TAKES:
                seconds = len(samples(path)) / speech.RATE
                file.write(f"fsdd/{path.name}\t0\t{seconds:.4f}\t{speaker}\t{word}\n")
    write_language_model(output / "digits.arpa")
    if options.voices > 0:
        synthesise(output, options.voices)


def write_language_model(path):
    words = sorted(WORDS)
    single = [f"{NEVER}\t</s>", f"{NEVER}\t<s>\t{NEVER}"]
    single += [f"{-log10(len(words)):.6f}\t{word}\t{NEVER}" for word in words]
    pairs = [f"{-log10(len(words)):.6f}\t<s> {word}" for word in words]
    pairs += [f"0\t{word} </s>" for word in words]
    path.write_text(
        f"\\data\\\nngram 1={len(single)}\nngram 2={len(pairs)}\n\n\\1-grams:\n" + "\n".join(single)
        + "\n\n\\2-grams:\n" + "\n".join(sorted(pairs, key=lambda line: line.split("\t")[1]))
        + "\n\n\\end\\\n")


if __name__ == "__main__":
    main()
