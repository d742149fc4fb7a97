"""One backbone for sound, sensors and pictures: a recogniser with two more encoders and more heads.

Parameter names are tensor names to be: `audio.*`, `sensor.*` and `image.*` the encoders, `blk.*` and `norm`
the backbone, `transcribe.*`, `forecast.*` and `classify.NAME.*` the heads. The blocks are the same for all;
a frame is 40 ms of sound, a picture, or a patch of a sensor's samples. Only the last has a `dt` and is
peeked, so sensors use the blocks in the form of operators.py, two streams at once, and the others in that
of speech_models.py: the parameters are the same.
"""

import torch
from torch import nn

from . import image_models, models, operators, speech_models
from .image_models import ClassifyHead, ImageEncoder, hidden_frames
from .operators import PEEK, linear

FORECASTER = ("sensor.", "forecast.")
# Narrower than the recogniser, who knows more than ten words; grey pictures of 28 x 28.
OMNI = (speech_models.BASE
        | {"width": 192, "operators": ["short_conv", "short_conv", "liquid_scan"] * 2 + ["short_conv"],
           "swiglu.width": 384, "short_conv.taps": 5, "liquid_scan.width": 192}
        | {key: value for key, value in models.BASE.items() if key.startswith(FORECASTER)}
        | {key: value for key, value in image_models.SHARED.items() if key.startswith("image.")})


def two_streams(block, x, dt, keep_main=True):
    """A block over x [2, time, batch, width], as operators.py describes it."""
    mixer = operators.OPERATORS[block.name]
    y = mixer.forward(block.operator, block.norm(x), dt, keep_main)
    x = (x if keep_main else x[PEEK:]) + y
    return x + block.swiglu(block.mlp_norm(x))


class OmniModel(speech_models.SpeechModel):
    """A recogniser, `forward` and all, that can also see and forecast.

    `classes` are those of the heads `classify.NAME`: {name: count}, `digit` among them.
    """

    def __init__(self, config, classes):
        super().__init__(config)
        width, patch = config["width"], config["sensor.patch"]
        self.levels = len(config["forecast.quantiles"])
        slots = patch + config["forecast.horizon"]
        self.sensor, self.forecast = nn.Module(), nn.Module()
        self.sensor.embed = linear(3 * patch + 4, width, bias=True)
        self.forecast.out = linear(width, slots * self.levels, bias=True, scale=0.5)
        self.image = ImageEncoder(config)
        self.classify = nn.ModuleDict({name: ClassifyHead(config, count)
                                       for name, count in classes.items()})

    def heard(self, frames):
        """Log-mel frames [time, batch, bins] of whole recordings -> embeddings [time / 4, batch, width]."""
        return self.audio(frames, self.audio.initial_state(frames.shape[1]))[0]

    def seen(self, pixels):
        """Pictures [time, batch, height, width, channels] of 0 to 1 -> embeddings [time, batch, width]."""
        return self.image(pixels.flatten(0, 1)).unflatten(0, pixels.shape[:2])

    def hidden_of(self, embeddings):
        """Embeddings [time, batch, width] of any kind -> hidden frames, from a fresh state."""
        return hidden_frames(self.blk, embeddings, self.norm)

    def events(self, frames):
        """Log-mel frames -> logits [time / 4, batch, classes] of the head `classify.event`."""
        return self.classify["event"](self.hidden_of(self.heard(frames)))

    def pictures(self, pixels):
        """Video -> logits [time, batch, classes] of the head `classify.image`."""
        return self.classify["image"](self.hidden_of(self.seen(pixels)))

    def digits(self, frames, pixels, order):
        """Sound and video, either perhaps of no time, through one state: `order` are indices into the frames
        of the sound, then the pictures. Logits [sounds + pictures, batch, classes] of `classify.digit`."""
        parts = [encode(x) for encode, x in ((self.heard, frames), (self.seen, pixels)) if len(x)]
        return self.classify["digit"](self.hidden_of(torch.cat(parts)[order]))

    def peeked(self, features, dt):
        """Both streams, features [2, time, batch, F], dt [2, time, batch] -> hidden frames of the peeked
        stream, [time, batch, width]."""
        return self.peeked_of(self.sensor.embed(features), dt)

    def watched(self, features, dt, frames, order):
        """The same beside sound, all in one state: `order` are indices into the frames of the sound, which
        nobody peeks at, then the sensor's. Hidden frames [sounds + time, batch, width], in that order."""
        sounds = self.heard(frames).expand(2, -1, -1, -1)
        x = torch.cat([sounds, self.sensor.embed(features)], 1)
        dt = torch.cat([torch.ones(sounds.shape[:3]), dt], 1)
        return self.peeked_of(x[:, order], dt[:, order])

    def peeked_of(self, x, dt):
        """Embeddings of both streams [2, time, batch, width] -> hidden frames of the peeked one."""
        for block in self.blk[:-1]:
            x = two_streams(block, x, dt)
        return self.norm(two_streams(self.blk[-1], x, dt, keep_main=False)[0])

    def quantiles(self, hidden):
        """Normalised quantiles [..., patch + horizon, levels], unsorted."""
        return self.forecast.out(hidden).unflatten(-1, (-1, self.levels))


class Forecaster:
    """A model as evaluate.py calls the sensor's own."""

    def __init__(self, model):
        self.config, self.hidden, self.head = model.config, model.peeked, model.quantiles
