"""The mean of two checkpoints of one run of training, or of one and what was trained on from it: often better
than either.

    python3 -m rill_train.average runs/cifar3/last.pt runs/cifar4/last.pt --share 0.75 runs/cifar.pt
"""

import argparse

import torch


def average(first, second, share):
    """A checkpoint like the second; of its averaged weights `share` (0 to 1) is the second's."""
    mixed = {name: torch.lerp(first["ema"][name], value, share) for name, value in second["ema"].items()}
    return {key: value for key, value in second.items() if key != "optimizers"} | {
        "ema": mixed, "model": mixed}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("first")
    parser.add_argument("second")
    parser.add_argument("output")
    parser.add_argument("--share", type=float, default=0.5, help="of the second")
    options = parser.parse_args()
    first, second = (torch.load(path, map_location="cpu") for path in (options.first, options.second))
    torch.save(average(first, second, options.share), options.output)


if __name__ == "__main__":
    main()
