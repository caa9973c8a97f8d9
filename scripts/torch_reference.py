"""One layer in PyTorch, forward and backward: what seqbench's layers are compared with.

Needs torch and safetensors, which neither ./scripts/reproduce nor ./scripts/test installs; the
environment of scripts/peers, .venv-peers/, has them (scripts/peers-requirements.txt).
"""

import zlib
from dataclasses import dataclass

import torch
import torch.nn.functional as F

MODELS = ("elman", "lstm", "gru", "mingru", "attention")
_RECURRENT = {"elman": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}


@dataclass(frozen=True)
class Case:
    """A layer and the shape of its input [batch, steps, width]."""

    model: str
    batch: int
    steps: int
    width: int
    heads: int = 1
    causal: bool = False
    linear: bool = False  # minGRU's variant

    @property
    def name(self):
        variant = "_linear" if self.linear else ""
        name = f"{self.model}{variant}_B{self.batch}_T{self.steps}_D{self.width}"
        if self.model == "attention":
            name += f"_H{self.heads}" + ("_causal" if self.causal else "")
        return name

    @property
    def metadata(self):
        """The __metadata__ that `seqbench conform` reads."""
        if self.model == "mingru":
            return {"model": self.model, "variant": "linear" if self.linear else "default"}
        if self.model != "attention":
            return {"model": self.model}
        return {"model": self.model, "heads": str(self.heads), "causal": str(self.causal).lower()}


class MinGru(torch.nn.Module):
    """The minimal GRU (Feng et al. 2024), as one writes it: one product, then a loop over time.

    Parameters weight_ih_l0 [2·D, D] and bias_ih_l0 [2·D], rows of z, then of the candidate. Takes x
    [B, T, D], or [T, B, D] where not batch_first, and returns y and the last state, as nn.GRU does.
    """

    def __init__(self, width, batch_first=True, linear=False, dtype=torch.float32):
        super().__init__()
        self.batch_first, self.linear = batch_first, linear
        self.weight_ih_l0 = torch.nn.Parameter(torch.empty(2 * width, width, dtype=dtype))
        self.bias_ih_l0 = torch.nn.Parameter(torch.empty(2 * width, dtype=dtype))
        for parameter in self.parameters():
            torch.nn.init.uniform_(parameter, -width**-0.5, width**-0.5)

    def pre_activations(self, x):
        """Of the gate and of the candidate, each as x."""
        return F.linear(x, self.weight_ih_l0, self.bias_ih_l0).chunk(2, dim=-1)

    def candidate(self, v):
        return v if self.linear else torch.where(v >= 0, v + 0.5, torch.sigmoid(v))

    def forward(self, x):
        gate, v = self.pre_activations(x)
        z, candidate = torch.sigmoid(gate), self.candidate(v)
        time = 1 if self.batch_first else 0
        h, states = torch.zeros_like(x.select(time, 0)), []
        for z_t, candidate_t in zip(z.unbind(time), candidate.unbind(time)):
            h = (1 - z_t) * h + z_t * candidate_t
            states.append(h)
        return torch.stack(states, dim=time), h


def undecided(case, inputs):
    """Where rounding alone decides on which side of 0, at which its derivative jumps, a minGRU's
    candidate lies: (tokens [B, T], rows of the parameters [2·D]), or None for another layer."""
    if case.model != "mingru" or case.linear:
        return None
    rows = inputs["weight_ih_l0"].double()[case.width:]
    v = F.linear(inputs["x"].double(), rows, inputs["bias_ih_l0"].double()[case.width:])
    # Some ten standard deviations of the rounding of a sum over D products.
    near = v.abs() <= 2 * torch.finfo(torch.float32).eps * (case.width * v.square().mean()).sqrt()
    return near.any(-1), torch.cat([torch.zeros(case.width, dtype=torch.bool), near.any(0).any(0)])


def with_undecided(near, expected, actual):
    """`actual` with the gradients of `expected` that undecided() elements reach."""
    if near is None:
        return actual
    tokens, rows = near
    settled = dict(actual)
    for name, where in (("dx", tokens), ("d.weight_ih_l0", rows), ("d.bias_ih_l0", rows)):
        if name in actual:
            settled[name] = actual[name].to(torch.float64, copy=True)
            settled[name][where] = expected[name][where].double()
    return settled


def make_layer(case, dtype):
    if case.model == "attention":
        return torch.nn.MultiheadAttention(case.width, case.heads, batch_first=True, dtype=dtype)
    if case.model == "mingru":
        return MinGru(case.width, linear=case.linear, dtype=dtype)
    return _RECURRENT[case.model](case.width, case.width, batch_first=True, dtype=dtype)


def draw_inputs(case, seed=0):
    """x and dy ~ N(0, 1) and every parameter, in float32, always the same for a case and seed.

    Parameters ~ U(±1/√D), biases included, so that no term of an equation is hidden by a zero;
    twice as wide for attention, whose softmax would be close to uniform otherwise.
    """
    generator = torch.Generator().manual_seed(zlib.crc32(f"{case.name} {seed}".encode()))
    shape = (case.batch, case.steps, case.width)
    tensors = {name: torch.randn(shape, generator=generator) for name in ("x", "dy")}
    bound = (2 if case.model == "attention" else 1) / case.width**0.5
    for name, parameter in make_layer(case, torch.float32).named_parameters():
        tensors[name] = (2 * torch.rand(parameter.shape, generator=generator) - 1) * bound
    return tensors


def run_layer(case, inputs, dtype, autocast=False):
    """{y, dx, d.NAME for every parameter} of PyTorch's layer, computed in dtype, or with its
    products in bfloat16 by torch.autocast."""
    layer = make_layer(case, dtype)
    layer.load_state_dict({name: inputs[name] for name, _ in layer.named_parameters()})
    x = inputs["x"].to(dtype, copy=True).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        if case.model == "attention":
            hidden = torch.ones(case.steps, case.steps, dtype=torch.bool).triu(1)
            mask = hidden if case.causal else None
            y, _ = layer(x, x, x, need_weights=False, attn_mask=mask)
        else:
            y, _ = layer(x)
    y.backward(inputs["dy"].to(y.dtype))
    gradients = {f"d.{name}": parameter.grad for name, parameter in layer.named_parameters()}
    return {"y": y.detach(), "dx": x.grad, **gradients}
