"""Transcribed speech: the manifest, who may train, choose or test on whom, text, and samples.

The data lies in `RILL_DATA_DIR`, by default ../shared/data beside the repository. Recordings are
decoded by GStreamer, 16 kHz mono int16, once, into a cache folder outside the repository.

Splits: the speakers of each set, sorted by their bytes: index % 5 == 4 is validation, == 3 is test,
the others train; sets of one speaker train. Nothing is chosen on a test speaker.
"""

import csv
import lzma
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .series import data_dir

RATE = 16000
VALIDATION, TEST = 4, 3  # of five
ONES = ("zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
        "fifteen sixteen seventeen eighteen nineteen").split()
TENS = "_ _ twenty thirty forty fifty sixty seventy eighty ninety".split()
ORDINALS = {"one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth",
            "nine": "ninth", "twelve": "twelfth"}


@dataclass
class Utterance:
    file: str
    start: float  # seconds
    end: float
    speaker: str
    text: str  # a-z, apostrophe and single spaces
    split: str  # train, validation or test

    @property
    def set(self):
        return self.file.split("/")[0]

    @property
    def seconds(self):
        return self.end - self.start


def folder():
    return data_dir().parent / "speech"


def cardinal(number):
    """Words of 0 to 999,999."""
    if number < 20:
        return ONES[number]
    if number < 100:
        return TENS[number // 10] + (f" {ONES[number % 10]}" if number % 10 else "")
    for unit, name in ((1000, "thousand"), (100, "hundred")):
        if number >= unit:
            rest = f" {cardinal(number % unit)}" if number % unit else ""
            return f"{cardinal(number // unit)} {name}{rest}"


def ordinal(number):
    *head, last = cardinal(number).split()
    last = ORDINALS.get(last) or (last[:-1] + "ieth" if last.endswith("y") else last + "th")
    return " ".join([*head, last])


def spoken_number(digits):
    """A year is read in pairs, a number with a leading zero digit by digit."""
    number = int(digits)
    if len(digits) > 6 or (len(digits) > 1 and digits[0] == "0"):
        return " ".join("hundred" if digits == "00" else ONES[int(d)] for d in
                        (["0"] if digits == "00" else digits))
    if 1100 <= number < 2000:
        rest = number % 100
        tail = "hundred" if rest == 0 else cardinal(rest) if rest > 9 else f"oh {ONES[rest]}"
        return f"{cardinal(number // 100)} {tail}"
    return cardinal(number)


def normalised(text):
    """Lower case, a-z and apostrophes, numbers as words."""
    text = text.lower()
    text = re.sub(r"(\d+)(?:st|nd|rd|th)\b", lambda m: f" {ordinal(int(m[1]))} ", text)
    decade = lambda m: re.sub(r"y$", "ies", spoken_number(m[1]))
    text = re.sub(r"\b(1\d\d0)'?s\b", lambda m: f" {decade(m)} ", text)
    text = re.sub(r"\d+", lambda m: f" {spoken_number(m[0])} ", text)
    return " ".join(re.sub(r"[^a-z' ]", " ", text).split())


def splits(names_by_set):
    """{(set, speaker): split} for {set: speakers}."""
    found = {}
    for name, speakers in names_by_set.items():
        for index, speaker in enumerate(sorted(speakers, key=str.encode)):
            place = index % 5 if len(speakers) > 1 else 0
            found[name, speaker] = {VALIDATION: "validation", TEST: "test"}.get(place, "train")
    return found


def utterances():
    with open(folder() / "manifest.tsv", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    speakers = {}
    for row in rows:
        speakers.setdefault(row["file"].split("/")[0], set()).add(row["speaker"])
    of = splits(speakers)
    return [
        Utterance(row["file"], float(row["start"]), float(row["end"]), row["speaker"],
                  normalised(row["transcript"]), of[row["file"].split("/")[0], row["speaker"]])
        for row in rows
    ]


def sentences(held_out):
    """The shared sentences without any that a held-out transcript equals or is part of.

    `held_out` are the texts of validation and test. Single words and pairs occur everywhere and are
    not looked for inside sentences.
    """
    whole, inside = set(held_out), [text for text in held_out if len(text.split()) > 4]
    with lzma.open(folder() / "text" / "sentences.txt.xz", "rt") as file:
        found = [line for line in map(normalised, file) if line and line not in whole]
    # By the first four words: a scan of all pairs would take minutes.
    starts = {}
    for text in inside:
        starts.setdefault(" ".join(text.split()[:4]), []).append(text)

    def holds_one(line):
        words = line.split()
        heads = (" ".join(words[i : i + 4]) for i in range(len(words) - 4))
        return any(text in line for head in heads for text in starts.get(head, ()))

    return [line for line in found if not holds_one(line)]


def cached(file, cache):
    """Where the samples of a recording lie."""
    return Path(cache) / (re.sub(r"\W", "_", file) + ".s16")


def samples(file, cache):
    """A recording, int16 [samples] at 16 kHz, mapped from the cache."""
    path = cached(file, cache)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".part")
        command = (f"gst-launch-1.0 -q filesrc location={folder() / file} ! oggdemux ! opusdec ! "
                   f"audioconvert ! audioresample ! audio/x-raw,format=S16LE,rate={RATE},channels=1"
                   f" ! filesink location={partial}")
        subprocess.run(command.split(), check=True)
        partial.rename(path)
    return np.memmap(path, np.int16, "r")


def clip(utterance, cache):
    """The samples of an utterance, float32 in [-1, 1]."""
    whole = samples(utterance.file, cache)
    part = whole[round(utterance.start * RATE) : round(utterance.end * RATE)]
    return part.astype(np.float32) / 32768
