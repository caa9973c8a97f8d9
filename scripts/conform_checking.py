"""Runs `seqbench conform` on many layers and compares every result with PyTorch's in double.

    scripts/check_conform [--seqbench build/release/seqbench] [--random 40] [--dtype bfloat16]

A tensor passes when its largest difference is at most 2e-5 of the largest element, or twice the
error that PyTorch's own float32 makes, where that is more. In bfloat16 both get the same tensors of
that type: twice the error of PyTorch's layer of such tensors, or of torch.autocast's of float32,
whichever is less, and at least 2⁻⁷, two roundings. Exit code 1 when one does not. The environment
that it needs is described in scripts/torch_reference.py.
"""

import argparse
import itertools
import random
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from torch_reference import (MODELS, Case, draw_inputs, run_layer, undecided,
                             with_undecided)

ROOT = Path(__file__).resolve().parent.parent
RECURRENT_KERNELS = ("stepwise", "hoisted", "persistent", "newton")
KERNELS = {model: RECURRENT_KERNELS for model in MODELS} | {
    "mingru": ("stepwise", "scan"), "attention": ("naive", "fused")}

ROUNDED_KERNELS = {model: ("persistent",) for model in MODELS} | {
    "mingru": ("scan",), "attention": ("fused",)}
# Of a tensor's largest element, whatever PyTorch's error is.
FLOOR = {"float32": 2e-5, "bfloat16": 2**-7}

# (B, T, D, H): the shapes that were promised, single elements, lengths around a tile, real widths.
SHAPES = [(3, 37, 20, 5), (1, 1, 1, 1), (2, 1, 20, 5), (2, 37, 1, 1), (1, 2, 3, 3), (5, 3, 7, 1),
          (1, 63, 16, 2), (1, 64, 16, 2), (1, 65, 16, 2), (2, 127, 24, 3), (2, 128, 24, 3),
          (2, 129, 24, 3), (1, 257, 33, 1), (1, 100, 256, 4), (3, 40, 256, 2), (16, 9, 130, 13)]


def shapes_to_check(random_count):
    yield from SHAPES
    draw = random.Random(1)
    for _ in range(random_count):
        heads = draw.randint(1, 6)
        yield draw.randint(1, 5), draw.randint(1, 140), heads * draw.randint(1, 24), heads


def cases_to_check(random_count):
    for shape in shapes_to_check(random_count):
        for model in MODELS:
            if model == "attention":
                yield from (Case(model, *shape, causal) for causal in (False, True))
            else:
                yield Case(model, *shape[:3])
            if model == "mingru":
                yield Case(model, *shape[:3], linear=True)


def run_conform(program, folder, inputs, metadata):
    given, result = folder / "given.safetensors", folder / "result.safetensors"
    result.unlink(missing_ok=True)
    save_file(inputs, given, metadata=metadata)
    subprocess.run([program, "conform", given, "--out", result], check=True, capture_output=True)
    return load_file(result)


def largest(tensor):
    return tensor.abs().max().item()


def references(case, inputs, dtype):
    """PyTorch's results in double, and in `dtype` by each of its ways."""
    if dtype == "float32":
        return run_layer(case, inputs, torch.float64), [run_layer(case, inputs, torch.float32)]
    return run_layer(case, inputs, torch.float64), [
        run_layer(case, inputs, torch.bfloat16),
        run_layer(case, inputs, torch.float32, autocast=True),
    ]


def compare(actual, exact, ways, floor):
    """For each tensor: (name, error, least error of PyTorch's ways, bound), relative to its largest
    element."""
    if actual.keys() != exact.keys():
        raise SystemExit(f"conform wrote {sorted(actual)}, expected {sorted(exact)}")
    for name, expected in exact.items():
        if actual[name].shape != expected.shape:
            raise SystemExit(f"{name} has shape {actual[name].shape}, expected {expected.shape}")
        scale = largest(expected) or 1.0
        error = largest(actual[name].double() - expected) / scale
        torch_error = min(largest(way[name].double() - expected) for way in ways) / scale
        yield name, error, torch_error, max(floor, 2 * torch_error)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seqbench", default=ROOT / "build/release/seqbench", type=Path)
    parser.add_argument("--random", default=40, type=int, help="random shapes beside the fixed ones")
    parser.add_argument("--model", nargs="+", choices=MODELS, default=MODELS)
    parser.add_argument("--dtype", nargs="+", choices=list(FLOOR), default=list(FLOOR))
    arguments = parser.parse_args()
    if not arguments.seqbench.is_file():
        parser.error(f"--seqbench: '{arguments.seqbench}' is not there; build it (cmake --build "
                     "--preset release) or name another")

    worst = defaultdict(lambda: (-1.0,))  # by (model, kernel, dtype): (share of the bound, ...)
    checked = failed = 0
    with tempfile.TemporaryDirectory() as folder:
        cases = [c for c in cases_to_check(arguments.random) if c.model in arguments.model]
        for (number, case), dtype in itertools.product(enumerate(cases), arguments.dtype):
            inputs = draw_inputs(case)
            if dtype == "bfloat16":
                inputs = {name: tensor.bfloat16() for name, tensor in inputs.items()}
            exact, ways = references(case, inputs, dtype)
            near = undecided(case, inputs)
            ways = [with_undecided(near, exact, way) for way in ways]
            for kernel in (KERNELS if dtype == "float32" else ROUNDED_KERNELS)[case.model]:
                metadata = {**case.metadata, "kernel": kernel, "threads": str(1 + number % 3)}
                actual = run_conform(arguments.seqbench, Path(folder), inputs, metadata)
                actual = with_undecided(near, exact, actual)
                for name, error, torch_error, bound in compare(actual, exact, ways, FLOOR[dtype]):
                    checked += 1
                    row = (error / bound, error, torch_error, f"{name} of {case.name}")
                    key = case.model, kernel, dtype
                    worst[key] = max(worst[key], row)
                    if not error <= bound:  # NaN fails
                        failed += 1
                        print(f"FAILED {case.name} {kernel} {dtype}: {name} is off by {error:.2e} of "
                              f"its largest element, allowed {bound:.2e}")

    print(f"{checked} tensors of {len(cases)} layers checked, {failed} failed. Worst of each kernel, "
          "relative to the largest element:")
    print(f"{'model':10} {'kernel':10} {'dtype':8} {'error':>9} {'PyTorch':>9} {'of bound':>9}  tensor")
    for key, (share, error, torch_error, tensor) in worst.items():
        model, kernel, dtype = key
        print(f"{model:10} {kernel:10} {dtype:8} {error:9.1e} {torch_error:9.1e} {share:9.1%}  {tensor}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
