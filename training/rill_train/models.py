"""The sensor forecaster: encoder, backbone and forecast head of docs/model-format.md.

A configuration is a flat dictionary whose keys are those of the model file without the `rill.`
prefix, so that exporting is copying.
"""

import math

import torch
from torch import nn

from . import gguf
from .operators import OPERATORS, PEEK, RmsNorm, SwiGlu, linear

BASE = {
    "width": 128,
    "norm_epsilon": 1e-5,
    "operators": ["liquid_scan", "short_conv", "attention", "liquid_scan", "liquid_scan"],
    "swiglu.width": 192,
    "short_conv.taps": 3,
    "liquid_scan.width": 128,
    "attention.heads": 4,
    "attention.kv_heads": 1,
    "attention.head_width": 32,
    "attention.window": 32,
    "attention.sinks": 0,
    "attention.rope_base": 10000.0,
    "encoders": ["sensor"],
    "heads": ["forecast"],
    "sensor.patch": 24,
    "sensor.memory": 672.0,
    "sensor.clip": 20.0,
    "sensor.outlier": 6.0,
    "forecast.horizon": 168,
    "forecast.quantiles": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9],
}


class Block(nn.Module):
    """x + op(norm(x)), then x + swiglu(norm(x))."""

    OPERATORS = OPERATORS

    def __init__(self, config, name, out_scale):
        super().__init__()
        self.norm = RmsNorm(config["width"], config["norm_epsilon"])
        self.mlp_norm = RmsNorm(config["width"], config["norm_epsilon"])
        # Named after the operator, so that parameter names are tensor names.
        self.name = name
        self.add_module(name, self.OPERATORS[name](config, out_scale))
        self.swiglu = SwiGlu(config["width"], config["swiglu.width"], out_scale)

    @property
    def operator(self):
        return getattr(self, self.name)

    def forward(self, x, dt, keep_main=True):
        y = self.operator(self.norm(x), dt, keep_main)
        x = (x if keep_main else x[PEEK:]) + y
        return x + self.swiglu(self.mlp_norm(x))

    def step(self, x, dt, state):
        y, state = self.operator.step(self.norm(x), dt, state)
        x = x + y
        return x + self.swiglu(self.mlp_norm(x)), state


class SensorModel(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = dict(config)
        width, patch = config["width"], config["sensor.patch"]
        out_scale = 1 / math.sqrt(2 * len(config["operators"]))
        slots = patch + config["forecast.horizon"]
        self.quantiles = len(config["forecast.quantiles"])
        self.sensor = nn.Module()
        self.sensor.embed = linear(3 * patch + 4, width, bias=True)
        self.blk = nn.ModuleList(Block(config, name, out_scale) for name in config["operators"])
        self.norm = RmsNorm(width, config["norm_epsilon"])
        self.forecast = nn.Module()
        self.forecast.out = linear(width, slots * self.quantiles, bias=True, scale=0.5)

    def hidden(self, features, dt):
        """Both streams, features [2, time, batch, F], dt [2, time, batch] -> hidden frames of the
        peeked stream, [time, batch, width]."""
        x = self.sensor.embed(features)
        for block in self.blk[:-1]:
            x = block(x, dt)
        return self.norm(self.blk[-1](x, dt, keep_main=False)[0])

    def head(self, hidden):
        """Normalised quantiles [..., patch + horizon, levels], unsorted."""
        return self.forecast.out(hidden).unflatten(-1, (-1, self.quantiles))

    def forward(self, features, dt):
        return self.head(self.hidden(features, dt))

    def initial_state(self, batch):
        return [block.operator.initial_state(batch) for block in self.blk]

    def step(self, features, dt, state):
        """One frame, features [batch, F], dt [batch]: its hidden frame, the new state, and the
        residual stream after every block."""
        x, layers, states = self.sensor.embed(features), [], []
        for block, old in zip(self.blk, state):
            x, new = block.step(x, dt, old)
            layers.append(x)
            states.append(new)
        return self.norm(x), states, layers


def parameter_count(model):
    return sum(parameter.numel() for parameter in model.parameters())


def load(path, weights="ema"):
    """A model from a model file or a checkpoint (`ema`: averaged weights, `model`: raw ones)."""
    if str(path).endswith(".gguf"):
        metadata, tensors = gguf.read(path)
        config = {key[5:]: value for key, value in metadata.items() if key.startswith("rill.")}
        state = {name: torch.from_numpy(array) for name, array in tensors.items()}
    else:
        checkpoint = torch.load(path, map_location="cpu")
        config, state = checkpoint["config"], checkpoint[weights]
    model = SensorModel(config)
    model.load_state_dict(state)
    return model.eval()
