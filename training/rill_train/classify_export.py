"""Writes a classifier's checkpoint, of pictures or of sounds, as a model file of architecture `rill`.

    python3 -m rill_train.classify_export runs/cifar/last.pt ../models/image-cifar10.gguf --name "..."
    python3 -m rill_train.classify_export runs/events/all/last.pt ../models/audio-esc10.gguf --name "..."
"""

import argparse

import torch

from . import event_models, fbank, gguf, image_models

# Q8_0 costs these more than it saves.
HALVES = ("audio.conv2.weight", "forecast.out.weight")
# Taps, and what has few columns.
WHOLE = ("short_conv.conv.weight", "audio.conv1.weight", "transcribe.ahead")


def load(path, weights="ema"):
    """The model and its labels."""
    checkpoint = torch.load(path, map_location="cpu")
    config, labels = checkpoint["config"], checkpoint["labels"]
    kind = (image_models.ImageClassifier if "image.stages" in config
            else event_models.EventClassifier)
    model = kind(config, len(labels))
    model.load_state_dict(checkpoint[weights])
    if kind is image_models.ImageClassifier:
        model.image.fold()
    return model.eval(), labels


def audio_keys():
    """What the encoder `audio` needs to know beside its channels."""
    return {
        "audio.rate": fbank.RATE, "audio.window": fbank.WINDOW, "audio.hop": fbank.HOP,
        "audio.bins": fbank.BINS, "audio.low_hz": fbank.LOW_HZ, "audio.high_hz": fbank.HIGH_HZ,
        "audio.emphasis": fbank.EMPHASIS}


def head_keys(head, labels):
    return {f"{head}.labels": list(labels), f"{head}.activation": "softmax"}


def document(config, name, description):
    """Keys of docs/model-format.md."""
    return {
        "general.architecture": "rill", "general.name": name, "general.license": "Apache-2.0",
        "general.description": description,
    } | {f"rill.{key}": value for key, value in config.items() if key != image_models.BATCH_NORM}


def metadata(model, labels, name, description):
    sound = isinstance(model, event_models.EventClassifier)
    config = model.config | {"encoders": ["audio" if sound else "image"], "heads": ["classify"]}
    config |= head_keys("classify", labels) | (audio_keys() if sound else {})
    return document(config, name, description)


def tensors(model, kind, left_out=()):
    """Parameter names are tensor names already; kernels become rows, channels innermost. Taps, and
    matrices whose rows are no whole blocks of the type, stay F32. `left_out` are beginnings of the names
    of what no model file holds."""
    found = {}
    for name, value in model.state_dict().items():
        if name.startswith(left_out):
            continue
        if value.ndim == 4:
            value = value.permute(0, 2, 3, 1).flatten(1)
        array = value.detach().float().numpy()
        fits = array.ndim == 2 and (kind != "Q8_0" or array.shape[1] % gguf.BLOCK == 0)
        if not fits or name.endswith(WHOLE):
            found[name] = (array, "F32")
        else:
            found[name] = (array, "F16" if name.endswith(HALVES) and kind == "Q8_0" else kind)
    return found


def main():
    parser = argparse.ArgumentParser(description="a classifier's checkpoint to a model file")
    parser.add_argument("checkpoint")
    parser.add_argument("output")
    parser.add_argument("--name", required=True)
    parser.add_argument("--description", help="by default what is classified")
    parser.add_argument("--type", choices=list(gguf.TENSOR_TYPES), default="Q8_0")
    parser.add_argument("--weights", choices=("ema", "model"), default="ema")
    options = parser.parse_args()
    model, labels = load(options.checkpoint, options.weights)
    sound = isinstance(model, event_models.EventClassifier)
    description = options.description or (
        "Classification of sounds" if sound else "Classification of pictures and of video")
    gguf.write(options.output, metadata(model, labels, options.name, description),
               tensors(model, options.type))
    print(f"{options.output}: {sum(p.numel() for p in model.parameters())} parameters")


if __name__ == "__main__":
    main()
