"""Model files of the sizes of LFM-1, with random weights: what memory and speed are measured with.

    python3 -m rill_train.layouts 3.1B runs/3.1B.gguf
    python3 -m rill_train.layouts 40.3B runs/40.3B.gguf --hollow
    rill inspect runs/40.3B.gguf

LFM-1 was announced in three sizes and its architecture was never published. These layouts are ours: blocks
of LFM2, counted out to the announced numbers of parameters. Matrices are Q4_0, the embeddings Q8_0, of codes
drawn evenly and scales that keep the activations' size. `--hollow` leaves the tensors a hole of the file that takes
no space on disk: enough for `rill inspect`.
"""

import argparse
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from . import gguf

Q4_0, Q8_0, F32 = 2, 8, 0
BLOCK, BLOCK_BYTES = 32, {Q4_0: 18, Q8_0: 34}
HEAD_WIDTH, TAPS = 64, 3
DRAWN_BLOCKS = 1 << 20  # at a time


@dataclass
class Layout:
    width: int
    feed_forward: int
    blocks: int
    attention: tuple  # blocks that have it; the others have a short convolution
    heads_kv: int = 8
    vocabulary: int = 65536
    # Of a mixture: experts, how many a token uses, their width, and blocks before the first of them.
    experts: int = 0
    used: int = 0
    expert_width: int = 0
    dense: int = 0

    @property
    def architecture(self):
        return "lfm2moe" if self.experts else "lfm2"


LAYOUTS = {
    "1.3B": Layout(2048, 8192, 18, (2, 5, 8, 11, 13, 15)),
    "3.1B": Layout(2560, 10240, 29, (2, 6, 10, 13, 16, 20, 23, 26)),
    "40.3B": Layout(4096, 14336, 32, (2, 6, 10, 14, 18, 22, 26, 30), experts=32, used=8,
                    expert_width=3200, dense=2),
}


def matrices(layout):
    """(name, shape, type) of every tensor, as numpy would say it."""
    w, kv = layout.width, HEAD_WIDTH * layout.heads_kv
    yield "token_embd.weight", (layout.vocabulary, w), Q8_0
    yield "token_embd_norm.weight", (w,), F32
    for i in range(layout.blocks):
        block = f"blk.{i}."
        yield block + "attn_norm.weight", (w,), F32
        yield block + "ffn_norm.weight", (w,), F32
        if i in layout.attention:
            for name, outputs in (("q", w), ("k", kv), ("v", kv), ("output", w)):
                yield f"{block}attn_{name}.weight", (outputs, w), Q4_0
            for name in "qk":
                yield f"{block}attn_{name}_norm.weight", (HEAD_WIDTH,), F32
        else:
            yield block + "shortconv.conv.weight", (w, TAPS), F32
            yield block + "shortconv.in_proj.weight", (3 * w, w), Q4_0
            yield block + "shortconv.out_proj.weight", (w, w), Q4_0
        if layout.experts and i >= layout.dense:
            n, inner = layout.experts, layout.expert_width
            yield block + "ffn_gate_inp.weight", (n, w), F32
            yield block + "exp_probs_b.bias", (n,), F32
            yield block + "ffn_gate_exps.weight", (n, inner, w), Q4_0
            yield block + "ffn_up_exps.weight", (n, inner, w), Q4_0
            yield block + "ffn_down_exps.weight", (n, w, inner), Q4_0
        else:
            yield block + "ffn_gate.weight", (layout.feed_forward, w), Q4_0
            yield block + "ffn_up.weight", (layout.feed_forward, w), Q4_0
            yield block + "ffn_down.weight", (w, layout.feed_forward), Q4_0


def parameters(layout):
    """All of them, and those that a token uses."""
    all_of_them = used = 0
    for name, shape, _ in matrices(layout):
        count = math.prod(shape)
        all_of_them += count
        used += count * layout.used // layout.experts if "_exps." in name else count
    return all_of_them, used


def size(shape, kind):
    count = math.prod(shape)
    return 4 * count if kind == F32 else count // BLOCK * BLOCK_BYTES[kind]


def vocabulary(count):
    """Bytes, and merges of two of them: ids are what matters here."""
    special = ["<|pad|>", "<|startoftext|>", "<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    moved = iter(range(256, 512))
    letters = [chr(b if b in plain else next(moved)) for b in range(256)]
    merges = [f"{a} {b}" for a in letters for b in letters][: count - len(special) - len(letters)]
    tokens = special + letters + [merge.replace(" ", "") for merge in merges]
    return {"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "lfm2", "tokenizer.ggml.tokens": tokens,
            "tokenizer.ggml.token_type": [3] * len(special) + [1] * (count - len(special)),
            "tokenizer.ggml.merges": merges, "tokenizer.ggml.bos_token_id": 1,
            "tokenizer.ggml.eos_token_id": 4, "tokenizer.ggml.padding_token_id": 0,
            "tokenizer.ggml.add_bos_token": True}


def metadata(layout, name):
    own = {"block_count": layout.blocks, "context_length": 1 << 20, "embedding_length": layout.width,
           "feed_forward_length": layout.feed_forward,
           "attention.head_count": layout.width // HEAD_WIDTH,
           "attention.head_count_kv": [layout.heads_kv if i in layout.attention else 0
                                       for i in range(layout.blocks)],
           "rope.freq_base": 1e6, "attention.layer_norm_rms_epsilon": 1e-5,
           "vocab_size": layout.vocabulary, "shortconv.l_cache": TAPS}
    if layout.experts:
        own |= {"expert_count": layout.experts, "expert_used_count": layout.used,
                "expert_feed_forward_length": layout.expert_width,
                "leading_dense_block_count": layout.dense, "expert_gating_func": 2}
    return ({"general.architecture": layout.architecture, "general.name": name,
             "general.description": "random weights in a layout of Rill's own"}
            | {f"{layout.architecture}.{key}": value for key, value in own.items()}
            | vocabulary(layout.vocabulary))


def head(layout, name):
    """Everything before the first tensor's data, and the bytes of all of them."""
    table = [(tensor, shape, kind, size(shape, kind)) for tensor, shape, kind in matrices(layout)]
    return gguf.head(metadata(layout, name), table)


def drawn(rng, name, shape, kind, depth):
    """The bytes of a tensor, part by part. What goes back into the stream is smaller the more blocks
    there are."""
    count = math.prod(shape)
    if kind == F32:
        if name.endswith("norm.weight"):
            values = np.ones(count)
        else:
            values = rng.standard_normal(count) * (0.6 if "conv" in name else shape[-1] ** -0.5)
        yield values.astype("<f4").tobytes()
        return
    back = name.endswith(("output.weight", "out_proj.weight", "ffn_down.weight", "ffn_down_exps.weight"))
    deviation = shape[-1] ** -0.5 * (2 / math.sqrt(2 * depth) if back else 1)
    codes = BLOCK_BYTES[kind] - 2
    # Of codes that are evenly distributed over 16 or 256 values.
    step = np.float16(deviation / math.sqrt((16**2 - 1) / 12 if kind == Q4_0 else (256**2 - 1) / 12))
    for first in range(0, count // BLOCK, DRAWN_BLOCKS):
        blocks = min(DRAWN_BLOCKS, count // BLOCK - first)
        out = np.empty((blocks, 2 + codes), np.uint8)
        out[:, :2] = np.frombuffer(step.astype("<f2").tobytes(), np.uint8)
        out[:, 2:] = np.frombuffer(rng.bytes(blocks * codes), np.uint8).reshape(blocks, codes)
        yield out.tobytes()


def write(path, layout, name, seed=1, hollow=False):
    rng = np.random.default_rng(seed)
    data, bytes_of_tensors = head(layout, name)
    with open(path, "wb") as file:
        file.write(data)
        if hollow:
            file.truncate(len(data) + bytes_of_tensors)
            return
        for tensor, shape, kind in matrices(layout):
            for part in drawn(rng, tensor, shape, kind, layout.blocks):
                file.write(part)
            file.write(bytes(-file.tell() % gguf.ALIGNMENT))


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("layout", choices=LAYOUTS)
    parser.add_argument("output", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--hollow", action="store_true", help="no weights: a file for rill inspect")
    options = parser.parse_args()
    layout = LAYOUTS[options.layout]
    write(options.output, layout, f"layout-{options.layout}", options.seed, options.hollow)
    count, used = parameters(layout)
    print(f"{options.output}: {count:,} parameters, {used:,} of them used by a token")


if __name__ == "__main__":
    main()
