"""A classifier of sounds: the encoder `audio`, a small backbone and a head `classify`.

Parameter names are tensor names to be, as in image_models.py. A frame of the backbone is 40 ms; each
gives logits of what has been heard so far.
"""

import math

from torch import nn

from .image_models import ClassifyHead, hidden_frames
from .operators import RmsNorm
from .speech_models import AudioEncoder, Block

# 0.78 M parameters: a few hundred clips are learned by heart by fewer.
EVENTS = {
    "width": 128,
    "norm_epsilon": 1e-5,
    "operators": ["short_conv", "liquid_scan"] * 2,
    "swiglu.width": 256,
    "short_conv.taps": 7,
    "liquid_scan.width": 128,
    "audio.channels": 32,
}


class EventClassifier(nn.Module):
    def __init__(self, config, classes):
        super().__init__()
        self.config = dict(config)
        out_scale = 1 / math.sqrt(2 * len(config["operators"]))
        self.audio = AudioEncoder(config)
        self.blk = nn.ModuleList(Block(config, name, out_scale) for name in config["operators"])
        self.norm = RmsNorm(config["width"], config["norm_epsilon"])
        self.classify = ClassifyHead(config, classes)

    def forward(self, frames):
        """Log-mel frames [time, batch, bins], time a multiple of 4, from a fresh state -> logits
        [time / 4, batch, classes]."""
        x, _ = self.audio(frames, self.audio.initial_state(frames.shape[1]))
        return self.classify(hidden_frames(self.blk, x, self.norm))
