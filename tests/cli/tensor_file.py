"""Files of tensors (.safetensors) as header and data, to be changed by hand."""

import json
import math
import pathlib
import struct


def read_header(path):
    data = pathlib.Path(path).read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    return json.loads(data[8:8 + length]), data[8 + length:]


def with_tensor(header, data, name, shape=(10,)):
    """The file with one more tensor of zeros behind the others."""
    size = 4 * math.prod(shape)
    entry = {"dtype": "F32", "shape": list(shape), "data_offsets": [len(data), len(data) + size]}
    return header | {name: entry}, data + bytes(size)


def bytes_of(header, data, name):
    begin, end = header[name]["data_offsets"]
    return data[begin:end]


def floats_of(header, data, name):
    """The elements of a tensor of F32."""
    return [value for (value,) in struct.iter_unpack("<f", bytes_of(header, data, name))]


def rounded(header, data, names, dtype):
    """A file of the tensors (F32) of those names, cut to the upper half of each element: as BF16,
    or the same numbers as F32."""
    tensors, parts, begin = {}, [], 0
    for name in names:
        halves = [part[2:] for (part,) in struct.iter_unpack("4s", bytes_of(header, data, name))]
        parts.append(b"".join(half if dtype == "BF16" else bytes(2) + half for half in halves))
        end = begin + len(parts[-1])
        tensors[name] = header[name] | {"dtype": dtype, "data_offsets": [begin, end]}
        begin = end
    return {"__metadata__": header["__metadata__"]} | tensors, b"".join(parts)


def write_file(path, header, data):
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
