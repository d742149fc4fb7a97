"""The phones of English words: the CMU dictionary, and rules of letters for words it lacks.

The recogniser learns them on the way to its pieces (`speech_train.py`); a model file holds none.
From Debian's packages pocketsphinx-en-us (the dictionary without stresses, BSD) and flite (the
rules).
"""

import json
import subprocess
from pathlib import Path

DICTIONARY = Path("/usr/share/pocketsphinx/model/en-us/cmudict-en-us.dict")
# Piece 0 is CTC's blank.
PHONES = ["", *"AA AE AH AO AW AY B CH D DH EH ER EY F G HH IH IY JH K L M N NG OW OY P R S SH T TH UH "
          "UW V W Y Z ZH".split()]
_INDEX = {phone: i for i, phone in enumerate(PHONES)}
# What flite writes in another way; `pau` and what else is not here is no phone.
_FLITE = {"ax": "AH", "axr": "ER"}


def dictionary(path=DICTIONARY):
    """{word: phone indices}, the first pronunciation of each."""
    found = {}
    with open(path) as lines:
        for line in lines:
            word, *phones = line.split()
            if "(" not in word:
                found[word] = [_INDEX[phone] for phone in phones]
    return found


def by_rules(words):
    """{word: phone indices} by flite's rules."""
    command = ["flite", "-ps", "-o", "none", "-t"]
    found = {}
    for word in words:
        said = subprocess.run([*command, word], check=True, capture_output=True, text=True).stdout
        phones = (_FLITE.get(phone, phone.upper()) for phone in said.split())
        found[word] = [_INDEX[phone] for phone in phones if phone in _INDEX]
    return found


class Pronunciations:
    """Phone indices of texts, for the words of `texts`."""

    def __init__(self, texts, cache):
        """What flite says is kept in the folder `cache`: it takes a process a word."""
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
