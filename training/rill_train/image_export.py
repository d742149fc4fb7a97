"""Writes a picture classifier's checkpoint as a model file of architecture `rill`.

    python3 -m rill_train.image_export runs/cifar/last.pt ../models/image-cifar10.gguf --name "..."
"""

import argparse

import torch

from . import gguf, image_models


def load(path, weights="ema"):
    """The model and its labels."""
    checkpoint = torch.load(path, map_location="cpu")
    labels = checkpoint["labels"]
    model = image_models.ImageClassifier(checkpoint["config"], len(labels))
    model.load_state_dict(checkpoint[weights])
    return model.eval(), labels


def metadata(model, labels, name, description):
    """Keys of docs/model-format.md."""
    config = model.config | {"encoders": ["image"], "heads": ["classify"],
                             "classify.labels": labels, "classify.activation": "softmax"}
    return {
        "general.architecture": "rill", "general.name": name, "general.license": "Apache-2.0",
        "general.description": description,
    } | {f"rill.{key}": value for key, value in config.items()}


def tensors(model, kind):
    """Parameter names are tensor names already; kernels become rows, channels innermost. Taps, and
    matrices whose rows are no whole blocks of the type, stay F32."""
    found = {}
    for name, value in model.state_dict().items():
        if value.ndim == 4:
            value = value.permute(0, 2, 3, 1).flatten(1)
        array = value.detach().float().numpy()
        whole = array.ndim == 2 and (kind != "Q8_0" or array.shape[1] % gguf.BLOCK == 0)
        taps = name.endswith("short_conv.conv.weight")
        found[name] = (array, kind if whole and not taps else "F32")
    return found


def main():
    parser = argparse.ArgumentParser(description="a picture classifier's checkpoint to a model file")
    parser.add_argument("checkpoint")
    parser.add_argument("output")
    parser.add_argument("--name", required=True)
    parser.add_argument("--description", default="Classification of pictures and of video")
    parser.add_argument("--type", choices=list(gguf.TENSOR_TYPES), default="Q8_0")
    parser.add_argument("--weights", choices=("ema", "model"), default="ema")
    options = parser.parse_args()
    model, labels = load(options.checkpoint, options.weights)
    gguf.write(options.output, metadata(model, labels, options.name, options.description),
               tensors(model, options.type))
    print(f"{options.output}: {sum(p.numel() for p in model.parameters())} parameters")


if __name__ == "__main__":
    main()
