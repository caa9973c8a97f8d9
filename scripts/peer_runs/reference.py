"""What a layer's result must be, in PyTorch's double precision, before it may be timed.

Two checks, as the whole reference of a large case would cost more than the case:

- small_sibling(case) in full, against PyTorch's own layer;
- the case itself on sampled rows, like harness/timing/reference.h: some query rows of attention, some
  sequences of a recurrent layer. A train case runs with an upstream gradient that is zero outside
  the sample, so that *every* gradient follows from the sampled rows and is compared in full.
"""

import random
from dataclasses import replace

import torch
import torch.nn.functional as F

from torch_reference import Case as LayerCase
from torch_reference import make_layer, run_layer, undecided, with_undecided

_SEQUENCES = 4
_WHOLE_BELOW_STEPS = 64
_RANDOM_STEPS = 8


def layer_case(case):
    """The case as scripts/torch_reference.py describes it."""
    return LayerCase(model=case.model, batch=case.batch, steps=case.steps, width=case.width,
                     heads=case.heads or 1, causal=case.causal)


def small_sibling(case):
    """The same layer on two short sequences of an odd length."""
    return replace(case, batch=2, steps=37)


class WholeReference:
    """Every element of the result."""

    def __init__(self, case, inputs):
        self.dy = inputs["dy"]
        self._case = case
        self._expected = run_layer(layer_case(case), inputs, torch.float64)
        self._undecided = undecided(layer_case(case), inputs)

    def difference(self, actual):
        actual = with_undecided(self._undecided, self._expected, actual)
        return first_difference(self._case, self._expected, actual)


class SampledReference:
    """Sampled rows of y and, of a train case, all gradients that follow from them. `dy` is the
    upstream gradient that the checked run must use."""

    def __init__(self, case, inputs):
        self._case = case
        self._sequences = sampled_sequences(case.batch)
        self._steps = (sampled_steps(case.steps) if case.model == "attention"
                       else list(range(case.steps)))
        rows = torch.tensor(self._sequences)[:, None], torch.tensor(self._steps)
        self.dy = torch.zeros_like(inputs["dy"])
        self.dy[rows] = inputs["dy"][rows]
        self._expected = self._compute(inputs)
        sampled = dict(inputs, x=inputs["x"][self._sequences])
        self._undecided = undecided(layer_case(case), sampled)

    def difference(self, actual):
        sampled = dict(actual, y=actual["y"][self._sequences][:, self._steps])
        if "dx" in actual:
            sampled["dx"] = actual["dx"][self._sequences]
        sampled = with_undecided(self._undecided, self._expected, sampled)
        return first_difference(self._case, self._expected, sampled)

    def _compute(self, inputs):
        layer = make_layer(layer_case(self._case), torch.float64)
        layer.load_state_dict({name: inputs[name] for name, _ in layer.named_parameters()})
        x = inputs["x"][self._sequences].double().requires_grad_()
        if self._case.model == "attention":
            y = attention_rows(layer, x, self._steps, self._case.causal)
        else:
            y, _ = layer(x)
        if self._case.which_pass != "train":
            return {"y": y.detach()}
        y.backward(self.dy[self._sequences][:, self._steps].double())
        gradients = {f"d.{name}": value.grad for name, value in layer.named_parameters()}
        return {"y": y.detach(), "dx": x.grad, **gradients}


def attention_rows(layer, x, steps, causal):
    """softmax(QKᵀ/√d_k)·V of the query rows `steps`, projected: [B, rows, D]."""
    q, k, v = (F.linear(rows, weight, bias).unflatten(-1, (layer.num_heads, -1)).transpose(1, 2)
               for rows, weight, bias in zip((x[:, steps], x, x), layer.in_proj_weight.chunk(3),
                                             layer.in_proj_bias.chunk(3)))
    scores = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
    if causal:
        hidden = torch.arange(x.shape[1]) > torch.tensor(steps)[:, None]
        scores = scores.masked_fill(hidden, float("-inf"))
    context = (scores.softmax(-1) @ v).transpose(1, 2).flatten(-2)
    return F.linear(context, layer.out_proj.weight, layer.out_proj.bias)


def sampled_sequences(batch):
    """The first, the last and some drawn at random."""
    ends = {0, batch - 1}
    others = [b for b in range(batch) if b not in ends]
    drawn = random.Random(batch).sample(others, min(len(others), _SEQUENCES - 2))
    return sorted(ends.union(drawn))


def sampled_steps(steps):
    """The ends, the neighbourhood of every likely tile edge near the start, some at random."""
    if steps <= _WHOLE_BELOW_STEPS:
        return list(range(steps))
    likely = {0, 1, 31, 32, 63, 64, 127, 128, 255, 256, steps // 2, steps - 2, steps - 1}
    drawn = random.Random(steps).sample(range(steps), _RANDOM_STEPS)
    return sorted(step for step in likely.union(drawn) if step < steps)


def first_difference(case, expected, actual):
    """"", or the first tensor of `actual` that differs, by how much and what is allowed."""
    for name, value in actual.items():
        largest = expected[name].abs().max().item()
        bound = rounding_bound(case, name) * largest
        error = (value.double() - expected[name]).abs().max().item()
        if not error <= bound:  # NaN differs
            return (f"{name} differs from the reference by {error:.3g}, allowed {bound:.3g} "
                    f"(largest element {largest:.3g})")
    return ""


def rounding_bound(case, name):
    """Relative to the largest element: a chain of n roundings of random signs grows as √n, 8
    standard deviations make a false alarm unlikely (harness/timing/reference.cc). In bfloat16 what
    is rounded is stored: states and the sums of gradients, once a step, and a few values besides;
    beyond a quarter nothing would be checked, so that the small sibling decides."""
    if case.dtype == "bfloat16":
        return min(0.25, 8 * 2**-9 * (4 + case.steps) ** 0.5)
    roundings = 4 * case.width + case.steps
    if name.startswith("d."):
        roundings += case.batch * case.steps
    return 8 * torch.finfo(torch.float32).eps * roundings**0.5
