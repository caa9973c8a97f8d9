"""Writes tests/golden/*.safetensors: inputs and PyTorch's results, computed in double.

Run it only to add a case: the files are committed and the tests need no PyTorch. Every run draws
the same inputs. It needs the environment that scripts/torch_reference.py describes:

    scripts/fixtures

Elements are stored as float32: inputs exactly, results rounded (half a unit in the last place).
"""

import json
from pathlib import Path

import torch

from torch_reference import MODELS, Case, draw_inputs, run_layer

GOLDEN = Path(__file__).resolve().parent.parent / "tests" / "golden"

# (B, T, D): odd sizes, single steps and units, more units than a vector, more steps than a tile.
RECURRENT_SHAPES = [(3, 7, 10), (1, 1, 1), (2, 1, 5), (2, 5, 1), (4, 3, 17), (1, 70, 3)]
# (B, T, D, H)
ATTENTION_SHAPES = [(3, 7, 10, 5), (1, 1, 1, 1), (2, 1, 6, 3), (2, 5, 1, 1), (2, 9, 17, 1),
                    (1, 65, 6, 2), (1, 130, 4, 1)]


def all_cases():
    for model in (name for name in MODELS if name != "attention"):
        yield from (Case(model, *shape) for shape in RECURRENT_SHAPES)
    yield from (Case("mingru", *shape, linear=True) for shape in RECURRENT_SHAPES)
    for causal in (False, True):
        yield from (Case("attention", *shape, causal) for shape in ATTENTION_SHAPES)


def save(name, tensors, metadata):
    """Writes the format by hand: the safetensors package orders metadata differently every time."""
    header = {"__metadata__": {**metadata, "torch": torch.__version__}}
    data = b""
    for key, value in tensors.items():
        stored = value.to(torch.float32).contiguous().numpy().tobytes()
        header[key] = {"dtype": "F32", "shape": list(value.shape),
                       "data_offsets": [len(data), len(data) + len(stored)]}
        data += stored
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path = GOLDEN / f"{name}.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


def save_layer(case):
    inputs = draw_inputs(case)
    save(case.name, {**inputs, **run_layer(case, inputs, torch.float64)}, case.metadata)


def main():
    torch.set_num_threads(1)  # sums in one order
    GOLDEN.mkdir(exist_ok=True)
    for case in all_cases():
        save_layer(case)
    total = sum(path.stat().st_size for path in GOLDEN.glob("*.safetensors"))
    print(f"{GOLDEN}: {len(list(GOLDEN.glob('*.safetensors')))} files, {total} bytes")


if __name__ == "__main__":
    main()
