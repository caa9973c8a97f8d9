"""PyTorch's worker for training steps on a text (harness/server/text_step_server.h): the same model
from the same parameters on the same windows at the same rates, whose losses over the first hundred
steps must be seqbench's."""

from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F

from peer_runs.choice import Choice
from peer_runs.pytorch_library import PyTorchLibrary
from peer_runs.pytorch_steps import RECURRENT, TrainingFile, output
from peer_runs.statistics import within_rounding
from peer_runs.step_cases import StepCase
from peer_runs.worker import Worker, serve
from torch_reference import MinGru

# Of a loss against seqbench's, in nats, over a hundred steps: rounding of float32 sums that differ
# in order, which the steps carry on. Where a training carries it further, PyTorch's own losses in
# double precision say how far.
LOSS_TOLERANCE = 1e-4

# What the name of a form begins with whose model torch.compile has made.
COMPILED = "compiled:"


class Training(TrainingFile):
    """What the file says; tokens and targets are [S, B, T]."""

    def __init__(self, path):
        super().__init__(path)
        self.learning_rates = self.parameters.pop("learning_rates").tolist()


class CausalAttention(torch.nn.Module):
    """nanoGPT's, under nn.MultiheadAttention's names."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.in_proj_weight = torch.nn.Parameter(torch.empty(3 * width, width))
        self.out_proj = torch.nn.Linear(width, width, bias=False)

    def forward(self, x):
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2)
                   for part in F.linear(x, self.in_proj_weight).chunk(3, dim=-1))
        context = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.out_proj(context.transpose(1, 2).flatten(-2))


class Norm(torch.nn.Module):
    """A layer norm without bias."""

    def __init__(self, width):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.empty(width))

    def forward(self, x):
        return F.layer_norm(x, self.weight.shape, self.weight)


def make_layer(settings):
    width = settings["width"]
    if settings["model"] == "attention":
        return CausalAttention(width, settings["heads"])
    if settings["model"] == "mingru":
        return MinGru(width, batch_first=True)
    return RECURRENT[settings["model"]](width, width, batch_first=True)


def make_block(settings):
    """The layer, with the rest of its block beside its parameters."""
    block, width = make_layer(settings), settings["width"]
    block.norm1, block.norm2 = Norm(width), Norm(width)
    block.linear1 = torch.nn.Linear(width, 4 * width, bias=False)
    block.linear2 = torch.nn.Linear(4 * width, width, bias=False)
    return block


class Model(torch.nn.Module):
    """Embedding, positions where the file has them, blocks, norm, the embedding as readout."""

    def __init__(self, training):
        super().__init__()
        settings, parameters = training.settings, training.parameters
        self.embedding = torch.nn.Embedding(*parameters["embedding.weight"].shape)
        positions = parameters.get("positions.weight")
        self.positions = None if positions is None else torch.nn.Embedding(*positions.shape)
        self.blocks = torch.nn.ModuleList(make_block(settings) for _ in range(settings["layers"]))
        self.final_norm = Norm(settings["width"])
        self.load_state_dict(parameters)

    def forward(self, tokens, targets):
        x = self.embedding(tokens)
        if self.positions is not None:
            x = x + self.positions.weight[:tokens.shape[1]]
        for block in self.blocks:
            x = x + output(block(block.norm1(x)))
            hidden = F.gelu(block.linear1(block.norm2(x)), approximate="tanh")
            x = x + block.linear2(hidden)
        logits = F.linear(self.final_norm(x), self.embedding.weight)
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


@dataclass(frozen=True)
class Form:
    """How a step is taken."""

    optimiser: str  # AdamW's implementation
    compiled: bool = False

    @property
    def name(self):
        return (COMPILED if self.compiled else "") + self.optimiser


class Step:
    """One training step a run, from the first on; behind the last window that one again."""

    def __init__(self, training, form, dtype=torch.float32):
        settings = training.settings
        self._training = training
        model = Model(training).to(dtype)
        self._most = settings["max_gradient_norm"]
        self._parameters = list(model.parameters())
        matrices = [p for p in self._parameters if p.dim() >= 2]
        rest = [p for p in self._parameters if p.dim() < 2]
        self._optimiser = torch.optim.AdamW(
            [{"params": matrices, "weight_decay": settings["weight_decay"]},
             {"params": rest, "weight_decay": 0.0}],
            betas=(0.9, settings["beta2"]), **{form.optimiser: True})
        self._model = torch.compile(model) if form.compiled else model
        self._taken = 0

    def run(self):
        training = self._training
        step = min(self._taken, len(training.losses) - 1)
        self._taken += 1
        for group in self._optimiser.param_groups:
            group["lr"] = training.learning_rates[step]
        loss = self._model(training.tokens[step], training.targets[step])
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._parameters, self._most)
        self._optimiser.step()
        return loss.item()


class PyTorchText(PyTorchLibrary):
    def builders(self, _case):
        """Ways to take the step."""
        forms = [Form(optimiser, compiled) for compiled in (False, True)
                 for optimiser in ("fused", "foreach")]
        return {form.name: partial(Step, form=form) for form in forms}


class TextWorker(Worker):
    parse_case = staticmethod(StepCase.parse)

    def _choose(self, case, builders, request):
        """The fastest of those that meet the file's losses. Only the faster of the optimisers is tried
        beside a compiled model, which it is no part of, and where the request "compiles"."""
        training = Training(request["file"])
        choice = Choice()
        exact = []  # losses in double precision, where they are asked for
        faster = None  # eager form
        for name, build in builders.items():
            if name.startswith(COMPILED) and "form" not in request:
                faster = faster or choice.name
                if not request.get("compiles", True) or name != COMPILED + faster:
                    continue
            try:
                variant = build(training)
                losses = [variant.run() for _ in training.losses]
            except Exception as error:  # a compiler that is not there rules out this form alone
                choice.rejected[name] = f"{type(error).__name__}: {str(error).strip()[:200]}"
                continue
            facts = {"loss_difference": furthest(losses, training.losses)}
            if not facts["loss_difference"] <= LOSS_TOLERANCE and "form" not in request:
                exact = exact or exact_losses(training)
                facts["loss_rounding"] = furthest(losses, exact)
                if not within_rounding(training.losses, losses, exact, LOSS_TOLERANCE):
                    choice.rejected[name] = (
                        f"a loss differs from seqbench's by {facts['loss_difference']:.1e}, more than "
                        f"{LOSS_TOLERANCE} and more than rounding makes of it")
                    continue
            choice.race_with(name, variant, facts)
        return choice


def exact_losses(training):
    step = Step(training, Form("foreach"), torch.float64)
    return [step.run() for _ in training.losses]


def furthest(losses, others):
    """Largest difference; not a number where one is none."""
    differences = [abs(a - b) for a, b in zip(losses, others, strict=True)]
    return max(differences) if all(d == d for d in differences) else float("nan")


if __name__ == "__main__":
    serve(PyTorchText, TextWorker)
