"""Golden files for the C++ tests: inputs and outputs of every operator and of a tiny model.

    python3 -m rill_train.export_goldens ../tests/goldens

`NAME.gguf` for short_conv, liquid_scan, cfc, attention, attention_full, swiglu, rms_norm, linear:

    metadata            the operator's keys of docs/model-format.md
    blk.0.NAME.*        weights under their names in a model file (attention_full:
                        blk.0.attention; rms_norm: blk.0.norm; linear: blk.0.linear)
    input   [time, D]   frames, one stream
    dt      [time]      only where the operator is time-aware
    state_in, state_out the state before and after: short_conv [K - 1, D], oldest product first;
                        liquid_scan [E]; cfc [N]. Attention starts empty
    output  [time, D]

`sensor_model.gguf` is a model file; `sensor_model_golden.gguf` holds

    rows          [rows, channels]            regular rows, NaN where missing
    features      [frames, channels, 3P + 4]  of every complete frame
    embedding     [frames, channels, D]
    blk.n.output  [frames, channels, D]       the residual stream after block n
    hidden        [frames, channels, D]
    quantiles     [5, channels, H, Q]         the peeks after the last five rows, in their units

`speech_model.gguf` is a model file; `speech_model_golden.gguf` holds

    samples              [count]       at 16 kHz
    embedding, hidden    [frames, D]
    log_probabilities.L  [frames - L, pieces]  with a lookahead of L frames

`image_model.gguf` is a model file; `image_model_golden.gguf` holds

    pixels               [time, height · width · channels]  bytes
    embedding            [time, D]
    probabilities        [time, labels]  of the video, from the zero state

`ngram.arpa` and `ngram.lm` are one pruned trigram of `ngram_sentences()`, as text and binary.

Everything is computed in double precision from weights rounded to float32.
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from . import (classify_export, export, fbank, features, gguf, image_models, models, ngram,
               speech_export, speech_models)
from .operators import OPERATORS, RmsNorm, SwiGlu, linear

TINY = {
    "width": 16,
    "norm_epsilon": 1e-5,
    "operators": ["short_conv", "liquid_scan", "cfc", "attention"],
    "swiglu.width": 24,
    "short_conv.taps": 3,
    "liquid_scan.width": 20,
    "cfc.width": 12,
    "cfc.backbone": 18,
    "attention.heads": 4,
    "attention.kv_heads": 2,
    "attention.head_width": 6,
    "attention.window": 7,
    "attention.sinks": 2,
    "attention.rope_base": 10000.0,
    "encoders": ["sensor"],
    "heads": ["forecast"],
    "sensor.patch": 4,
    "sensor.memory": 40.0,
    "sensor.clip": 20.0,
    "sensor.outlier": 6.0,
    "forecast.horizon": 6,
    "forecast.quantiles": [0.1, 0.25, 0.5, 0.75, 0.9],
}
# Words of `ngram_sentences`, and one that sounds like another.
TINY_LEXICON = """a AH
a(2) EY
an AE N
and AE N D
ant AE N T
cat K AE T
cats K AE T S
sat S AE T
the DH AH
them DH EH M
then DH EH N
there DH EH R
they're DH EH R
"""
TINY_SPEECH = {
    "width": 16,
    "norm_epsilon": 1e-5,
    "operators": ["short_conv", "liquid_scan"],
    "swiglu.width": 24,
    "short_conv.taps": 3,
    "liquid_scan.width": 20,
    "audio.channels": 6,
}
TINY_IMAGE = {
    "width": 16,
    "norm_epsilon": 1e-5,
    "operators": ["liquid_scan"],
    "swiglu.width": 24,
    "liquid_scan.width": 20,
    "image.height": 9,
    "image.width": 14,
    "image.channels": 3,
    "image.fit": "letterbox",
    "image.stages": 2,
    "image.stage_channels": [6, 10],
    "image.stage_strides": [1, 2],
    "image.stage_blocks": [0, 2],
    "image.stage_inner": [8, 12],
}
TINY_PIECES = ["", " a", " b", "c", "d", "e"]
FRAMES = 37


def f32(value):
    return np.asarray(value, np.float32), "F32"


def shaken(module):
    """Random biases and norms as well: zeros and ones would hide mistakes."""
    for parameter in module.parameters():
        if parameter.ndim == 1:
            parameter.data += 0.3 * torch.randn_like(parameter)
    return module.requires_grad_(False).double()


def weights(module, prefix):
    return {f"{prefix}.{name}": f32(value.float()) for name, value in module.state_dict().items()}


def operator_golden(kind, config, prefix):
    operator = shaken(OPERATORS[kind](config, 1.0))
    x = torch.randn(FRAMES, config["width"]).double()
    dt = torch.exp(0.7 * torch.randn(FRAMES)).double()
    state = operator.initial_state(1)
    tensors = weights(operator, prefix)
    stateful = kind != "attention"
    if stateful:
        state = torch.randn_like(state).double()
        tensors["state_in"] = f32(state[0])
    outputs = []
    for t in range(FRAMES):
        y, state = operator.step(x[t : t + 1], dt[t : t + 1], state)
        outputs.append(y[0])
    tensors["input"], tensors["output"] = f32(x), f32(torch.stack(outputs))
    if kind in ("liquid_scan", "cfc"):
        tensors["dt"] = f32(dt)
    if stateful:
        tensors["state_out"] = f32(state[0])
    return tensors


def plain_golden(module, prefix):
    x = torch.randn(FRAMES, TINY["width"]).double()
    shaken(module)
    return weights(module, prefix) | {"input": f32(x), "output": f32(module(x))}


def make_rows(rng, count, channels):
    """Three channels unlike each other, with every kind of gap."""
    time = np.arange(count)[:, None]
    rows = np.sin(2 * np.pi * time / [8, 11, 5]) * [1, 30, 0.01]
    rows += np.cumsum(rng.standard_normal((count, channels)), 0) * [0.1, 4, 0.001] + [5, -1000, 0]
    rows += (rng.random((count, channels)) < 0.03) * [20, 400, 0.3]
    rows[rng.random((count, channels)) < 0.15] = np.nan
    rows[:6, 1] = np.nan
    rows[60:75, 0] = np.nan
    rows[90:120, 2] = rows[89, 2]
    return rows.astype(np.float32)


def model_golden(model, rows):
    """Streams the rows frame by frame; peeks after each of the last five."""
    config, channels = model.config, rows.shape[1]
    patch, horizon = config["sensor.patch"], config["forecast.horizon"]
    memory, outlier, clip = (config["sensor." + key] for key in ("memory", "outlier", "clip"))
    scale, state = features.RunningScale.zeros(channels), model.initial_state(channels)
    found = {name: [] for name in ("features", "embedding", "hidden", "quantiles")}
    found |= {f"blk.{n}.output": [] for n in range(len(config["operators"]))}
    for row in range(1, len(rows) + 1):
        elapsed = (row - 1) % patch + 1
        frame = np.full((channels, patch), np.nan)
        frame[:, :elapsed] = rows[row - elapsed : row].T
        count = np.full(channels, elapsed)
        after = features.advance(frame, count, scale, memory, outlier)
        inputs = features.features(frame, count, scale, after, memory, clip)
        dt = torch.full((channels,), elapsed / patch).double()
        hidden, new, layers = model.step(torch.from_numpy(inputs).double(), dt, state)
        if row > len(rows) - 5:
            quantiles = model.head(hidden).sort(-1).values[:, elapsed : elapsed + horizon].numpy()
            found["quantiles"].append(
                after.location[:, None, None] + after.scale()[:, None, None] * quantiles)
        if elapsed == patch:
            scale, state = after, new
            found["features"].append(inputs)
            found["embedding"].append(model.sensor.embed(torch.from_numpy(inputs).double()))
            found["hidden"].append(hidden)
            for n, layer in enumerate(layers):
                found[f"blk.{n}.output"].append(layer)
    stack = lambda parts: np.stack([np.asarray(part) for part in parts])
    return {"rows": f32(rows)} | {name: f32(stack(parts)) for name, parts in found.items()}


def speech_golden(model, samples):
    """A stream of samples through a recogniser: what each part gives, whole frames only."""
    frames = fbank.Fbank().double()(samples)[:, None]
    embedding, _ = model.audio(frames, model.audio.initial_state(1))
    hidden, _, _ = model.hidden(frames, model.initial_state(1))
    tensors = {"samples": f32(samples), "embedding": f32(embedding[:, 0]), "hidden": f32(hidden[:, 0])}
    for lookahead in (0, 2):
        logits = [x[:, 0].log_softmax(-1) for x in model.head(hidden, lookahead)]
        tensors[f"log_probabilities.{lookahead}"] = f32(torch.cat(logits, -1))
    return tensors


def image_golden(model, pixels):
    """A video through a classifier."""
    video = pixels.double() / 255
    embedding = model.image(video)
    return {"pixels": f32(pixels.flatten(1)), "embedding": f32(embedding),
            "probabilities": f32(model(video[:, None])[:, 0].softmax(-1))}


def classify_head(name, labels, activation):
    """A head's keys and tensors."""
    head = shaken(image_models.ClassifyHead(TINY_SPEECH, len(labels)))
    keys = {f"rill.{name}.labels": labels, f"rill.{name}.activation": activation}
    return head, keys, {f"{name}.{key}": f32(value) for key, value in head.state_dict().items()}


def omni_golden(output, recogniser, classifier, samples):
    """One backbone, the recogniser's, with the encoders of both and one of sensors, and a head of every
    kind: its file, and what the head of sounds says of the samples, which are the recogniser's."""
    config = {**recogniser.config, **classifier.config}
    config |= {key: value for key, value in recogniser.config.items() if not key.startswith("image.")}
    keys = {f"rill.{key}": value for key, value in config.items() if key != "transcribe.tokens"}
    spoken = speech_export.metadata(recogniser, TINY_PIECES, "", "", "")
    keys |= {key: value for key, value in spoken.items() if key.startswith(("rill.audio.", "rill.tran"))}
    del keys["rill.transcribe.phones"], keys["rill.transcribe.pronunciations"]
    keys |= {f"rill.{key}": value for key, value in TINY.items() if key.startswith(("sensor.", "forecast."))}
    keys |= {"general.architecture": "rill", "general.name": "Tiny omni model",
             "rill.encoders": ["audio", "sensor", "image"],
             "rill.heads": ["transcribe", "forecast", "classify.sounds", "classify.pictures"]}
    tensors = speech_export.tensors(recogniser, "F32")
    tensors |= {name: value for name, value in classify_export.tensors(classifier, "F32").items()
                if name.startswith("image.")}
    sounds, more, head = classify_head("classify.sounds", ["hum", "hiss", "click"], "sigmoid")
    keys, tensors = keys | more, tensors | head
    _, more, head = classify_head("classify.pictures", ["cat", "dog"], "softmax")
    sensor = export.model_file(shaken(models.SensorModel(TINY)), "", "", "F32")[1]
    tensors |= {name: value for name, value in sensor.items() if name.startswith(("sensor.", "forecast."))}
    gguf.write(output, keys | more, tensors | head)
    frames = fbank.Fbank().double()(samples)[:, None]
    hidden, _, _ = recogniser.hidden(frames, recogniser.initial_state(1))
    return {"probabilities": f32(sounds(hidden[:, 0]).sigmoid())}


def ngram_sentences():
    words = "a an ant and the then them they're cat cats sat".split()
    random = np.random.default_rng(5)
    return [" ".join(words[int(len(words) * u * v)] for u, v in random.random((5, 2)))
            for _ in range(80)]


def write_ngrams(folder):
    words = ngram.vocabulary(ngram_sentences())
    levels = ngram.pruned(*ngram.train(ngram_sentences(), words), 1e-4)
    ngram.write_arpa(folder / "ngram.arpa", levels, words)
    (folder / "ngram.lm").write_bytes(ngram.binary(levels, words))


def main():
    parser = argparse.ArgumentParser(description="golden files for the C++ tests")
    parser.add_argument("output", type=Path)
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(7)
    metadata = {f"rill.{key}": value for key, value in TINY.items()}
    write = lambda name, tensors, keys=metadata: gguf.write(
        options.output / f"{name}.gguf", {"general.architecture": "rill", **keys}, tensors)

    for kind in OPERATORS:
        write(kind, operator_golden(kind, TINY, f"blk.0.{kind}"))
    # Full attention is a window that nothing has left yet.
    full = dict(TINY, **{"attention.window": FRAMES, "attention.sinks": 0})
    keys = {key: value for key, value in metadata.items()
            if key not in ("rill.attention.window", "rill.attention.sinks")}
    write("attention_full", operator_golden("attention", full, "blk.0.attention"),
          keys | {"rill.attention.capacity": FRAMES})
    write("swiglu", plain_golden(SwiGlu(TINY["width"], TINY["swiglu.width"], 1.0), "blk.0.swiglu"))
    write("rms_norm", plain_golden(RmsNorm(TINY["width"], TINY["norm_epsilon"]), "blk.0.norm"))
    write("linear", plain_golden(linear(TINY["width"], 23, bias=True), "blk.0.linear"))

    model = shaken(models.SensorModel(TINY))
    file = export.model_file(model, "Tiny sensor model", "For tests", "F32")
    gguf.write(options.output / "sensor_model.gguf", *file)
    write("sensor_model_golden", model_golden(model, make_rows(np.random.default_rng(7), 163, 3)))
    write_ngrams(options.output)

    model = shaken(speech_models.SpeechModel(TINY_SPEECH | {"transcribe.tokens": len(TINY_PIECES)}))
    recogniser = model
    model.audio.mean.fill_(-10)
    model.audio.deviation.fill_(3)
    keys = speech_export.metadata(model, TINY_PIECES, TINY_LEXICON, "Tiny recogniser", "For tests")
    del keys["general.languages"]  # which a file may leave out
    gguf.write(options.output / "speech_model.gguf", keys, speech_export.tensors(model, "F32"))
    noise = np.random.default_rng(8).standard_normal(20 * 640)
    samples = torch.from_numpy((0.1 * noise * np.sin(np.arange(len(noise)) / 900)).astype(np.float32))
    write("speech_model_golden", speech_golden(model, samples.double()))

    labels = ["circle", "square", "no shape"]
    model = shaken(image_models.ImageClassifier(TINY_IMAGE, len(labels)))
    model.image.mean.copy_(torch.tensor([0.4, 0.5, 0.6]))
    model.image.deviation.copy_(torch.tensor([0.2, 0.25, 0.3]))
    keys = classify_export.metadata(model, labels, "Tiny classifier", "For tests")
    gguf.write(options.output / "image_model.gguf", keys, classify_export.tensors(model, "F32"))
    write("image_model_golden", image_golden(model, torch.randint(0, 256, (4, 9, 14, 3))))
    write("omni_model_golden", omni_golden(options.output / "omni_model.gguf", recogniser, model,
                                           samples.double()))


if __name__ == "__main__":
    main()
