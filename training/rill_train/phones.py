"""The phones of English words: the CMU dictionary, and rules of letters for words it lacks.

The recogniser learns them (`speech_train.py`), and its file says how words are said.
From Debian's packages pocketsphinx-en-us (the dictionary without stresses, BSD) and flite (the
rules).
"""

import json
import subprocess
import tempfile
from pathlib import Path

DICTIONARY = Path("/usr/share/pocketsphinx/model/en-us/cmudict-en-us.dict")
# Piece 0 is CTC's blank.
PHONES = ["", *"AA AE AH AO AW AY B CH D DH EH ER EY F G HH IH IY JH K L M N NG OW OY P R S SH T TH UH "
          "UW V W Y Z ZH".split()]
_LETTERS = set("abcdefghijklmnopqrstuvwxyz'")
_INDEX = {phone: i for i, phone in enumerate(PHONES)}
# What flite writes in another way; `pau` and what else is not here is no phone.
_FLITE = {"ax": "AH", "axr": "ER"}


def dictionary(path=DICTIONARY):
    """{word: phone indices}, the first pronunciation of each."""
    return {word: [_INDEX[phone] for phone in ways[0].split()] for word, ways in variants(path).items()}


def variants(path=DICTIONARY):
    """{word: all its ways to be said, as the dictionary's text}, in the dictionary's order."""
    found = {}
    with open(path) as lines:
        for line in lines:
            word, said = line.rstrip().split(" ", 1)
            found.setdefault(word.split("(")[0], []).append(said)
    return found


def lexicon(words, cache):
    """The text of modalities/lexicon.h: the dictionary, and those of `words` that it lacks by
    flite's rules."""
    said = variants()
    of = Pronunciations([" ".join(words)], cache).of
    for word in words:
        if word not in said and of[word]:
            said[word] = [" ".join(PHONES[i] for i in of[word])]
    return "".join(f"{word} {way}\n" for word in sorted(said) for way in said[word]
                   if not set(word) - _LETTERS)


def by_rules(words):
    """{word: phone indices} by flite's rules."""
    if not words:
        return {}
    with tempfile.NamedTemporaryFile("w") as file:
        file.write("".join(f"{word}.\n\n" for word in words))  # a paragraph each
        file.flush()
        command = ["flite", "-ps", "-o", "none", "-f", file.name]
        lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    lines = [line for line in lines if line.strip()]
    if len(lines) != len(words):
        raise RuntimeError(f"flite said {len(lines)} lines of {len(words)} words")
    found = {}
    for word, line in zip(words, lines):
        phones = (_FLITE.get(phone, phone.upper()) for phone in line.split())
        found[word] = [_INDEX[phone] for phone in phones if phone in _INDEX]
    return found


class Pronunciations:
    """Phone indices of texts, for the words of `texts`."""

    def __init__(self, texts, cache):
        """What flite says is kept in the folder `cache`."""
        self.of = dictionary()
        words = {word for text in texts for word in text.split()}
        path = Path(cache) / "pronunciations.json"
        known = json.loads(path.read_text()) if path.exists() else {}
        new = by_rules(sorted(words - set(self.of) - set(known)))
        if new:
            path.write_text(json.dumps(known | new))
        self.of |= known | new

    def encode(self, text):
        return [phone for word in text.split() for phone in self.of[word]]
