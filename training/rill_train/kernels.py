"""Operators for training in bfloat16, with what lies between the products in one pass each.

`kernels.cc` is compiled for this processor at first use and kept in the user's cache. A stream of a
block is x, float32, and a `delta` still to be added to it, bfloat16, so that the sum and the next norm
are one pass. Everything starts from the zero state. Without a compiler, or with RILL_NO_KERNELS set,
`available` says no and the models use PyTorch's own operators, whose results these approximate to
bfloat16's accuracy (`test_kernels.py`).
"""

import ctypes
import functools
import hashlib
import os
import subprocess
from pathlib import Path

import torch
import torch.nn.functional as F

from .operators import Linear, SwiGlu, kept

SOURCE = Path(__file__).with_name("kernels.cc")
FLAGS = "-Ofast -march=native -fopenmp -shared -fPIC"


@functools.cache
def _library():
    """The compiled kernels, or None."""
    if os.environ.get("RILL_NO_KERNELS"):
        return None
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    processor = next((line for line in lines if line.startswith("flags")), "")
    name = hashlib.sha256(SOURCE.read_bytes() + (FLAGS + processor).encode()).hexdigest()[:16]
    folder = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "rill"
    path = folder / f"kernels-{name}.so"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(f".{os.getpid()}")
        try:
            subprocess.run(["c++", *FLAGS.split(), SOURCE, "-o", partial], check=True)
        except (OSError, subprocess.CalledProcessError):
            return None
        partial.rename(path)
    return ctypes.CDLL(path)


def available():
    """Whether a training step is to use the kernels."""
    return Linear.bfloat16 and torch.is_grad_enabled() and _library() is not None


def _call(name, *arguments):
    converted = []
    for value in arguments:
        if value is None:
            converted.append(ctypes.c_void_p(None))
        elif isinstance(value, torch.Tensor):
            assert value.is_contiguous() and value.dtype in (torch.float32, torch.bfloat16)
            converted.append(ctypes.c_void_p(value.data_ptr()))
        elif isinstance(value, float):
            converted.append(ctypes.c_float(value))
        else:
            converted.append(ctypes.c_int64(value))
    getattr(_library(), name)(*converted)


def _half(*shape):
    return torch.empty(shape, dtype=torch.bfloat16)


def _flat(x):
    """The elements of a dense tensor as they lie in memory."""
    return x.as_strided((x.numel(),), (1,))


class _Norm(torch.autograd.Function):
    """x + delta, float32, and its RMS norm, bfloat16."""

    @staticmethod
    def forward(ctx, x, delta, weight, epsilon):
        x, width = x.contiguous(), x.shape[-1]
        rows = x.numel() // width
        total = x if delta is None else torch.empty_like(x)
        out, inverse = _half(*x.shape), torch.empty(rows)
        _call("norm_forward", x, delta, weight, epsilon, rows, width, total, out, inverse)
        ctx.save_for_backward(total, weight, inverse)
        ctx.has_delta = delta is not None
        ctx.set_materialize_grads(False)
        return total if ctx.has_delta else x.view_as(x), out

    @staticmethod
    def backward(ctx, grad_sum, grad_out):
        total, weight, inverse = ctx.saved_tensors
        grad_x, grad_weight = torch.empty_like(total), torch.zeros_like(weight)
        grad_delta = _half(*total.shape) if ctx.has_delta else None
        grad_sum = None if grad_sum is None else grad_sum.contiguous()
        _call("norm_backward", total, weight, inverse, grad_sum, grad_out.contiguous(), len(inverse),
              total.shape[-1], grad_x, grad_delta, grad_weight)
        return grad_x, grad_delta, grad_weight, None


class _Product(torch.autograd.Function):
    """x w^T, bfloat16."""

    @staticmethod
    def forward(ctx, x, weight):
        weight = weight.bfloat16()
        ctx.save_for_backward(x, weight)
        return x @ weight.t()

    @staticmethod
    def backward(ctx, grad):
        x, weight = ctx.saved_tensors
        return grad @ weight, (grad.flatten(0, -2).t() @ x.flatten(0, -2)).float()


class _GatedConv(torch.autograd.Function):
    """C * conv(B * X) over frames [time, batch, 3 width]."""

    @staticmethod
    def forward(ctx, bcx, weight):
        time, batch, width = bcx.shape[0], bcx.shape[1], bcx.shape[2] // 3
        by_tap = weight.t().contiguous()
        out = _half(time, batch, width)
        _call("gated_conv_forward", bcx, by_tap, time, batch, width, len(by_tap), out)
        ctx.save_for_backward(bcx, by_tap)
        return out

    @staticmethod
    def backward(ctx, grad):
        bcx, by_tap = ctx.saved_tensors
        time, batch, width = grad.shape
        grad_bcx, grad_weight = torch.empty_like(bcx), torch.zeros_like(by_tap)
        _call("gated_conv_backward", bcx, by_tap, grad.contiguous(), time, batch, width,
              len(by_tap), grad_bcx, grad_weight)
        return grad_bcx, grad_weight.t()


class _GatedConv2d(torch.autograd.Function):
    """C * conv(B * X) over pictures [batch, height, width, 3 channels], kernels of 3 x 3."""

    @staticmethod
    def forward(ctx, bcx, weight):
        *shape, channels = bcx.shape[:3] + (bcx.shape[3] // 3,)
        by_tap = weight.t().contiguous()
        out = _half(*shape, channels)
        _call("gated_conv2d_forward", bcx, by_tap, *shape, channels, out)
        ctx.save_for_backward(bcx, by_tap)
        return out

    @staticmethod
    def backward(ctx, grad):
        bcx, by_tap = ctx.saved_tensors
        grad_bcx, grad_weight = torch.empty_like(bcx), torch.zeros_like(by_tap)
        _call("gated_conv2d_backward", bcx, by_tap, grad.contiguous(), *grad.shape, grad_bcx,
              grad_weight)
        return grad_bcx, grad_weight.t()


class _LiquidScan(torch.autograd.Function):
    """h * silu(g) of projected frames [time, batch, 4 width] with dt = 1."""

    @staticmethod
    def forward(ctx, projected, bias, rate):
        time, batch, width = projected.shape[0], projected.shape[1], projected.shape[2] // 4
        h, out = torch.empty(time, batch, width), _half(time, batch, width)
        _call("liquid_scan_forward", projected, bias, rate, time, batch, width, h, out)
        ctx.save_for_backward(projected, bias, rate, h)
        return out

    @staticmethod
    def backward(ctx, grad):
        projected, bias, rate, h = ctx.saved_tensors
        grad_projected = torch.empty_like(projected)
        grad_bias, grad_rate = torch.zeros_like(bias), torch.zeros_like(rate)
        _call("liquid_scan_backward", projected, bias, rate, h, grad.contiguous(), *grad.shape,
              grad_projected, grad_bias, grad_rate)
        return grad_projected, grad_bias, grad_rate


class _SwiGlu(torch.autograd.Function):
    """silu(gate) * up * mask of [..., 2 width]; the mask may be None."""

    @staticmethod
    def forward(ctx, gate_up, mask):
        inner = _half(*gate_up.shape[:-1], gate_up.shape[-1] // 2)
        rows = inner.numel() // inner.shape[-1]
        _call("swiglu_forward", gate_up, mask, rows, inner.shape[-1], inner)
        ctx.save_for_backward(gate_up, mask)
        return inner

    @staticmethod
    def backward(ctx, grad):
        gate_up, mask = ctx.saved_tensors
        grad_gate_up = torch.empty_like(gate_up)
        rows = grad.numel() // grad.shape[-1]
        _call("swiglu_backward", gate_up, mask, grad.contiguous(), rows, grad.shape[-1],
              grad_gate_up)
        return grad_gate_up, None


class _Silu(torch.autograd.Function):
    """x sigmoid(x), whatever the order of x in memory."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        y = torch.empty_like(x)  # in the same order
        _call("silu_forward", _flat(x), x.numel(), _flat(y))
        return y

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        if grad.stride() != x.stride():
            grad = torch.empty_like(x).copy_(grad)
        to = torch.empty_like(x)
        _call("silu_backward", _flat(x), _flat(grad), x.numel(), _flat(to))
        return to


def silu(x):
    """Of a dense bfloat16 tensor."""
    return _Silu.apply(x)


def norm(x, delta, layer):
    """x + delta and the RMS norm `layer` of it; delta may be None."""
    return _Norm.apply(x, delta, layer.weight, layer.epsilon)


def short_conv(operator, u):
    mixed = _GatedConv.apply(_Product.apply(u, operator.in_proj.weight), operator.conv.weight)
    return _Product.apply(mixed, operator.out_proj.weight)


def short_conv2d(operator, u):
    mixed = _GatedConv2d.apply(_Product.apply(u, operator.in_proj.weight), operator.conv.weight)
    return _Product.apply(mixed, operator.out_proj.weight)


def liquid_scan(operator, u):
    projected = _Product.apply(u, operator.in_proj.weight)
    mixed = _LiquidScan.apply(projected, operator.in_proj.bias, F.softplus(operator.decay))
    return _Product.apply(mixed, operator.out_proj.weight)


def swiglu(layer, u):
    mask = None
    if layer.training and SwiGlu.dropout > 0:
        mask = kept((*u.shape[:-1], layer.gate.out_features), SwiGlu.dropout)
    gate_up = _Product.apply(u, torch.cat([layer.gate.weight, layer.up.weight]))
    return _Product.apply(_SwiGlu.apply(gate_up, mask), layer.down.weight)


_OPERATORS = {"short_conv": short_conv, "short_conv2d": short_conv2d, "liquid_scan": liquid_scan}


def _blocks(stack, x):
    """What comes out as a stream and a delta, and the stream that enters each block."""
    delta, entering = None, []
    for block in stack:
        x, u = norm(x, delta, block.norm)
        entering.append(x)
        x, u = norm(x, _OPERATORS[block.name](block.operator, u), block.mlp_norm)
        delta = swiglu(block.swiglu, u)
    return x, delta, entering


def stream(stack, x):
    """Blocks over pictures x [batch, height, width, channels], float32."""
    x, delta, _ = _blocks(stack, x)
    return x + delta.float()


def blocks(stack, x, last_norm):
    """Blocks over frames x [time, batch, width] from the zero state: the norm of what comes out,
    bfloat16, and the stream after each block."""
    x, delta, entering = _blocks(stack, x)
    x, hidden = norm(x, delta, last_norm)
    return hidden, [*entering[1:], x]
