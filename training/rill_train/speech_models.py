"""The recogniser: log-mel frames, two strided causal convolutions, the backbone, two CTC heads.

The heads share their features: one gives pieces of written words, which spell any text, the other
phones, which a dictionary turns into words. Few voices suffice to learn phones, few texts do not
suffice to learn spelling.

Parameter names are tensor names to be: `audio.*` the encoder, `blk.*` and `norm` the backbone of
docs/model-format.md, `transcribe.*` the head. Frames enter every 40 ms. The head may look at up to
LOOKAHEAD later frames; how many is chosen when it runs, so training draws it.

All is [time, batch, ...]. `forward` takes and gives the state, so that long recordings can be cut.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn

from . import fbank, kernels, models, operators, phones
from .operators import RmsNorm, linear

LOOKAHEAD = 4
BASE = {
    "width": 256,
    "norm_epsilon": 1e-5,
    "operators": ["short_conv", "short_conv", "liquid_scan"] * 3 + ["short_conv"],
    "swiglu.width": 704,
    "short_conv.taps": 7,
    "liquid_scan.width": 256,
    "audio.channels": 64,
    "transcribe.tokens": 128,
}


class ShortConv(operators.ShortConv):
    """One stream; the state, [taps - 1, batch, width], is given and taken."""

    def initial_state(self, batch):
        return torch.zeros(self.taps - 1, batch, self.out_proj.in_features)

    def forward(self, u, state):
        b, c, x = self.in_proj(u).chunk(3, -1)
        padded = torch.cat([state, b * x])
        time = len(u)
        mixed = padded[:time] * self.conv.weight[:, 0]
        for k in range(1, self.taps):
            mixed = torch.addcmul(mixed, padded[k : k + time], self.conv.weight[:, k])
        return self.out_proj(c * mixed), padded[time:].detach()


class _Recurrence(torch.autograd.Function):
    """h[t] = decay[t] h[t-1] + x[t] from h[-1] = state, whose gradient is not wanted."""

    @staticmethod
    def forward(ctx, decay, x, state):
        h, previous = x.clone(), state
        for t in range(len(h)):
            previous = h[t].addcmul_(decay[t], previous)
        ctx.save_for_backward(decay, h, state)
        return h

    @staticmethod
    def backward(ctx, grad):
        decay, h, state = ctx.saved_tensors
        grad = grad.clone()
        for t in range(len(grad) - 2, -1, -1):
            grad[t].addcmul_(decay[t + 1], grad[t + 1])
        before = torch.cat([state[None], h[:-1]])
        return grad * before, grad, None


class LiquidScan(operators.LiquidScan):
    """One stream with dt = 1, since frames of audio are evenly spaced; the state is given and taken."""

    # 2 to 200 frames: 80 ms to 8 s.
    SLOWEST, FASTEST = 0.01, 1.0

    def forward(self, u, state):
        x, g, a, i = self.in_proj(u).chunk(4, -1)
        alpha = F.softplus(self.decay) * torch.sigmoid(a)
        gain = torch.sqrt((-torch.expm1(-2 * alpha)).clamp(min=1e-9))
        h = _Recurrence.apply(torch.exp(-alpha), gain * torch.sigmoid(i) * x, state)
        return self.out_proj(h * F.silu(g)), h[-1].detach()


class Block(models.Block):
    OPERATORS = {"short_conv": ShortConv, "liquid_scan": LiquidScan}

    def forward(self, x, state):
        y, state = self.operator(self.norm(x), state)
        x = x + y
        return x + self.swiglu(self.mlp_norm(x)), state


class AudioEncoder(nn.Module):
    """Two convolutions, 3 x 3 of stride 2 in time and frequency, causal in time, then a matrix.

    State of each: the one frame before, which a window of three shares with the last.
    """

    def __init__(self, config):
        super().__init__()
        channels = config["audio.channels"]
        self.mean = nn.Parameter(torch.zeros(fbank.BINS), requires_grad=False)
        self.deviation = nn.Parameter(torch.ones(fbank.BINS), requires_grad=False)
        self.conv1 = nn.Conv2d(1, channels, 3, 2, (0, 1))
        self.conv2 = nn.Conv2d(channels, channels, 3, 2, (0, 1))
        self.embed = linear(channels * fbank.BINS // 4, config["width"], bias=True)

    def initial_state(self, batch):
        return [None, None]  # zeros

    def forward(self, frames, state):
        """Log-mel frames [time, batch, bins], time a multiple of 4 -> [time / 4, batch, width]."""
        # Channels innermost in memory: a third of the time, and the order of the columns of `embed`.
        x = ((frames - self.mean) / self.deviation).transpose(0, 1)[:, None]
        fused, new = kernels.available(), []
        for conv, before in zip((self.conv1, self.conv2), state):
            new.append(x[:, :, -1:].detach())
            x = x.contiguous(memory_format=torch.channels_last)
            weight, bias = conv.weight, conv.bias
            if fused:
                x, weight, bias = x.bfloat16(), weight.bfloat16(), bias.bfloat16()
            if before is None:  # the frame of padding after the end meets no window
                x = F.conv2d(x, weight, bias, 2, 1)
            else:
                x = F.conv2d(torch.cat([before.to(x), x], 2), weight, bias, 2, (0, 1))
            x = kernels.silu(x) if fused else F.silu(x)
        return self.embed(x.permute(0, 2, 3, 1).flatten(2)).transpose(0, 1), new


class SpeechModel(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = dict(config)
        width = config["width"]
        out_scale = 1 / math.sqrt(2 * len(config["operators"]))
        self.audio = AudioEncoder(config)
        self.blk = nn.ModuleList(Block(config, name, out_scale) for name in config["operators"])
        self.norm = RmsNorm(width, config["norm_epsilon"])
        self.transcribe = nn.Module()
        self.transcribe.ahead = nn.Parameter(
            torch.cat([torch.ones(1, width), 0.1 * torch.randn(LOOKAHEAD, width)]))
        self.transcribe.norm = RmsNorm(width, config["norm_epsilon"])
        self.transcribe.out = linear(width, config["transcribe.tokens"], bias=True)
        self.transcribe.phones = linear(width, len(phones.PHONES), bias=True)
        # Of use to training alone; no model file holds it.
        self.phones = nn.Sequential(
            RmsNorm(width, config["norm_epsilon"]), linear(width, len(phones.PHONES), bias=True))

    def initial_state(self, batch):
        return [self.audio.initial_state(batch)] + [
            block.operator.initial_state(batch) for block in self.blk]

    def hidden(self, frames, state):
        """The backbone's output, the new state, and what the middle block gives."""
        x, audio = self.audio(frames, state[0])
        new, middle = [audio], None
        for i, (block, old) in enumerate(zip(self.blk, state[1:])):
            x, s = block(x, old)
            new.append(s)
            if i == len(self.blk) // 2:
                middle = x
        return self.norm(x), new, middle

    def head(self, hidden, lookahead):
        """Logits of pieces and of phones for the frames that have all their later frames: time -
        lookahead of them."""
        time = len(hidden) - lookahead
        x = sum(hidden[k : k + time] * self.transcribe.ahead[k] for k in range(lookahead + 1))
        x = self.transcribe.norm(x)
        return self.transcribe.out(x), self.transcribe.phones(x)

    def with_silence(self, frames, lookahead):
        """Frames, and after the end of the recording as much silence as the head looks ahead."""
        silence = torch.full((4 * lookahead,) + frames.shape[1:], math.log(fbank.LEAST_ENERGY))
        return torch.cat([frames, silence])

    def forward(self, frames, lookahead, state=None):
        """Logits [time / 4, batch, ...] of pieces and of phones."""
        state = self.initial_state(frames.shape[1]) if state is None else state
        hidden, _, _ = self.hidden(self.with_silence(frames, lookahead), state)
        return self.head(hidden, lookahead)

    def forward_with_lead(self, frames, lookahead):
        """What `head` gives, and the middle block's logits of phones, which look at no later frame:
        [time / 4 - lookahead, batch, ...]."""
        state = self.initial_state(frames.shape[1])
        if kernels.available():
            x, _ = self.audio(frames, state[0])
            hidden, outputs = kernels.blocks(self.blk, x, self.norm)
            hidden, middle = hidden.float(), outputs[len(self.blk) // 2]
        else:
            hidden, _, middle = self.hidden(frames, state)
        return *self.head(hidden, lookahead), self.phones(middle[: len(middle) - lookahead])
