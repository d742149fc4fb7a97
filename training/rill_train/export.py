"""Writes a checkpoint as a model file of architecture `rill`.

    python3 -m rill_train.export runs/shipped/last.pt ../models/sensor-forecast.gguf

Matrices are F16 unless `--type` says otherwise; vectors and the short convolution's taps stay F32.
"""

import argparse

from . import gguf, models


def model_file(model, name, description, kind):
    """Metadata and tensors of a model; parameter names are tensor names already."""
    metadata = {
        "general.architecture": "rill",
        "general.name": name,
        "general.license": "Apache-2.0",
        "general.description": description,
    }
    metadata.update({f"rill.{key}": value for key, value in model.config.items()})
    tensors = {}
    for key, value in model.state_dict().items():
        array = value.detach().float().numpy()
        large = array.ndim == 2 and not key.endswith("conv.weight")
        tensors[key] = (array, kind if large else "F32")
    return metadata, tensors


def main():
    parser = argparse.ArgumentParser(description="checkpoint to model file")
    parser.add_argument("checkpoint")
    parser.add_argument("output")
    parser.add_argument("--name", default="Rill sensor forecaster")
    parser.add_argument("--description", default="Streaming quantile forecasts of sensor channels")
    parser.add_argument("--type", choices=list(gguf.TENSOR_TYPES), default="F16")
    parser.add_argument("--weights", choices=("ema", "model"), default="ema")
    options = parser.parse_args()
    model = models.load(options.checkpoint, options.weights)
    gguf.write(options.output, *model_file(model, options.name, options.description, options.type))
    print(f"{options.output}: {models.parameter_count(model)} parameters")


if __name__ == "__main__":
    main()
