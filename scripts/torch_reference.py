"""One layer in PyTorch, forward and backward: what seqbench's layers are compared with.

Needs torch and safetensors, which neither ./scripts/reproduce nor ./scripts/test installs; the
environment of scripts/peers, .venv-peers/, has them (scripts/peers-requirements.txt).
"""

import zlib
from dataclasses import dataclass

import torch

MODELS = ("elman", "lstm", "gru", "attention")
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

    @property
    def name(self):
        name = f"{self.model}_B{self.batch}_T{self.steps}_D{self.width}"
        if self.model == "attention":
            name += f"_H{self.heads}" + ("_causal" if self.causal else "")
        return name

    @property
    def metadata(self):
        """The __metadata__ that `seqbench conform` reads."""
        if self.model != "attention":
            return {"model": self.model}
        return {"model": self.model, "heads": str(self.heads), "causal": str(self.causal).lower()}


def make_layer(case, dtype):
    if case.model == "attention":
        return torch.nn.MultiheadAttention(case.width, case.heads, batch_first=True, dtype=dtype)
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


def run_layer(case, inputs, dtype):
    """{y, dx, d.NAME for every parameter} of PyTorch's layer, computed in dtype."""
    layer = make_layer(case, dtype)
    layer.load_state_dict({name: inputs[name] for name, _ in layer.named_parameters()})
    x = inputs["x"].to(dtype).requires_grad_()
    if case.model == "attention":
        hidden = torch.ones(case.steps, case.steps, dtype=torch.bool).triu(1)
        mask = hidden if case.causal else None
        y, _ = layer(x, x, x, need_weights=False, attn_mask=mask)
    else:
        y, _ = layer(x)
    y.backward(inputs["dy"].to(dtype))
    gradients = {f"d.{name}": parameter.grad for name, parameter in layer.named_parameters()}
    return {"y": y.detach(), "dx": x.grad, **gradients}
