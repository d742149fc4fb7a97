"""The operators of docs/model-format.md in PyTorch, each in two forms.

`forward(u, dt)` is the training form. It runs *two streams* at once, u [2, time, batch, width]:
stream 0 is the main stream of complete frames, from the zero state; stream 1 holds at every
position a peeked frame, which starts from the state the main stream had one position earlier and is
then forgotten. That is what the runtime's peek does, so training sees partial frames at every
position for the price of two plain passes. `keep_main=False` returns stream 1 alone (the last block
needs no more).

`step(u, dt, state)` is the recurrent form for one frame u [batch, width], dt [batch]; it returns
the output and a new state and never changes the old one, so keeping a reference is a fork.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn

MAIN, PEEK = 0, 1


class _RmsNorm(torch.autograd.Function):
    """Written out, since norms composed of five operations are a tenth of a training step."""

    @staticmethod
    def forward(ctx, x, weight, epsilon):
        inverse = (x.square().mean(-1, keepdim=True) + epsilon).rsqrt()
        ctx.save_for_backward(x, weight, inverse)
        return x * inverse * weight

    @staticmethod
    def backward(ctx, grad):
        x, weight, inverse = ctx.saved_tensors
        normal = x * inverse
        grad_weight = (grad * normal).flatten(0, -2).sum(0)
        grad = grad * weight
        projection = (grad * normal).mean(-1, keepdim=True)
        return grad.sub_(normal.mul_(projection)).mul_(inverse), grad_weight, None


class RmsNorm(nn.Module):
    """w x / sqrt(mean(x^2) + epsilon)."""

    def __init__(self, width, epsilon):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.epsilon = epsilon

    def forward(self, x):
        return _RmsNorm.apply(x, self.weight, self.epsilon)


class _Bfloat16Product(torch.autograd.Function):
    """x w^T with both factors, and the gradients, rounded to bfloat16; float32 outside.

    Autocast would also keep what lies between the products in bfloat16 and casts back and forth.
    """

    @staticmethod
    def forward(ctx, x, weight):
        x, weight = x.bfloat16(), weight.bfloat16()
        ctx.save_for_backward(x, weight)
        return (x @ weight.t()).float()

    @staticmethod
    def backward(ctx, grad):
        x, weight = ctx.saved_tensors
        grad = grad.bfloat16()
        flat = grad.flatten(0, -2)
        return (grad @ weight).float(), (flat.t() @ x.flatten(0, -2)).float()


class Linear(nn.Linear):
    """nn.Linear whose products are in bfloat16 where `Linear.bfloat16` says so: while training, on
    processors that have such products. A trained model runs in float32."""

    bfloat16 = False

    def forward(self, x):
        if not (Linear.bfloat16 and torch.is_grad_enabled()):
            return super().forward(x)
        y = _Bfloat16Product.apply(x, self.weight)
        return y if self.bias is None else y + self.bias


def linear(inputs, outputs, bias=False, scale=1.0):
    """A linear layer with normal initialisation of standard deviation scale / sqrt(inputs)."""
    layer = Linear(inputs, outputs, bias=bias)
    nn.init.normal_(layer.weight, std=scale / math.sqrt(inputs))
    if bias:
        nn.init.zeros_(layer.bias)
    return layer


def kept(shape, share):
    """What dropout multiplies with, bfloat16: zeros, `share` of all, among 1 / (1 - share)."""
    count, dropped = math.prod(shape), round(256 * share)
    # Eight elements a draw, which is what costs the time.
    drawn = torch.empty((count + 7) // 8, dtype=torch.int64).random_(-(2**63), None)
    mask = drawn.view(torch.uint8)[:count].view(shape) >= dropped
    return mask.bfloat16().mul_(256 / (256 - dropped))


class _Bfloat16SwiGlu(torch.autograd.Function):
    """The products and what lies between them in bfloat16; float32 outside. `mask` may be None."""

    @staticmethod
    def forward(ctx, x, gate, up, down, mask):
        x, gate, up, down = x.bfloat16(), gate.bfloat16(), up.bfloat16(), down.bfloat16()
        g, u = x @ gate.t(), x @ up.t()
        sigmoid = torch.sigmoid(g)
        opened = g * sigmoid
        if mask is not None:
            u.mul_(mask)
        inner = opened * u
        ctx.save_for_backward(x, gate, up, down, mask, g, u, sigmoid, opened, inner)
        return (inner @ down.t()).float()

    @staticmethod
    def backward(ctx, grad):
        x, gate, up, down, mask, g, u, sigmoid, opened, inner = ctx.saved_tensors
        grad = grad.bfloat16()
        flat = lambda t: t.flatten(0, -2)
        grad_down = flat(grad).t() @ flat(inner)
        grad_inner = grad @ down
        grad_opened = grad_inner * u
        # silu_backward in bfloat16 takes six times as long.
        grad_g = torch.ops.aten.sigmoid_backward(grad_opened * g, sigmoid)
        grad_g.addcmul_(grad_opened, sigmoid)
        grad_u = grad_inner.mul_(opened)
        if mask is not None:
            grad_u.mul_(mask)
        grad_gate, grad_up = flat(grad_g).t() @ flat(x), flat(grad_u).t() @ flat(x)
        return ((grad_g @ gate).float().add_(grad_u @ up), grad_gate.float(), grad_up.float(),
                grad_down.float(), None)


class SwiGlu(nn.Module):
    """down(silu(gate x) * up x). `SwiGlu.dropout` of the products are zero in training."""

    dropout = 0.0

    def __init__(self, width, inner, out_scale):
        super().__init__()
        self.gate = linear(width, inner)
        self.up = linear(width, inner)
        self.down = linear(inner, width, scale=out_scale)

    def forward(self, x):
        mask = None
        if self.training and self.dropout > 0:
            mask = kept((*x.shape[:-1], self.gate.out_features), self.dropout)
        if Linear.bfloat16 and torch.is_grad_enabled():
            return _Bfloat16SwiGlu.apply(
                x, self.gate.weight, self.up.weight, self.down.weight, mask)
        inner = F.silu(self.gate(x)) * self.up(x)
        return self.down(inner if mask is None else inner * mask)


class ShortConv(nn.Module):
    """[B | C | X] = in_proj u, y = out_proj(C * conv(B * X)); the last tap meets this frame."""

    def __init__(self, config, out_scale):
        super().__init__()
        width, self.taps = config["width"], config["short_conv.taps"]
        self.in_proj = linear(width, 3 * width)
        self.conv = nn.Module()
        self.conv.weight = nn.Parameter(torch.randn(width, self.taps) / math.sqrt(self.taps))
        self.out_proj = linear(width, width, scale=out_scale)

    def forward(self, u, dt, keep_main=True):
        b, c, x = self.in_proj(u).chunk(3, -1)
        b = b * x
        # Both streams see the same past, the main one; they differ in the current frame only.
        padded = F.pad(b[MAIN], (0, 0, 0, 0, self.taps - 1, 0))
        time = u.shape[1]
        past = sum(padded[k : k + time] * self.conv.weight[:, k] for k in range(self.taps - 1))
        if not keep_main:
            b, c = b[PEEK:], c[PEEK:]
        return self.out_proj(c * (past + b * self.conv.weight[:, -1]))

    def initial_state(self, batch):
        """The last taps - 1 products B * X, oldest first: [batch, taps - 1, width]."""
        return torch.zeros(batch, self.taps - 1, self.out_proj.in_features)

    def step(self, u, dt, state):
        b, c, x = self.in_proj(u).chunk(3, -1)
        window = torch.cat([state, (b * x)[:, None]], 1)
        mixed = (window * self.conv.weight.t()).sum(1)
        return self.out_proj(c * mixed), window[:, 1:]


class _LiquidRecurrence(torch.autograd.Function):
    """h <- exp(-alpha) h + sqrt(1 - exp(-2 alpha)) sigmoid(i) x with alpha = dt rate sigmoid(a).

    The loop over time is one fused multiply-add a frame; everything else is elementwise over whole
    blocks. A chunked matrix form only pays beyond the few hundred frames that training uses.
    """

    @staticmethod
    def forward(ctx, x, a, i, rate, dt):
        gate = torch.sigmoid(a)
        alpha = gate * (rate * dt)
        decay = torch.exp(-alpha)
        gain = torch.expm1(alpha.mul_(-2)).neg_().clamp_(min=1e-9).sqrt_()
        admit = torch.sigmoid(i)
        h = gain * admit
        h.mul_(x)
        main, previous = h[MAIN], torch.zeros_like(h[MAIN, 0])
        for t in range(main.shape[0]):
            h[PEEK, t].addcmul_(decay[PEEK, t], previous)
            previous = main[t].addcmul_(decay[MAIN, t], previous)
        ctx.save_for_backward(x, gate, admit, decay, gain, rate, dt, h)
        return h

    @staticmethod
    def backward(ctx, grad):
        x, gate, admit, decay, gain, rate, dt, h = ctx.saved_tensors
        grad = grad.clone()
        main, peek = grad[MAIN], grad[PEEK]
        for t in range(main.shape[0] - 2, -1, -1):
            main[t].addcmul_(decay[MAIN, t + 1], main[t + 1])
            main[t].addcmul_(decay[PEEK, t + 1], peek[t + 1])
        before = torch.zeros_like(main)
        before[1:] = h[MAIN, :-1]
        admitted = admit * x
        # d alpha: through the decay of the state and through the gain of the input.
        grad_alpha = decay.square().div_(gain).mul_(admitted).sub_(decay * before).mul_(grad)
        grad_alpha.mul_(dt)
        grad_rate = (grad_alpha * gate).flatten(0, 2).sum(0)
        grad_a = grad_alpha.mul_(rate).mul_(gate - gate.square())
        grad.mul_(gain)
        grad_x = grad * admit
        grad_i = grad.mul_(admitted).mul_(1 - admit)
        return grad_x, grad_a, grad_i, grad_rate, None


class LiquidScan(nn.Module):
    """[x | g | a | i] = in_proj u + bias; the recurrence above; y = out_proj(h * silu(g))."""

    # Memories of 1 to 130 frames at the open gate's midpoint, evenly in the logarithm.
    SLOWEST, FASTEST = 0.015, 2.0

    def __init__(self, config, out_scale):
        super().__init__()
        width, self.units = config["width"], config["liquid_scan.width"]
        self.in_proj = linear(width, 4 * self.units, bias=True)
        rate = torch.exp(
            torch.linspace(math.log(self.SLOWEST), math.log(self.FASTEST), self.units))
        self.decay = nn.Parameter(torch.log(torch.expm1(rate)))
        self.out_proj = linear(self.units, width, scale=out_scale)

    def forward(self, u, dt, keep_main=True):
        x, g, a, i = self.in_proj(u).chunk(4, -1)
        h = _LiquidRecurrence.apply(x, a, i, F.softplus(self.decay), dt[..., None])
        if not keep_main:
            h, g = h[PEEK:], g[PEEK:]
        return self.out_proj(h * F.silu(g))

    def initial_state(self, batch):
        return torch.zeros(batch, self.units)

    def step(self, u, dt, state):
        x, g, a, i = self.in_proj(u).chunk(4, -1)
        alpha = dt[:, None] * F.softplus(self.decay) * torch.sigmoid(a)
        gain = torch.sqrt(-torch.expm1(-2 * alpha))
        state = torch.exp(-alpha) * state + gain * torch.sigmoid(i) * x
        return self.out_proj(state * F.silu(g)), state


class Cfc(nn.Module):
    """Closed-form continuous-time cell, default mode of ncps with one hidden layer."""

    def __init__(self, config, out_scale):
        super().__init__()
        width, self.units, inner = config["width"], config["cfc.width"], config["cfc.backbone"]
        self.backbone = linear(width + self.units, inner, bias=True)
        self.ff1 = linear(inner, self.units, bias=True)
        self.ff2 = linear(inner, self.units, bias=True)
        self.time_a = linear(inner, self.units, bias=True)
        self.time_b = linear(inner, self.units, bias=True)
        self.out_proj = linear(self.units, width, scale=out_scale)

    def cell(self, u, dt, h):
        z = 1.7159 * torch.tanh(0.666 * self.backbone(torch.cat([u, h], -1)))
        t = torch.sigmoid(self.time_a(z) * dt[..., None] + self.time_b(z))
        return torch.tanh(self.ff1(z)) * (1 - t) + torch.tanh(self.ff2(z)) * t

    def forward(self, u, dt, keep_main=True):
        # The state enters a nonlinearity, so time is a loop; for small models only.
        h, outputs = u.new_zeros(u.shape[2], self.units), []
        for t in range(u.shape[1]):
            both = self.cell(u[:, t], dt[:, t], h.expand(2, -1, -1))
            h = both[MAIN]
            outputs.append(both)
        h = torch.stack(outputs, 1)
        return self.out_proj(h if keep_main else h[PEEK:])

    def initial_state(self, batch):
        return torch.zeros(batch, self.units)

    def step(self, u, dt, state):
        state = self.cell(u, dt, state)
        return self.out_proj(state), state


def rotate(x, position, base):
    """RoPE, rotate-half: dimension j is paired with j + width / 2. x [..., time, width]."""
    half = x.shape[-1] // 2
    frequency = base ** (-torch.arange(half, dtype=torch.float64) / half)
    angle = position.double()[:, None] * frequency
    cosine, sine = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
    first, second = x[..., :half], x[..., half:]
    return torch.cat([first * cosine - second * sine, second * cosine + first * sine], -1)


class Attention(nn.Module):
    """Grouped-query attention with QK norm and RoPE over the last `window` frames, this one too.

    With `sinks` the first frames stay as well; once frames have left, sink keys are scored with the
    query rotated as if it stood at sinks + window.
    """

    def __init__(self, config, out_scale):
        super().__init__()
        width = config["width"]
        self.heads, self.kv_heads = config["attention.heads"], config["attention.kv_heads"]
        self.head_width, self.base = config["attention.head_width"], config["attention.rope_base"]
        self.window, self.sinks = config["attention.window"], config["attention.sinks"]
        self.q_proj = linear(width, self.heads * self.head_width)
        self.k_proj = linear(width, self.kv_heads * self.head_width)
        self.v_proj = linear(width, self.kv_heads * self.head_width)
        self.q_norm = RmsNorm(self.head_width, config["norm_epsilon"])
        self.k_norm = RmsNorm(self.head_width, config["norm_epsilon"])
        self.out_proj = linear(self.heads * self.head_width, width, scale=out_scale)

    def split(self, x, heads):
        """[streams, time, batch, heads * width] -> [streams, batch, heads, time, width]."""
        return x.unflatten(-1, (heads, self.head_width)).permute(0, 2, 3, 1, 4)

    def forward(self, u, dt, keep_main=True):
        assert self.sinks == 0 or u.shape[1] <= self.sinks + self.window, "only before any eviction"
        time, group = u.shape[1], self.heads // self.kv_heads
        position = torch.arange(time)
        queries = u if keep_main else u[PEEK:]
        q = rotate(self.q_norm(self.split(self.q_proj(queries), self.heads)), position, self.base)
        k = rotate(self.k_norm(self.split(self.k_proj(u), self.kv_heads)), position, self.base)
        v = self.split(self.v_proj(u), self.kv_heads)
        k, v = k.repeat_interleave(group, 2), v.repeat_interleave(group, 2)
        q = q / math.sqrt(self.head_width)

        scores = q @ k[MAIN].transpose(-1, -2)
        # A peeked frame attends to the main past and to itself: only the diagonal differs.
        own = (q[-1] * k[PEEK]).sum(-1)
        scores[-1].diagonal(dim1=-2, dim2=-1).copy_(own)
        distance = position[:, None] - position
        hidden = (distance < 0) | (distance >= self.window + self.sinks)
        weights = scores.masked_fill(hidden, -math.inf).softmax(-1)
        mixed = weights @ v[MAIN]
        on_self = weights[-1].diagonal(dim1=-2, dim2=-1)[..., None]
        mixed_peek = mixed[-1] + on_self * (v[PEEK] - v[MAIN])
        mixed = torch.cat([mixed[:-1], mixed_peek[None]]) if keep_main else mixed_peek[None]
        return self.out_proj(mixed.permute(0, 3, 1, 2, 4).flatten(-2))

    def initial_state(self, batch):
        """Rotated keys and values, [batch, kv_heads, frames, width] each, and the position."""
        empty = torch.zeros(batch, self.kv_heads, 0, self.head_width)
        return empty, empty, 0

    def step(self, u, dt, state):
        keys, values, position = state
        here = torch.tensor([position])
        split = lambda x, heads: x.unflatten(-1, (heads, 1, self.head_width))
        q = self.q_norm(split(self.q_proj(u), self.heads))
        k = rotate(self.k_norm(split(self.k_proj(u), self.kv_heads)), here, self.base)
        keys = torch.cat([keys, k], 2)
        values = torch.cat([values, split(self.v_proj(u), self.kv_heads)], 2)
        evicted = keys.shape[2] > self.sinks + self.window
        if evicted:
            drop = self.sinks
            keys = torch.cat([keys[:, :, :drop], keys[:, :, drop + 1 :]], 2)
            values = torch.cat([values[:, :, :drop], values[:, :, drop + 1 :]], 2)

        group = self.heads // self.kv_heads
        k, v = keys.repeat_interleave(group, 1), values.repeat_interleave(group, 1)
        scores = rotate(q, here, self.base) @ k.transpose(-1, -2)
        if position >= self.sinks + self.window and self.sinks:
            limit = torch.tensor([self.sinks + self.window])
            sink_keys = k[:, :, : self.sinks].transpose(-1, -2)
            scores[..., : self.sinks] = rotate(q, limit, self.base) @ sink_keys
        mixed = (scores / math.sqrt(self.head_width)).softmax(-1) @ v
        return self.out_proj(mixed.flatten(1)), (keys, values, position + 1)


OPERATORS = {"short_conv": ShortConv, "liquid_scan": LiquidScan, "cfc": Cfc, "attention": Attention}
