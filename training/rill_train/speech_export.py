"""Writes a recogniser's checkpoint as a model file of architecture `rill`.

    python3 -m rill_train.speech_export runs/speech/last.pt ../models/speech-en.gguf
    python3 -m rill_train.speech_export --untrained - untrained.gguf

The second makes a file of the real size with random weights: what speed and memory are measured
with while no model is trained.

Matrices are Q8_0 unless `--type` says otherwise. The first convolution, vectors and taps stay F32,
the second convolution is F16.
"""

import argparse

import torch

from . import fbank, gguf, ngram, phones, speech_models

USUAL_LOOKAHEAD = 2
# Frames of silence after the end that bring out the last word: what the model was trained to need,
# the lookahead, and as much again for words that it emits late.
FLUSH = 2 * speech_models.LOOKAHEAD


def load(path, weights="ema"):
    """The model and its pieces."""
    checkpoint = torch.load(path, map_location="cpu")
    model = speech_models.SpeechModel(checkpoint["config"])
    model.load_state_dict(checkpoint[weights])
    return model.eval(), checkpoint["pieces"]


def metadata(model, pieces, pronunciations, name, description):
    """Keys of docs/model-format.md; `pronunciations` as phones.lexicon() has them."""
    config = {key: value for key, value in model.config.items() if key != "transcribe.tokens"}
    config |= {
        "encoders": ["audio"], "heads": ["transcribe"],
        "audio.rate": fbank.RATE, "audio.window": fbank.WINDOW, "audio.hop": fbank.HOP,
        "audio.bins": fbank.BINS, "audio.low_hz": fbank.LOW_HZ, "audio.high_hz": fbank.HIGH_HZ,
        "audio.emphasis": fbank.EMPHASIS, "transcribe.pieces": list(pieces),
        "transcribe.phones": phones.PHONES, "transcribe.pronunciations": pronunciations,
        "transcribe.most_lookahead": speech_models.LOOKAHEAD,
        "transcribe.lookahead": USUAL_LOOKAHEAD, "transcribe.flush": FLUSH}
    return {
        "general.architecture": "rill", "general.name": name, "general.license": "Apache-2.0",
        "general.description": description, "general.languages": ["en"],
    } | {f"rill.{key}": value for key, value in config.items()}


def tensors(model, kind):
    """Parameter names are tensor names already; kernels become rows, channels innermost."""
    found = {}
    for name, value in model.state_dict().items():
        if name.startswith("phones."):
            continue
        if value.ndim == 4:
            value = value.permute(0, 2, 3, 1).flatten(1)
        array, rows = value.detach().float().numpy(), value.ndim == 2
        if not rows or name.endswith(("short_conv.conv.weight", "conv1.weight", "ahead")):
            found[name] = (array, "F32")
        else:
            found[name] = (array, "F16" if name.endswith("conv2.weight") and kind != "F32" else kind)
    return found


def weights(path):
    """The parameters that a model file holds, to train on from them: all but the lead of training."""
    shapes = speech_models.SpeechModel(speech_models.BASE).state_dict()
    found = {}
    for name, array in gguf.read(path)[1].items():
        value = torch.from_numpy(array)
        if name in shapes and shapes[name].ndim == 4:
            outputs, inputs, height, width = shapes[name].shape
            value = value.reshape(outputs, height, width, inputs).permute(0, 3, 1, 2)
        found[name] = value
    return found


def untrained():
    """A model of the real size, and pieces that differ."""
    torch.manual_seed(1)
    model = speech_models.SpeechModel(speech_models.BASE)
    letters = "abcdefghijklmnopqrstuvwxyz"
    pairs = (a + b for a in " etaoin" for b in letters)
    pieces = ["", " ", "'", *letters, *pairs][: model.config["transcribe.tokens"]]
    model.audio.mean.data.fill_(-8)
    model.audio.deviation.data.fill_(4)
    return model.eval(), pieces


def main():
    parser = argparse.ArgumentParser(description="a recogniser's checkpoint to a model file")
    parser.add_argument("checkpoint")
    parser.add_argument("output")
    parser.add_argument("--name", default="Rill English recogniser")
    parser.add_argument("--description", default="Streaming transcription of English speech")
    parser.add_argument("--type", choices=list(gguf.TENSOR_TYPES), default="Q8_0")
    parser.add_argument("--weights", choices=("ema", "model"), default="ema")
    parser.add_argument("--untrained", action="store_true", help="random weights, no checkpoint")
    parser.add_argument("--language-model", default="../models/speech-en.lm",
                        help="whose words the lexicon has")
    parser.add_argument("--cache", default="runs/audio", help="folder for what flite says")
    options = parser.parse_args()
    words = [word for word in ngram.listed(options.language_model) if not word.startswith("<")]
    lexicon = phones.lexicon(words, options.cache)
    if options.untrained:
        model, pieces = untrained()
    else:
        model, pieces = load(options.checkpoint, options.weights)
    gguf.write(options.output, metadata(model, pieces, lexicon, options.name, options.description),
               tensors(model, options.type))
    print(f"{options.output}: {sum(p.numel() for p in model.parameters())} parameters")


if __name__ == "__main__":
    main()
