"""Writes the shared model's checkpoint as a model file of architecture `rill`.

    python3 -m rill_train.omni_export --cache runs/audio runs/omni/last.pt ../models/rill-omni.gguf
    python3 -m rill_train.omni_export --untrained - untrained.gguf

The second makes a file of the real size with random weights. The lexicon has the ten digits' names;
with `--language-model`, all the words of that. Which tensors are of which type: classify_export.py.
"""

import argparse

import torch

from . import classify_export, digits, gguf, ngram, omni_models, phones, speech_export, speech_models
from . import tokens


def load(path, weights="ema"):
    """The model, its pieces, and {head: labels}."""
    checkpoint = torch.load(path, map_location="cpu")
    labels = checkpoint["labels"]
    model = omni_models.OmniModel(checkpoint["config"], {name: len(of) for name, of in labels.items()})
    model.load_state_dict(checkpoint[weights])
    return model.eval(), checkpoint["pieces"], labels


def untrained():
    """What load() gives, of random weights and labels that differ."""
    torch.manual_seed(1)
    pieces = tokens.learn(digits.WORDS, 64)
    labels = {"image": list("abcdefghij"), "event": list("abcdefghij"), "digit": list("0123456789")}
    model = omni_models.OmniModel(omni_models.OMNI | {"transcribe.tokens": len(pieces)},
                                  {name: len(of) for name, of in labels.items()})
    model.audio.mean.data.fill_(-8)
    model.audio.deviation.data.fill_(4)
    return model.eval(), pieces, labels


def lexicon(words, cache):
    """How these words are said, and no others."""
    lines = phones.lexicon(words, cache).splitlines(keepends=True)
    return "".join(line for line in lines if line.split(" ")[0] in set(words))


def metadata(model, pieces, pronunciations, labels, name, description):
    """Keys of docs/model-format.md; `pronunciations` as lexicon() has them."""
    heads = {f"classify.{head}": of for head, of in labels.items()}
    config = {key: value for key, value in model.config.items() if key != "transcribe.tokens"}
    config |= classify_export.audio_keys() | {
        "encoders": ["audio", "sensor", "image"], "heads": ["transcribe", "forecast", *heads],
        "transcribe.pieces": list(pieces), "transcribe.phones": phones.PHONES,
        "transcribe.pronunciations": pronunciations,
        "transcribe.most_lookahead": speech_models.LOOKAHEAD,
        "transcribe.lookahead": speech_export.USUAL_LOOKAHEAD, "transcribe.flush": speech_export.FLUSH}
    for head, of in heads.items():
        config |= classify_export.head_keys(head, of)
    return classify_export.document(config, name, description) | {"general.languages": ["en"]}


def main():
    parser = argparse.ArgumentParser(description="the shared model's checkpoint to a model file")
    parser.add_argument("checkpoint")
    parser.add_argument("output")
    parser.add_argument("--name", default="Rill omni")
    parser.add_argument("--description",
                        default="Spoken digits, sensor forecasts, pictures and sounds on one backbone")
    parser.add_argument("--type", choices=list(gguf.TENSOR_TYPES), default="Q8_0")
    parser.add_argument("--weights", choices=("ema", "model"), default="ema")
    parser.add_argument("--untrained", action="store_true", help="random weights, no checkpoint")
    parser.add_argument("--language-model", help="whose words the lexicon has too")
    parser.add_argument("--cache", default="runs/audio", help="folder for what flite says")
    options = parser.parse_args()
    words = set(digits.WORDS)
    if options.language_model:
        words |= {word for word in ngram.listed(options.language_model) if not word.startswith("<")}
    model, pieces, labels = (untrained() if options.untrained
                             else load(options.checkpoint, options.weights))
    keys = metadata(model, pieces, lexicon(sorted(words), options.cache), labels, options.name,
                    options.description)
    gguf.write(options.output, keys, classify_export.tensors(model, options.type, ("phones.",)))
    print(f"{options.output}: {sum(p.numel() for p in model.parameters())} parameters")


if __name__ == "__main__":
    main()
