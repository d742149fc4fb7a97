"""Labelled pictures: Fashion-MNIST, CIFAR-10 as JPEG, written digits. Decoded once into a cache.

Each set has a published test part, which no script here reads but to measure, and the last tenth of
the training part, in an order drawn with a fixed seed, is validation: choices are made on it.
Fashion-MNIST is Debian's package `dataset-fashion-mnist`; the others lie in `RILL_DATA_DIR`.

    python3 -m rill_train.images fashion runs/pictures

writes a test part as LABEL/NUMBER.png, for `rill bench classify`.
"""

import argparse
import gzip
import io
import tarfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .series import data_dir

FASHION = Path("/usr/share/datasets/fashion-mnist")
FASHION_LABELS = ["t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker",
                  "bag", "ankle boot"]
VALIDATION_SHARE = 0.1


@dataclass
class Pictures:
    pixels: np.ndarray  # uint8 [count, height, width, channels]
    classes: np.ndarray  # int64 [count]
    labels: list


def _idx(path):
    """An array of the MNIST files' format."""
    data = gzip.decompress(path.read_bytes())
    rank = data[3]
    shape = np.frombuffer(data, ">u4", rank, 4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * rank).reshape(shape)


def fashion(part, folder=FASHION):
    prefix = "train" if part == "train" else "t10k"
    pixels = _idx(folder / f"{prefix}-images-idx3-ubyte.gz")[..., None]
    return Pictures(pixels, _idx(folder / f"{prefix}-labels-idx1-ubyte.gz").astype(np.int64),
                    FASHION_LABELS)


def _archive(path, part, mode):
    """PART/LABEL/NAME.{jpg,png} of an archive, sorted by name."""
    from PIL import Image  # Debian's python3-pil, wanted where pictures are files

    found = []
    with tarfile.open(path) as archive:
        for member in archive:
            parts = member.name.split("/")
            if len(parts) == 3 and parts[0] == part and member.isfile():
                picture = Image.open(io.BytesIO(archive.extractfile(member).read()))
                found.append((member.name, parts[1], np.asarray(picture.convert(mode))))
    found.sort(key=lambda row: row[0])
    labels = sorted({label for _, label, _ in found})
    pixels = np.stack([pixels for _, _, pixels in found])
    return Pictures(pixels if pixels.ndim == 4 else pixels[..., None],
                    np.array([labels.index(label) for _, label, _ in found]), labels)


def _cached(name, part, mode, cache):
    path = Path(cache) / f"{name}-{part}.npz"
    if not path.exists():
        found = _archive(data_dir().parent / "images" / f"{name}.tar.xz", part, mode)
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, pixels=found.pixels, classes=found.classes, labels=found.labels)
    stored = np.load(path)
    return Pictures(stored["pixels"], stored["classes"], list(map(str, stored["labels"])))


def cifar(part, cache):
    return _cached("cifar10-jpeg", part, "RGB", cache)


def digits(part, cache):
    """Written digits; the part is `train` or `test`."""
    return _cached("mnist-12k", part, "L", cache)


def split(pictures, seed=1):
    """Training and validation of a training part."""
    order = np.random.default_rng(seed).permutation(len(pictures.classes))
    cut = round(len(order) * (1 - VALIDATION_SHARE))
    part = lambda rows: Pictures(pictures.pixels[rows], pictures.classes[rows], pictures.labels)
    return part(order[:cut]), part(order[cut:])


def write(pictures, folder):
    from PIL import Image

    for i, (pixels, label) in enumerate(zip(pictures.pixels, pictures.classes)):
        path = folder / pictures.labels[label] / f"{i:05d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).save(path)


def main():
    parser = argparse.ArgumentParser(description="a test part as files")
    parser.add_argument("set", choices=("fashion", "digits"))
    parser.add_argument("output", type=Path)
    parser.add_argument("--cache", type=Path, default="runs/images", help="folder for decoded pictures")
    options = parser.parse_args()
    test = fashion("test") if options.set == "fashion" else digits("test", options.cache)
    write(test, options.output)
    print(f"{options.output}: {len(test.classes)} pictures")


if __name__ == "__main__":
    main()
