"""Synthetic speech of many voices, from the shared sentences, for training alone.

    python3 -m rill_train.synthesize --hours 30 --cache runs/audio

Needs Debian's packages flite and espeak-ng, and of contrib and non-free rhvoice-english,
libttspico-utils and mbrola (mbrola-us1, -us2, -us3, -en1). Rate and pitch are drawn for every sentence, of which all words are in the CMU dictionary. Writes synthetic.tsv and a file of samples a voice
into the cache; a run that is given more hours goes on where the last one ended.
"""

import argparse
import io
import subprocess
import tempfile
from dataclasses import dataclass
from itertools import islice
from multiprocessing import Pool
from pathlib import Path
from typing import Callable

import numpy as np
from scipy.io import wavfile
from scipy.signal import resample_poly

from . import phones, speech

WORDS = (2, 18)  # of a sentence
LOUDNESS = 0.08  # root mean square
CHUNK = 40  # sentences that one voice says in a row


def _run(command, text=None):
    return subprocess.run(command, input=text, capture_output=True, check=True).stdout


def pico(language):
    def say(rng, text, path):
        rate, pitch = int(rng.uniform(80, 125)), int(rng.uniform(80, 130))
        _run(["pico2wave", "-l", language, "-w", path,
              f'<speed level="{rate}"><pitch level="{pitch}">{text}</pitch></speed>'])
    return say


def rhvoice(voice):
    def say(rng, text, path):
        _run(["RHVoice-test", "-p", voice, "-r", str(int(rng.uniform(75, 130))),
              "-t", str(int(rng.uniform(80, 125))), "-o", path], text.encode())
    return say


def espeak(voice):
    def say(rng, text, path):
        _run(["espeak-ng", "-v", voice, "-s", str(int(rng.uniform(120, 190))),
              "-p", str(int(rng.uniform(25, 75))), "-w", path, text])
    return say


def flite(voice):
    def say(rng, text, path):
        _run(["flite", "-voice", voice, "--setf", f"duration_stretch={rng.uniform(0.8, 1.25):.2f}",
              "-t", text, "-o", path])
    return say


@dataclass
class Voice:
    name: str
    share: float  # of all speech
    say: Callable  # (rng, text, path of a wav file)


VOICES = [
    *(Voice(f"rhvoice-{name}", 0.06, rhvoice(name))
      for name in ("alan", "bdl", "clb", "evgeniy-eng", "lyubov", "slt")),
    *(Voice(f"pico-{name}", 0.09, pico(name)) for name in ("en-US", "en-GB")),
    *(Voice(f"mbrola-{name}", 0.05, espeak(f"mb-{name}")) for name in ("us1", "us2", "us3", "en1")),
    *(Voice(f"flite-{name}", 0.04, flite(name)) for name in ("kal16", "awb", "rms", "slt")),
    *(Voice(f"espeak-{name}", 0.01, espeak(name))
      for name in ("en-us", "en-gb", "en-us+f2", "en-us+f4", "en-us+m3", "en-us+m5", "en-gb+f3",
                   "en-gb+m2", "en-gb-scotland+m4")),
]


def _chunk(task):
    """The samples of some sentences by one voice, end to end, and where each ends."""
    voice, seed, texts = task
    rng = np.random.default_rng(seed)
    parts, said = [], []
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        for text in texts:
            try:
                VOICES[voice].say(rng, text, file.name)
                rate, x = wavfile.read(io.BytesIO(Path(file.name).read_bytes()))
            except (subprocess.CalledProcessError, ValueError):
                continue  # a sentence that a voice cannot say
            if len(x) < rate // 4:
                continue
            x = resample_poly(x.astype(np.float32) / 32768, speech.RATE, rate)
            x *= LOUDNESS / (np.sqrt(np.mean(np.square(x))) + 1e-9)
            parts.append(np.clip(np.round(x * 32768), -32768, 32767).astype(np.int16))
            said.append(text)
    return voice, parts, said


def table(cache):
    return Path(cache) / "synthetic.tsv"


def utterances(cache):
    """What has been synthesised, as training utterances of the set `synthetic`."""
    found = []
    for line in table(cache).read_text().splitlines():
        voice, start, end, text = line.split("\t")
        found.append(speech.Utterance(f"synthetic/{voice}", float(start), float(end), voice, text,
                                      "train"))
    return found


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, required=True, help="of speech, in all")
    parser.add_argument("--cache", type=Path, required=True, help="folder of decoded recordings")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    options.cache.mkdir(parents=True, exist_ok=True)
    table(options.cache).touch()
    known = utterances(options.cache)
    seconds, chunks = sum(u.seconds for u in known), len(known) // CHUNK
    held_out = [u.text for u in speech.utterances() if u.split != "train"]
    spelled = phones.dictionary()  # what voices can be expected to read well
    texts = [text for text in speech.sentences(held_out)
             if WORDS[0] <= len(text.split()) <= WORDS[1]
             and all(word in spelled for word in text.split())]
    shares = np.array([voice.share for voice in VOICES])

    def tasks():
        for seed in range(chunks, 1 << 30):
            rng = np.random.default_rng([7, seed])
            voice = int(rng.choice(len(VOICES), p=shares / shares.sum()))
            chosen = [texts[i] for i in rng.integers(0, len(texts), CHUNK)]
            yield voice, [8, seed], chosen

    with Pool(options.processes) as pool, open(table(options.cache), "a", buffering=1) as rows:
        todo = tasks()
        while seconds < 3600 * options.hours:
            # A few at a time: a pool takes all that a generator gives.
            for voice, parts, said in pool.imap(_chunk, islice(todo, 8 * options.processes)):
                name = VOICES[voice].name
                path = speech.cached(f"synthetic/{name}", options.cache)
                at = (path.stat().st_size // 2 if path.exists() else 0) / speech.RATE
                with open(path, "ab") as file:
                    for part, text in zip(parts, said):
                        file.write(part.tobytes())
                        end = at + len(part) / speech.RATE
                        rows.write(f"{name}\t{at:.4f}\t{end:.4f}\t{text}\n")
                        seconds, at = seconds + end - at, end
    print(f"{seconds / 3600:.1f} hours")


if __name__ == "__main__":
    main()
