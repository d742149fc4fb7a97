"""Synthetic series: what sensors do, drawn at random, many series at a time.

A series is a sum (sometimes a product) of random parts: stationary Gaussian processes with composed
spectra, seasonal shapes on one or several periods, trends, level shifts, autoregressive and shot
noise, machine states. Then a random instrument reads it: logarithms, saturation, dead zones,
rounding, outliers, changing noise. Gaussian processes are drawn through their spectrum, O(n log n)
instead of a Cholesky factor, which is what makes tens of thousands of long series affordable.

All functions take a generator, a count and a length and return [count, length].
"""

import argparse

import numpy as np
from scipy.signal import lfilter

# Periods that clocks and calendars make common, for steps from a second to a month.
CALENDAR = np.array([7, 12, 24, 24, 24, 30, 48, 52, 60, 96, 144, 168, 168, 288, 336, 365, 672, 720])


KERNELS = ("rbf", "power", "ornstein", "lines")


def standardise(x):
    x = x - x.mean(-1, keepdims=True)
    return x / np.maximum(x.std(-1, keepdims=True), 1e-6)


def log_uniform(rng, low, high, shape):
    return np.exp(rng.uniform(np.log(low), np.log(high), shape))


def random_periods(rng, count):
    anything = log_uniform(rng, 3, 800, count)
    return np.where(rng.random(count) < 0.6, rng.choice(CALENDAR, count), anything)


def spectrum(rng, kind, frequency, count):
    """Power spectral densities of one kernel family, [count, frequencies]."""
    f = frequency[None]
    if kind == "rbf":
        return np.exp(-2 * (np.pi * f * log_uniform(rng, 2, 600, (count, 1))) ** 2)
    if kind == "power":
        return np.maximum(f, frequency[1]) ** -rng.uniform(0.3, 3.2, (count, 1))
    if kind == "ornstein":
        corner = 1 / (2 * np.pi * log_uniform(rng, 2, 1000, (count, 1)))
        return (1 + (f / corner) ** 2) ** -rng.choice([1.0, 1.0, 2.0, 3.0], (count, 1))
    # Locally periodic: lines at the harmonics, as wide as the shape's memory is short.
    period = random_periods(rng, count)[:, None]
    width = 1 / (period * log_uniform(rng, 2, 60, (count, 1)))
    falloff = rng.uniform(0.8, 3.0, (count, 1))
    return sum(k**-falloff * np.exp(-0.5 * ((f - k / period) / width) ** 2) for k in range(1, 7))


def gaussian_process(rng, count, length):
    """Sums of one to three kernels; sometimes two draws are multiplied, and so their kernels."""
    # Twice the length: half of a periodic draw is not periodic.
    frequency = np.fft.rfftfreq(2 * length)
    density = np.zeros((count, len(frequency)))
    for chance in (1.0, 0.5, 0.25):
        for kind, rows in zip(KERNELS, np.split(rng.permutation(count), len(KERNELS))):
            part = spectrum(rng, kind, frequency, len(rows))
            part /= part.sum(-1, keepdims=True)
            use = (rng.random((len(rows), 1)) < chance) * log_uniform(rng, 0.05, 1, (len(rows), 1))
            density[rows] += use * part
    noise = rng.standard_normal(density.shape) + 1j * rng.standard_normal(density.shape)
    draw = standardise(np.fft.irfft(noise * np.sqrt(density), axis=-1)[:, :length])
    partner = rng.permutation(count)
    product = (rng.random(count) < 0.15)[:, None]
    return standardise(np.where(product, draw * (1.5 + draw[partner]), draw))


def seasonal(rng, count, length):
    """A random shape repeated, with an amplitude, a phase and a weekly pattern that may wander."""
    points, harmonics = 512, 12
    grid = np.arange(points) / points
    amplitude = rng.standard_normal((count, harmonics, 2))
    amplitude *= np.arange(1, harmonics + 1)[:, None] ** -rng.uniform(0.5, 3, (count, 1, 1))
    angle = 2 * np.pi * np.arange(1, harmonics + 1)[:, None] * grid
    shape = amplitude[..., 0] @ np.cos(angle) + amplitude[..., 1] @ np.sin(angle)
    # Bumps, pulses and saw teeth are common and need many harmonics: draw them directly.
    kind = rng.random(count)
    start, width = rng.random((count, 1)), rng.uniform(0.02, 0.6, (count, 1))
    offset = (grid - start) % 1
    bump = np.exp(-0.5 * (((offset + 0.5) % 1 - 0.5) / (0.35 * width)) ** 2)
    pulse = (offset < width).astype(float)
    saw = np.where(offset < width, offset / width, (1 - offset) / (1 - width))
    for chance, other in ((0.15, bump), (0.25, pulse), (0.35, saw)):
        shape = np.where(((kind < chance) & (kind >= chance - 0.15))[:, None], other, shape)
    shape = standardise(shape)

    period = random_periods(rng, count)[:, None]
    time = np.arange(length) / period
    wander = np.where(rng.random((count, 1)) < 0.2, log_uniform(rng, 0.01, 0.3, (count, 1)), 0)
    phase = time + rng.random((count, 1)) + wander * gaussian_process(rng, count, length)
    index = (phase % 1 * points).astype(int) % points
    x = np.take_along_axis(shape, index, -1)

    cycle = np.floor(phase).astype(int)
    cycle -= cycle.min(-1, keepdims=True)
    spread = np.where(rng.random((count, 1)) < 0.5, rng.uniform(0, 0.5, (count, 1)), 0)
    each = np.exp(spread * rng.standard_normal((count, cycle.max() + 1)))
    week = np.where(rng.random((count, 7)) < 0.25, rng.uniform(0, 1, (count, 7)), 1)
    weekly = (rng.random((count, 1)) < 0.3) * np.ones((1, 7))
    x = x * np.take_along_axis(each, cycle, -1)
    x = x * np.take_along_axis(np.where(weekly > 0, week, 1), cycle % 7, -1)
    slow = np.exp(rng.uniform(0, 0.6, (count, 1)) * gaussian_process(rng, count, length))
    return standardise(np.where(rng.random((count, 1)) < 0.3, x * slow, x))


def sparse(rng, count, length, low, high):
    """Events at a random rate: mostly zero, standard normal where something happens."""
    rate = log_uniform(rng, low / length, high / length, (count, 1))
    return (rng.random((count, length)) < rate) * rng.standard_normal((count, length))


def trend(rng, count, length):
    """Lines, broken lines, exponentials and growth that levels off."""
    time = np.linspace(-1, 1, length)
    line = time * np.ones((count, 1))
    broken = np.cumsum(np.cumsum(sparse(rng, count, length, 1, 12), -1), -1) + 1e-3 * line
    grow = np.exp(rng.uniform(0.5, 3, (count, 1)) * time)
    level = np.tanh(rng.uniform(1, 6, (count, 1)) * (time - rng.uniform(-1, 1, (count, 1))))
    choice = rng.choice(4, (count, 1), p=[0.3, 0.4, 0.15, 0.15])
    x = np.choose(choice, [line, broken, grow, level])
    return standardise(x) * rng.choice([-1, 1], (count, 1))


def level_shifts(rng, count, length):
    """Steps that stay, or machine states that come back."""
    steps = np.cumsum(sparse(rng, count, length, 1, 20), -1)
    switch = np.cumsum(rng.random((count, length)) < log_uniform(rng, 0.002, 0.1, (count, 1)), -1)
    levels, states = rng.standard_normal((count, 5)), rng.integers(2, 6, (count, 1))
    machine = np.take_along_axis(levels, switch % states, -1)
    return standardise(np.where(rng.random((count, 1)) < 0.5, steps, machine))


def autoregressive(rng, count, length):
    """AR(1) to random walks, and AR(2) with a damped oscillation."""
    out = np.empty((count, length))
    noise = rng.standard_normal((count, length + 200))
    heavy = rng.random(count) < 0.3
    noise[heavy] = rng.standard_t(3, (heavy.sum(), length + 200))
    for row in range(count):
        if rng.random() < 0.5:
            poles = [1, -(1 - log_uniform(rng, 1e-3, 0.9, None))]
        else:
            radius = 1 - log_uniform(rng, 2e-3, 0.5, None)
            angle = 2 * np.pi / random_periods(rng, 1)[0]
            poles = [1, -2 * radius * np.cos(angle), radius**2]
        out[row] = lfilter([1], poles, noise[row])[200:]
    return standardise(out)


def shot_noise(rng, count, length):
    """Events that decay: showers, load peaks, requests. Non-negative."""
    events = np.abs(sparse(rng, count, length, 5, length / 4)) ** rng.uniform(0.5, 2, (count, 1))
    out = np.empty((count, length))
    for row in range(count):
        out[row] = lfilter([1], [1, -np.exp(-1 / log_uniform(rng, 0.5, 60, None))], events[row])
    return standardise(out)


PARTS = (
    (gaussian_process, 0.45),
    (seasonal, 0.65),
    (seasonal, 0.30),
    (trend, 0.22),
    (level_shifts, 0.15),
    (autoregressive, 0.35),
    (shot_noise, 0.12),
)


def instrument(rng, x):
    """How the quantity becomes a column of numbers."""
    count, length = x.shape
    pick = lambda chance: rng.random((count, 1)) < chance
    low = np.quantile(x, 0.02, -1)[:, None]
    x = np.where(pick(0.12), np.exp(rng.uniform(0.3, 1.2, (count, 1)) * x), x)
    floor = np.quantile(x, rng.uniform(0.02, 0.6), -1)[:, None]
    ceiling = np.quantile(x, rng.uniform(0.8, 0.99), -1)[:, None]
    x = np.where(pick(0.10), np.maximum(x, floor), x)
    x = np.where(pick(0.05), np.minimum(x, ceiling), x)
    # Intermittent: nothing below a threshold, or counts of a rate.
    x = np.where(pick(0.03), np.where(x > floor, x - low, 0.0), x)
    rate = np.clip(np.exp(0.7 * x) * log_uniform(rng, 0.3, 20, (count, 1)), 0, 1e4)
    x = np.where(pick(0.04), rng.poisson(rate), x)
    x = standardise(x)

    noise = rng.standard_normal((count, length)) * log_uniform(rng, 0.003, 0.6, (count, 1))
    calm = np.exp(rng.uniform(0, 1, (count, 1)) * gaussian_process(rng, count, length))
    noise = np.where(pick(0.3), noise * calm, noise)
    noise = np.where(pick(0.15), noise * np.abs(x), noise)
    x = np.where(pick(0.7), x + noise, x)
    spikes = sparse(rng, count, length, 1, 60) * rng.uniform(2, 12, (count, 1))
    x = np.where(pick(0.10), x + spikes, x)
    step = log_uniform(rng, 0.01, 0.5, (count, 1))
    x = np.where(pick(0.2), np.round(x / step) * step, x)
    # A sensor that holds its last value for a while.
    held = np.cumsum(rng.random((count, length)) < 0.3, -1)
    first = np.maximum.accumulate(np.where(np.diff(held, prepend=-1) > 0, np.arange(length), 0), -1)
    return np.where(pick(0.03), np.take_along_axis(x, first, -1), x)


def make_series(rng, count, length):
    """`count` (a multiple of four) random series, standardised, float32."""
    total = np.zeros((count, length))
    for part, chance in PARTS:
        use = (rng.random((count, 1)) < chance) * log_uniform(rng, 0.1, 1.5, (count, 1))
        values = part(rng, count, length)
        multiply = (rng.random((count, 1)) < 0.12) & (total.std(-1, keepdims=True) > 0)
        total = np.where(multiply, total * (1 + use * values), total + use * values)
    total += (total.std(-1, keepdims=True) == 0) * gaussian_process(rng, count, length)
    flip = rng.choice([-1, 1], (count, 1))
    return standardise(flip * instrument(rng, standardise(total))).astype(np.float32)


def main():
    parser = argparse.ArgumentParser(description="write a pool of synthetic series")
    parser.add_argument("--output", required=True, help=".npy file, float32 [count, length]")
    parser.add_argument("--count", type=int, default=24576)
    parser.add_argument("--length", type=int, default=3072)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    block = 512
    pool = np.lib.format.open_memmap(
        options.output, "w+", np.float32, (options.count // block * block, options.length))
    for start in range(0, len(pool), block):
        pool[start : start + block] = make_series(rng, block, options.length)
        print(f"{start + block} of {len(pool)} series", flush=True)


if __name__ == "__main__":
    main()
