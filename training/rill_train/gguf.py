"""GGUF version 3: a writer for F32, F16, BF16 and Q8_0, and a reader for our own checks.

A file is a header, metadata, a table of tensors and their data, all little endian; a tensor's
dimensions stand innermost first, the reverse of numpy's shape, and its data begins at a multiple of
32 bytes.
"""

import struct

import numpy as np

MAGIC, VERSION, ALIGNMENT = b"GGUF", 3, 32
U32, I32, F32, BOOL, STRING, ARRAY, U64 = 4, 5, 6, 7, 8, 9, 10
SCALARS = {U32: "<I", I32: "<i", F32: "<f", BOOL: "<?", U64: "<Q"}
TENSOR_TYPES = {"F32": 0, "F16": 1, "Q8_0": 8, "BF16": 30}
BLOCK = 32  # values that share a scale in Q8_0


def encode_tensor(array, kind):
    """Bytes of a tensor of the given type."""
    array = np.ascontiguousarray(array, np.float32)
    if kind == "F32":
        return array.tobytes()
    if kind == "F16":
        return array.astype("<f2").tobytes()
    if kind == "BF16":
        bits = array.view(np.uint32).astype(np.uint64)
        # To nearest, ties to even, on the upper sixteen bits.
        return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2").tobytes()
    assert kind == "Q8_0" and array.shape[-1] % BLOCK == 0, (kind, array.shape)
    blocks = array.reshape(-1, BLOCK)
    scale = (np.abs(blocks).max(1) / 127).astype("<f2")
    divisor = np.where(scale > 0, scale, 1).astype(np.float32)
    out = np.zeros(len(blocks), [("scale", "<f2"), ("values", "i1", BLOCK)])
    out["scale"] = scale
    out["values"] = np.clip(np.rint(blocks / divisor[:, None]), -127, 127)
    return out.tobytes()


def decode_tensor(data, kind, shape):
    count = int(np.prod(shape))
    if kind == "F32":
        values = np.frombuffer(data, "<f4", count)
    elif kind == "F16":
        values = np.frombuffer(data, "<f2", count)
    elif kind == "BF16":
        values = (np.frombuffer(data, "<u2", count).astype(np.uint32) << 16).view(np.float32)
    else:
        blocks = np.frombuffer(data, [("scale", "<f2"), ("values", "i1", BLOCK)], count // BLOCK)
        values = blocks["scale"].astype(np.float32)[:, None] * blocks["values"]
    return values.astype(np.float32).reshape(shape)


def encode_string(text):
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def encode_value(value):
    """Type and bytes: int as u32, float as f32, a list as an array of its first element's type."""
    if isinstance(value, bool):
        return BOOL, struct.pack("<?", value)
    if isinstance(value, int):
        return U32, struct.pack("<I", value)
    if isinstance(value, float):
        return F32, struct.pack("<f", value)
    if isinstance(value, str):
        return STRING, encode_string(value)
    parts = [encode_value(item) for item in value]
    return ARRAY, struct.pack("<IQ", parts[0][0], len(parts)) + b"".join(data for _, data in parts)


def padded(data):
    return data + bytes(-len(data) % ALIGNMENT)


def head(metadata, table):
    """Everything before the first tensor's data, and the bytes of all of them: metadata {key: value},
    table [(name, numpy's shape, number of the type, bytes)] in the order of the data."""
    parts = [MAGIC, struct.pack("<IQQ", VERSION, len(table), len(metadata))]
    for key, value in metadata.items():
        kind, data = encode_value(value)
        parts += [encode_string(key), struct.pack("<I", kind), data]
    offset = 0
    for name, shape, kind, size in table:
        parts += [encode_string(name), struct.pack(f"<I{len(shape)}Q", len(shape), *shape[::-1]),
                  struct.pack("<IQ", kind, offset)]
        offset += -(-size // ALIGNMENT) * ALIGNMENT
    return padded(b"".join(parts)), offset


def write(path, metadata, tensors):
    """metadata {key: value}; tensors {name: (array, type name)}, written in the given order."""
    bodies = [encode_tensor(array, kind) for array, kind in tensors.values()]
    table = [(name, array.shape, TENSOR_TYPES[kind], len(body))
             for (name, (array, kind)), body in zip(tensors.items(), bodies)]
    with open(path, "wb") as file:
        file.write(head(metadata, table)[0] + b"".join(map(padded, bodies)))


class Cursor:
    def __init__(self, data):
        self.data, self.position = data, 0

    def take(self, form):
        value = struct.unpack_from(form, self.data, self.position)
        self.position += struct.calcsize(form)
        return value[0] if len(value) == 1 else value

    def string(self):
        length = self.take("<Q")
        self.position += length
        return self.data[self.position - length : self.position].decode()

    def value(self, kind):
        if kind == STRING:
            return self.string()
        if kind == ARRAY:
            inner, count = self.take("<IQ")
            return [self.value(inner) for _ in range(count)]
        return self.take(SCALARS[kind])


def read(path):
    """Metadata and {name: float32 array} of a file that this module wrote."""
    with open(path, "rb") as file:
        cursor = Cursor(file.read())
    assert cursor.data[:4] == MAGIC
    cursor.position = 4
    version, tensor_count, key_count = cursor.take("<IQQ")
    assert version == VERSION
    metadata = {}
    for _ in range(key_count):
        key = cursor.string()
        metadata[key] = cursor.value(cursor.take("<I"))
    table, names = [], {number: name for name, number in TENSOR_TYPES.items()}
    for _ in range(tensor_count):
        name, dimensions = cursor.string(), cursor.take("<I")
        shape = [cursor.take("<Q") for _ in range(dimensions)][::-1]
        table.append((name, shape, *cursor.take("<IQ")))
    start = -(-cursor.position // ALIGNMENT) * ALIGNMENT
    return metadata, {
        name: decode_tensor(cursor.data[start + offset :], names[kind], shape)
        for name, shape, kind, offset in table
    }
