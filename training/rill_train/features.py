"""Encoder `sensor` of docs/model-format.md: running location and scale, and a frame's features.

Everything is numpy in double precision over arbitrary leading dimensions, so that the same function
advances a batch of streams by one frame and peeks at all positions of all streams at once.
"""

from dataclasses import dataclass

import numpy as np


def quotient(numerator, weight):
    """numerator / weight, and 0 where nothing has been seen."""
    return np.divide(numerator, weight, out=np.zeros_like(weight), where=weight > 0)


@dataclass
class RunningScale:
    """Weight W, location M and summed absolute deviation A of streams; each array of one shape."""

    weight: np.ndarray
    location: np.ndarray
    deviation: np.ndarray

    @classmethod
    def zeros(cls, shape):
        return cls(np.zeros(shape), np.zeros(shape), np.zeros(shape))

    def scale(self):
        """s' as the head uses it."""
        mean = quotient(self.deviation, self.weight)
        return np.maximum(np.maximum(mean, 1e-9 * np.abs(self.location)), 1e-30)


def lower_median(values, count):
    """Element (count - 1) / 2 of the sorted values; NaN sorts last and is not counted."""
    index = np.maximum((count - 1) // 2, 0)
    return np.take_along_axis(np.sort(values, -1), index[..., None], -1)[..., 0]


def advance(values, elapsed, state, memory, outlier):
    """The statistics after a frame: values [..., P] with NaN for missing, elapsed [...] slots."""
    slots = np.arange(values.shape[-1])
    present = ~np.isnan(values) & (slots < elapsed[..., None])
    count = present.sum(-1)
    values = np.where(present, values, np.nan)

    known = state.weight > 0
    s = quotient(state.deviation, state.weight)
    has_values = count > 0
    median = np.where(has_values, lower_median(values, count), 0.0)
    base = np.where(known, state.location, median)
    spread = lower_median(np.abs(values - base[..., None]), count)
    k = outlier * np.maximum(s, np.where(has_values, spread, 0.0))
    bound = np.where(k > 0, k, np.inf)
    u = np.clip(values, (base - bound)[..., None], (base + bound)[..., None])

    fade = np.exp(-elapsed / memory)
    weight = fade * state.weight + count
    shift = np.where(present, u - state.location[..., None], 0.0).sum(-1)
    location = state.location + quotient(shift, weight)
    deviation = fade * state.deviation
    deviation += np.where(present, np.abs(u - location[..., None]), 0.0).sum(-1)
    return RunningScale(weight, location, deviation)


def features(values, elapsed, before, after, memory, clip, interval=0.0):
    """The 3 P + 4 features, float32; `interval` is log(mean slot interval / usual interval)."""
    patch = values.shape[-1]
    gone = np.arange(patch) < elapsed[..., None]
    present = ~np.isnan(values) & gone
    scale = after.scale()
    out = np.zeros(values.shape[:-1] + (3 * patch + 4,), np.float32)
    z = (values - after.location[..., None]) / scale[..., None]
    out[..., :patch] = np.where(present, np.clip(z, -clip, clip), 0.0)
    out[..., patch : 2 * patch] = present
    out[..., 2 * patch : 3 * patch] = gone
    known = before.weight > 0
    # A scale of zero so far is infinite growth, which the clamp below turns into 4.
    with np.errstate(divide="ignore"):
        growth = np.log(scale / quotient(before.deviation, before.weight))
    out[..., -4] = np.minimum(1.0, after.weight / memory)
    out[..., -3] = np.clip(interval, -4, 4)
    out[..., -2] = np.where(known, np.clip((after.location - before.location) / scale, -4, 4), 0.0)
    out[..., -1] = np.where(known, np.clip(growth, -4, 4), 0.0)
    return out


def encode_streams(frames, elapsed, config, state=None, interval=0.0):
    """Both streams of a training batch from frames [time, batch, P] and elapsed [time, batch].

    Returns features [2, time, batch, F] and the statistics that normalise the peeked frames.
    """
    memory, outlier, clip = (config["sensor." + key] for key in ("memory", "outlier", "clip"))
    time, batch, patch = frames.shape
    state = state or RunningScale.zeros(batch)
    full = np.full(batch, patch)
    states = [state]
    for t in range(time):
        states.append(advance(frames[t], full, states[-1], memory, outlier))
    stack = lambda part: RunningScale(*(np.stack([getattr(s, name) for s in part])
                                        for name in ("weight", "location", "deviation")))
    before, after = stack(states[:-1]), stack(states[1:])
    peeked = advance(frames, elapsed, before, memory, outlier)
    main = features(frames, np.full((time, batch), patch), before, after, memory, clip, interval)
    peek = features(frames, elapsed, before, peeked, memory, clip, interval)
    return np.stack([main, peek]), peeked
