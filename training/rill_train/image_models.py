"""The image encoder of docs/model-format.md, and a classifier of single pictures and of video.

Parameter names are tensor names to be: `image.*` the encoder, `blk.*` and `norm` the backbone,
`classify.*` the head. A picture is one frame of the backbone, so a still and a video are the same
path, and the state gathers evidence over frames.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn

from . import kernels
from .operators import RmsNorm, SwiGlu, linear
from .speech_models import Block

BATCH_NORM = "image.batch_norm"  # Whether the convolutions are trained with it; model files do not tell.
CIFAR = {
    "width": 128,
    "norm_epsilon": 1e-5,
    "operators": ["liquid_scan"],
    "swiglu.width": 256,
    "liquid_scan.width": 128,
    "image.height": 32,
    "image.width": 32,
    "image.channels": 3,
    "image.fit": "stretch",
    "image.stages": 6,
    "image.stage_channels": [64, 128, 128, 192, 192, 256],
    "image.stage_strides": [1, 2, 1, 2, 1, 2],
    "image.stage_blocks": [0, 0, 0, 0, 1, 0],
    "image.stage_inner": [128, 256, 256, 384, 384, 512],
    BATCH_NORM: True,
}
FASHION = CIFAR | {
    "image.height": 28, "image.width": 28, "image.channels": 1,
    "image.stage_channels": [32, 64, 64, 128, 128, 192], "image.stage_inner": [64, 128, 128, 256, 256, 384]}
# The smaller encoder of the shared model.
SHARED = FASHION | {
    "image.stages": 3, "image.stage_channels": [32, 64, 128], "image.stage_strides": [1, 2, 2],
    "image.stage_blocks": [0, 2, 3], "image.stage_inner": [64, 128, 256], BATCH_NORM: False}


class ShortConv2d(nn.Module):
    """The gated short convolution over pictures [batch, height, width, channels]."""

    KERNEL = 3

    def __init__(self, channels, out_scale):
        super().__init__()
        self.in_proj = linear(channels, 3 * channels)
        self.conv = nn.Module()
        self.conv.weight = nn.Parameter(torch.randn(channels, self.KERNEL**2) / self.KERNEL)
        self.out_proj = linear(channels, channels, scale=out_scale)

    def forward(self, u):
        b, c, x = self.in_proj(u).chunk(3, -1)
        v = (b * x).permute(0, 3, 1, 2)
        weight = self.conv.weight.unflatten(1, (1, self.KERNEL, self.KERNEL))
        mixed = F.conv2d(v, weight, None, 1, self.KERNEL // 2, 1, v.shape[1])
        return self.out_proj(c * mixed.permute(0, 2, 3, 1))


class ImageBlock(nn.Module):
    name = "short_conv2d"  # of the mixer, for kernels.blocks

    def __init__(self, channels, inner, epsilon, out_scale):
        super().__init__()
        self.norm, self.mlp_norm = RmsNorm(channels, epsilon), RmsNorm(channels, epsilon)
        self.short_conv = ShortConv2d(channels, out_scale)
        self.swiglu = SwiGlu(channels, inner, out_scale)

    @property
    def operator(self):
        return self.short_conv

    def forward(self, x):
        x = x + self.short_conv(self.norm(x))
        return x + self.swiglu(self.mlp_norm(x))


class BatchNorm(nn.Module):
    """Batch normalisation of channels, for training: model files hold it folded into the convolution
    before it.

    Source: Ioffe and Szegedy 2015, "Batch normalization".
    """

    MOMENTUM, EPSILON = 0.1, 1e-5

    def __init__(self, channels):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("variance", torch.ones(channels))

    def forward(self, x):
        """[batch, channels, height, width]"""
        return F.batch_norm(x, self.mean, self.variance, self.weight, self.bias, self.training,
                            self.MOMENTUM, self.EPSILON)

    @torch.no_grad()
    def fold(self, conv):
        """Changes the convolution before this so that it does both."""
        scale = self.weight / (self.variance + self.EPSILON).sqrt()
        conv.weight.mul_(scale[:, None, None, None])
        conv.bias.copy_((conv.bias - self.mean) * scale + self.bias)


class Stage(nn.Module):
    """A convolution, then blocks."""

    def __init__(self, channels_in, channels, stride, blocks, inner, epsilon, out_scale, batch_norm):
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels, 3, stride, 1)
        self.batch_norm = BatchNorm(channels) if batch_norm else nn.Identity()
        self.blk = nn.ModuleList(
            ImageBlock(channels, inner, epsilon, out_scale) for _ in range(blocks))

    def fold(self):
        if isinstance(self.batch_norm, BatchNorm):
            self.batch_norm.fold(self.conv)
            self.batch_norm = nn.Identity()

    def forward(self, x):
        """[batch, height, width, channels] to a smaller picture of more channels."""
        x = x.permute(0, 3, 1, 2)
        weight, bias, fused = self.conv.weight, self.conv.bias, kernels.available()
        if fused:
            x, weight, bias = x.bfloat16(), weight.bfloat16(), bias.bfloat16()
        x = F.conv2d(x.contiguous(memory_format=torch.channels_last), weight, bias,
                     self.conv.stride, 1)
        x = self.batch_norm(x)
        if fused:
            x = kernels.silu(x).permute(0, 2, 3, 1).float()
            return kernels.stream(self.blk, x) if self.blk else x
        x = F.silu(x).permute(0, 2, 3, 1)
        for block in self.blk:
            x = block(x)
        return x


class ImageEncoder(nn.Module):
    def __init__(self, config):
        super().__init__()
        sizes = [config[f"image.stage_{key}"] for key in ("channels", "strides", "blocks", "inner")]
        out_scale = 1 / math.sqrt(2 * max(1, sum(config["image.stage_blocks"])))
        before = [config["image.channels"], *config["image.stage_channels"]]
        self.mean = nn.Parameter(torch.zeros(before[0]), requires_grad=False)
        self.deviation = nn.Parameter(torch.ones(before[0]), requires_grad=False)
        self.stage = nn.ModuleList(
            Stage(channels_in, *size, config["norm_epsilon"], out_scale, config.get(BATCH_NORM))
            for channels_in, *size in zip(before, *sizes))
        self.norm = RmsNorm(before[-1], config["norm_epsilon"])
        self.embed = linear(before[-1], config["width"], bias=True)

    def fold(self):
        """Leaves no batch normalisation, and the same results as evaluation had."""
        for stage in self.stage:
            stage.fold()

    def forward(self, pixels):
        """Pictures [batch, height, width, channels] of 0 to 1 -> [batch, width]."""
        x = (pixels - self.mean) / self.deviation
        for stage in self.stage:
            x = stage(x)
        return self.embed(self.norm(x).mean((1, 2)))


def hidden_frames(blocks, x, last_norm):
    """Embeddings [time, batch, width] through the backbone, one stream each with dt = 1 from the zero
    state."""
    if kernels.available():
        return kernels.blocks(blocks, x, last_norm)[0].float()
    for block in blocks:
        x, _ = block(x, block.operator.initial_state(x.shape[1]))
    return last_norm(x)


class ClassifyHead(nn.Module):
    def __init__(self, config, classes):
        super().__init__()
        self.norm = RmsNorm(config["width"], config["norm_epsilon"])
        self.out = linear(config["width"], classes, bias=True)

    def forward(self, hidden):
        return self.out(self.norm(hidden))


class ImageClassifier(nn.Module):
    def __init__(self, config, classes):
        super().__init__()
        self.config = dict(config)
        out_scale = 1 / math.sqrt(2 * len(config["operators"]))
        self.image = ImageEncoder(config)
        self.blk = nn.ModuleList(Block(config, name, out_scale) for name in config["operators"])
        self.norm = RmsNorm(config["width"], config["norm_epsilon"])
        self.classify = ClassifyHead(config, classes)

    def forward(self, pixels):
        """Video [time, batch, height, width, channels] -> logits [time, batch, classes]."""
        time, batch = pixels.shape[:2]
        x = self.image(pixels.flatten(0, 1)).unflatten(0, (time, batch))
        return self.classify(hidden_frames(self.blk, x, self.norm))
