"""Scores on held-out data: SQL, MASE and interval coverage with the windows of fev-bench.

    python3 -m rill_train.evaluate runs/shipped/last.pt
    python3 -m rill_train.evaluate ../models/sensor-forecast.gguf
    python3 -m rill_train.evaluate runs/ltsf/last.pt --recipe ltsf

For a target with season m and a window with cutoff T: e(T) is the mean of |y[t] - y[t - m]| over
the whole history before T; SQL the mean over the nine levels of 2 pinball / e(T), averaged over
steps, then targets, then windows; MASE the same of |y - median| / e(T). The model streams from the
first row, as the runtime does, so the last frame is partial. Only validation rows are read here;
the test rows are for `rill bench forecast`.
"""

import argparse
import json

import numpy as np
import torch

from . import features, models, series

SEASON = 24


def forecast(model, values, cutoffs):
    """Streams values [channels, rows] and forecasts at every cutoff (rows seen), one a frame.

    Returns quantiles [cutoffs, channels, horizon, levels], ascending, in the units of the values.
    """
    config = model.config
    patch, horizon = config["sensor.patch"], config["forecast.horizon"]
    channels = len(values)
    last = [(cutoff - 1) // patch for cutoff in cutoffs]
    time = max(last) + 1
    frames = np.full((channels, time * patch), np.nan)
    rows = min(values.shape[1], time * patch)
    frames[:, :rows] = values[:, :rows]
    frames = frames.reshape(channels, time, patch).transpose(1, 0, 2)
    elapsed = np.full((time, channels), patch)
    for t, cutoff in zip(last, cutoffs):
        elapsed[t] = cutoff - t * patch
    inputs, scale = features.encode_streams(frames, elapsed, config)
    dt = np.ones((2, time, channels), np.float32)
    dt[1] = elapsed / patch
    with torch.no_grad():
        hidden = model.hidden(torch.from_numpy(inputs), torch.from_numpy(dt))
        quantiles = model.head(hidden[last]).sort(-1).values.double().numpy()
    steps = elapsed[last, 0][:, None] + np.arange(horizon)
    quantiles = np.take_along_axis(quantiles, steps[:, None, :, None], 2)
    spread, location = scale.scale()[last], scale.location[last]
    return location[..., None, None] + spread[..., None, None] * quantiles


def seasonal_error(values, cutoff):
    difference = np.abs(values[:, SEASON:cutoff] - values[:, : cutoff - SEASON])
    return np.nanmean(difference, -1)


def scores(model, values, cutoffs, context=None):
    """Mean SQL, MASE and coverage of [q0.1, q0.9]; the model sees `context` or else `values`."""
    horizon = model.config["forecast.horizon"]
    levels = np.array(model.config["forecast.quantiles"])
    predicted = forecast(model, values if context is None else context, cutoffs)
    rows = []
    for quantiles, cutoff in zip(predicted, cutoffs):
        truth = values[:, cutoff : cutoff + horizon]
        error = seasonal_error(values, cutoff)
        usable = (error > 0) & np.isfinite(truth).any(-1)
        if not usable.any():
            continue
        miss = truth[..., None] - quantiles
        pinball = np.maximum(levels * miss, (levels - 1) * miss)
        sql = np.nanmean(2 * pinball.mean(-1)[usable], -1) / error[usable]
        mase = np.nanmean(np.abs(miss[usable][..., levels == 0.5][..., 0]), -1) / error[usable]
        inside = (truth >= quantiles[..., 0]) & (truth <= quantiles[..., -1])
        cover = inside[usable].sum() / np.isfinite(truth[usable]).sum()
        rows.append((sql.mean(), mase.mean(), cover))
    return np.mean(rows, 0) if rows else None


def windows(start, end, horizon=168):
    return list(range(start, end - horizon + 1, horizon))


def drop(values, rate, seed=0):
    rng = np.random.default_rng(seed)
    return np.where(rng.random(values.shape) < rate, np.nan, values)


class Validation:
    """Held-out data, loaded once: ETT rows before the test, two stations' last year, NAB."""

    def __init__(self, ett_start=series.ETT_VALIDATION_START, ett_end=series.ETT_TEST_START):
        self.ett = series.ett(ett_end)
        self.ett_cutoffs = windows(ett_start, ett_end)
        keep = 8760
        held_out = (s for s in series.beijing() if s.name in series.BEIJING_HELD_OUT)
        self.beijing = [s.values[:, -keep:] for s in held_out]
        self.beijing_cutoffs = windows(keep - 20 * 168, keep)
        self.nab = [s.values[:, :keep] for s in series.nab()]

    def ett_scores(self, model, missing=0.0):
        return self.mean(model, [s.values for s in self.ett], self.ett_cutoffs, missing)

    def beijing_scores(self, model, missing=0.0):
        return self.mean(model, self.beijing, self.beijing_cutoffs, missing)

    @staticmethod
    def mean(model, sets, cutoffs, missing):
        return np.mean([scores(model, v, cutoffs, drop(v, missing)) for v in sets], 0)

    def __call__(self, model, thorough=False):
        def report(name, found):
            sql, mase, coverage = found
            result.update({f"{name}_sql": sql, f"{name}_mase": mase, f"{name}_coverage": coverage})

        result = {}
        report("ett", self.ett_scores(model))
        report("beijing", self.beijing_scores(model))
        if thorough:
            result["ett_sql_40_percent_missing"] = self.ett_scores(model, 0.4)[0]
            result["beijing_sql_40_percent_missing"] = self.beijing_scores(model, 0.4)[0]
            found = []
            for values in self.nab:
                rows = values.shape[1]
                found.append(scores(model, values, windows(rows - 4 * 168, rows)))
            # The median, since a few streams are flat for months and then are not.
            report("nab", np.median([f for f in found if f is not None], 0))
        return {key: round(float(value), 4) for key, value in result.items()}


def main():
    parser = argparse.ArgumentParser(description="validation scores of a checkpoint or model file")
    parser.add_argument("model")
    parser.add_argument("--weights", choices=("ema", "model"), default="ema")
    parser.add_argument("--recipe", choices=("stream", "ltsf"), default="stream")
    options = parser.parse_args()
    torch.set_num_threads(1)
    model = models.load(options.model, options.weights)
    if options.recipe == "ltsf":
        from . import ltsf  # which builds on this module

        found = ltsf.Validation(stride=1)(model)
    else:
        found = Validation()(model, thorough=True)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
