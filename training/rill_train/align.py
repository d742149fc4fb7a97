"""When each word of the recordings ends, and what pocketsphinx hears: by Debian's pocketsphinx.

    python3 -m rill_train.align --split validation --cache runs/audio --output runs/alignments.tsv
    python3 -m rill_train.align --split validation --cache runs/audio --errors

Needs the packages pocketsphinx and pocketsphinx-en-us. The first writes the columns file, start (of
the utterance, seconds), word, end (of the word, seconds into the utterance) for `rill bench speech
--task latency`: each utterance is recognised with a grammar of one path, its transcript. Utterances
with a word that the dictionary lacks are left out. The second counts word errors of pocketsphinx
with its own language model on the same utterances that `rill bench speech --task wer` counts.
"""

import argparse
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from . import phones, speech
from .speech_train import errors

MODEL = Path("/usr/share/pocketsphinx/model/en-us")
FRAMES_PER_SECOND = 100


def grammar(words):
    arcs = "\n".join(f"TRANSITION {i} {i + 1} 1.0 {word}" for i, word in enumerate(words))
    return (f"FSG_BEGIN one\nNUM_STATES {len(words) + 1}\nSTART_STATE 0\nFINAL_STATE {len(words)}\n"
            f"{arcs}\nFSG_END\n")


def run(folder, names, *arguments):
    (folder / "names").write_text("\n".join(names) + "\n")
    command = ["pocketsphinx_batch", "-hmm", MODEL / "en-us", "-dict", phones.DICTIONARY,
               "-ctl", folder / "names", "-adcin", "yes", "-cepdir", folder, "-cepext", ".raw",
               "-logfn", "/dev/null", *arguments]
    subprocess.run(list(map(str, command)), check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)


def write_clips(folder, utterances, cache):
    for i, utterance in enumerate(utterances):
        clip = (speech.clip(utterance, cache) * 32768).astype(np.int16)
        clip.tofile(folder / f"{i}.raw")


def word_ends(segments, words):
    """Seconds, from a line of -hypseg: name, S, T, A, L, then start, score, score, word each, end."""
    fields = segments.split()
    starts, found = [int(x) for x in fields[9::4]], fields[12::4]
    ends = [end / FRAMES_PER_SECOND for word, end in zip(found, starts[1:])
            if not word.startswith(("<", "[", "+"))]
    spoken = [word.split("(")[0] for word in found if not word.startswith(("<", "[", "+"))]
    return ends if spoken == words else None  # no path was found to the end


def align(utterances, cache, output):
    known = phones.dictionary()
    usable = [u for u in utterances if all(word in known for word in u.text.split())]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_clips(folder, usable, cache)
        for i, utterance in enumerate(usable):
            (folder / f"{i}.fsg").write_text(grammar(utterance.text.split()))
        names = [str(i) for i in range(len(usable))]
        run(folder, names, "-fsgctl", folder / "names", "-fsgdir", folder, "-fsgext", ".fsg",
            "-bestpath", "no", "-remove_silence", "no", "-hypseg", folder / "segments",
            "-beam", "1e-80", "-wbeam", "1e-60")
        segments = (folder / "segments").read_text().splitlines()
    aligned = 0
    with open(output, "w") as file:
        file.write("file\tstart\tword\tend\n")
        for line in segments:
            utterance = usable[int(line.split()[0])]
            words = utterance.text.split()
            ends = word_ends(line, words)
            aligned += ends is not None
            for word, end in zip(words, ends or ()):
                file.write(f"{utterance.file}\t{utterance.start:.3f}\t{word}\t{end:.2f}\n")
    print(f"{output}: {aligned} of {len(utterances)} utterances")


def count_errors(utterances, cache):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_clips(folder, utterances, cache)
        run(folder, [str(i) for i in range(len(utterances))], "-lm", MODEL / "en-us.lm.bin",
            "-hyp", folder / "texts")
        texts = {}
        for line in (folder / "texts").read_text().splitlines():
            text, _, name = line.rpartition(" (")
            texts[int(name.split()[0])] = [
                word.split("(")[0] for word in text.split() if not word.startswith(("<", "["))]
    for name in sorted({u.set for u in utterances}):
        chosen = [i for i, u in enumerate(utterances) if u.set == name]
        words = sum(len(utterances[i].text.split()) for i in chosen)
        s, d, n = (sum(x) for x in zip(*(
            errors(utterances[i].text.split(), texts.get(i, [])) for i in chosen)))
        print(f"{name}: {words} words, WER {(s + d + n) / words:.4f} ({s} substituted, {d} deleted, "
              f"{n} inserted)")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--split", choices=("train", "validation", "test"), default="validation")
    add("--sets", default="librispeech-28spk,speechocean762")
    add("--every", type=int, default=1, help="only every so manieth utterance")
    add("--cache", type=Path, required=True, help="folder of decoded recordings")
    add("--output", type=Path, default="alignments.tsv")
    add("--errors", action="store_true", help="count errors instead of aligning")
    options = parser.parse_args()
    chosen = [u for u in speech.utterances()
              if u.split == options.split and u.set in options.sets.split(",")][::options.every]
    if options.errors:
        count_errors(chosen, options.cache)
    else:
        align(chosen, options.cache, options.output)


if __name__ == "__main__":
    main()
