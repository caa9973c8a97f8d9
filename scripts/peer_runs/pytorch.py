"""PyTorch's worker. torch.compile is left out where PyTorch has the layer: it compiles C++ for tens
of seconds a shape, and the work is in the same products and the same fused attention either way.
minGRU it does not have: there the compiler is given both ways to write it."""

from functools import partial

import torch
import torch.nn.functional as F

from peer_runs import memory
from peer_runs.pytorch_library import PyTorchLibrary
from peer_runs.reference import layer_case
from peer_runs.worker import serve
from torch_reference import make_layer


class PyTorch(PyTorchLibrary):
    def builders(self, case):
        functions = {"attention": ATTENTION, "mingru": MINGRU}.get(case.model, RECURRENT)
        return {name + way: lambda case, inputs, make=make, way=way: build(case, inputs, make, way)
                for name, make in functions.items() for way in WAYS[case.dtype]}


# How a layer is brought to a precision, as the end of a variant's name: all tensors are of it, or
# autocast rounds the factors of products of a layer in float32.
TENSORS, AUTOCAST = ":bfloat16", ":autocast"
WAYS = {"float32": ("",), "bfloat16": (TENSORS, AUTOCAST)}


def build(case, inputs, make, way=""):
    """`make` returns layer, function from x to y, x and swap, which maps the function's layout from
    and to batch first."""
    layer, x = loaded_layer(case, inputs), inputs["x"]
    if way == TENSORS:
        layer, x = layer.bfloat16(), x.bfloat16()
    layer, function, x, swap = make(case, layer, x)
    if way == AUTOCAST:
        function = under_autocast(function)
    if case.which_pass == "forward":
        return Forward(function, x, swap)
    return Train(layer, function, x, swap=swap, dy=inputs["dy"])


def under_autocast(function):
    def call(x):
        with torch.autocast("cpu", torch.bfloat16):
            return function(x)

    return call


def loaded_layer(case, inputs):
    layer = make_layer(layer_case(case), torch.float32)
    layer.load_state_dict({name: inputs[name] for name, _ in layer.named_parameters()})
    return layer.train(case.which_pass == "train")


class Forward:
    """Inference."""

    def __init__(self, function, x, swap):
        self._function, self._x, self._swap = function, x, swap

    def run(self):
        self._y = None  # first, so that the next result can take its memory
        with torch.inference_mode():
            self._y = self._function(self._x)

    def results(self):
        return {"y": self._swap(self._y)}


class Train:
    """Forward and backward to x and every parameter. Gradients are new tensors, not added up."""

    def __init__(self, layer, function, x, swap, dy):
        self._function, self._swap = function, swap
        self._x = x.detach().clone().requires_grad_()
        self._names = [f"d.{name}" for name, _ in layer.named_parameters()]
        self._leaves = [self._x, *layer.parameters()]
        self.use_dy(dy)

    def use_dy(self, dy):
        self._dy = self._swap(dy).contiguous()

    def run(self):
        self._y = self._gradients = None
        y = self._function(self._x)
        if self._dy.dtype != y.dtype:  # once, before what is timed
            self._dy = self._dy.to(y.dtype)
        self._gradients = torch.autograd.grad(y, self._leaves, self._dy)
        self._y = y.detach()

    def results(self):
        dx, *others = self._gradients
        return {"y": self._swap(self._y), "dx": self._swap(dx), **dict(zip(self._names, others))}


def unchanged(tensor):
    return tensor


def swap_batch_and_time(tensor):
    return tensor.transpose(0, 1)


def multihead_attention(case, layer, x):
    """nn.MultiheadAttention, in inference its fast path, which holds all scores and a copy."""
    memory.refuse_beyond_available(2 * 4 * case.batch * case.heads * case.steps**2)
    mask = (torch.ones(case.steps, case.steps, dtype=torch.bool).triu(1) if case.causal else None)

    def function(x):
        return layer(x, x, x, need_weights=False, attn_mask=mask, is_causal=case.causal)[0]

    return layer, function, x, unchanged


def one_projection(case, layer, x):
    return [part.unflatten(-1, (case.heads, -1)) for part in
            F.linear(x, layer.in_proj_weight, layer.in_proj_bias).chunk(3, dim=-1)]


def separate_projections(case, layer, x):
    return [F.linear(x, weight, bias).unflatten(-1, (case.heads, -1)) for weight, bias in
            zip(layer.in_proj_weight.chunk(3), layer.in_proj_bias.chunk(3))]


def scaled_dot_product(project):
    """F.linear for Q, K and V, F.scaled_dot_product_attention, F.linear for the output."""

    def make(case, layer, x):
        def function(x):
            q, k, v = (part.transpose(1, 2) for part in project(case, layer, x))
            context = F.scaled_dot_product_attention(q, k, v, is_causal=case.causal)
            return F.linear(context.transpose(1, 2).flatten(-2), layer.out_proj.weight,
                            layer.out_proj.bias)

        return layer, function, x, unchanged

    return make


ATTENTION = {"MultiheadAttention": multihead_attention,
             "linear+sdpa": scaled_dot_product(one_projection),
             "linear+sdpa:separate": scaled_dot_product(separate_projections)}


def batch_first(_case, layer, x):
    return layer, lambda x: layer(x)[0], x, unchanged


def time_first(_case, layer, x):
    """The layout that the library works in, given to it for free."""
    layer.batch_first = False
    return layer, lambda x: layer(x)[0], swap_batch_and_time(x).contiguous(), swap_batch_and_time


RECURRENT = {"batch_first": batch_first, "time_first": time_first}


def log_space_scan(layer, x):
    """h_t = Σ_s exp(Σ_{s<r≤t} log(1 − z_r) + log z_s + log h̃_s), as the authors and
    lucidrains/minGRU-pytorch write it (Heinsen 2023): two cumulative sums in place of the loop."""
    gate, v = layer.pre_activations(x)
    log_candidate = torch.where(v >= 0, (F.relu(v) + 0.5).log(), -F.softplus(-v))
    kept = -F.softplus(gate).cumsum(dim=1)
    return (kept + (log_candidate - F.softplus(-gate) - kept).logcumsumexp(dim=1)).exp()


def log_space(_case, layer, x):
    return layer, partial(log_space_scan, layer), x, unchanged


def compiled_log_space(_case, layer, x):
    return layer, torch.compile(partial(log_space_scan, layer)), x, unchanged


# The compiler unrolls the loop: at this length that takes minutes.
_LONGEST_COMPILED_LOOP = 512


def compiled_loop(case, layer, x):
    if case.steps > _LONGEST_COMPILED_LOOP:
        raise ValueError(f"a loop of {case.steps} steps is not compiled, only up to "
                         f"{_LONGEST_COMPILED_LOOP}")
    layer, function, x, swap = time_first(case, layer, x)
    return layer, torch.compile(function), x, swap


MINGRU = {"loop": batch_first, "loop:time_first": time_first, "log_space": log_space,
          "compiled:log_space": compiled_log_space, "compiled:loop:time_first": compiled_loop}


if __name__ == "__main__":
    serve(PyTorch)
