"""PyTorch's worker for training steps (harness/server/step_server.h): the same model from the same
parameters on the same batch, whose first losses must be seqbench's."""

import json
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from safetensors import safe_open

from peer_runs.choice import Choice
from peer_runs.pytorch_library import PyTorchLibrary
from peer_runs.step_cases import StepCase
from peer_runs.worker import Unsupported, Worker, serve
from torch_reference import MinGru

# Of a loss against seqbench's. Each is a mean of float32 sums with some thousand terms; the second
# and third stand behind updates whose sign rounding may turn where a gradient is next to nothing.
LOSS_TOLERANCE = 1e-5


class TrainingFile:
    """What the file of any training says; tensors besides are among the parameters."""

    def __init__(self, path):
        with safe_open(path, framework="pt") as file:
            self.settings = {name: _parsed(text) for name, text in file.metadata().items()}
            tensors = {name: file.get_tensor(name) for name in file.keys()}
        self.tokens = tensors.pop("tokens").long()
        self.targets = tensors.pop("targets").long()
        self.losses = tensors.pop("losses").tolist()
        self.parameters = tensors


class Training(TrainingFile):
    """What the file says."""

    def __init__(self, path):
        super().__init__(path)
        self.answer_rows = self.parameters.pop("answer_rows").long()


def _parsed(text):
    """A number or a truth value; words stay as they are."""
    try:
        return json.loads(text)
    except ValueError:
        return text


class CausalAttention(torch.nn.Module):
    """F.linear for Q, K and V at once, F.scaled_dot_product_attention, F.linear; parameters as
    nn.MultiheadAttention's."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.in_proj_weight = torch.nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = torch.nn.Parameter(torch.empty(3 * width))
        self.out_proj = torch.nn.Linear(width, width)

    def _heads(self, x):
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def forward(self, x):
        q, k, v = (self._heads(part) for part in
                   F.linear(x, self.in_proj_weight, self.in_proj_bias).chunk(3, dim=-1))
        context = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.out_proj(context.transpose(1, 2).flatten(-2))

    def at(self, x, asked):
        """The output at steps `asked` [B, A] alone, which see the steps before them and themselves."""
        width = x.shape[-1]
        rows = x.gather(1, asked.unsqueeze(-1).expand(-1, -1, width))
        q = self._heads(F.linear(rows, self.in_proj_weight[:width], self.in_proj_bias[:width]))
        k, v = (self._heads(part) for part in F.linear(
            x, self.in_proj_weight[width:], self.in_proj_bias[width:]).chunk(2, dim=-1))
        seen = torch.arange(x.shape[1]) <= asked.unsqueeze(-1)
        context = F.scaled_dot_product_attention(q, k, v, attn_mask=seen.unsqueeze(1))
        return self.out_proj(context.transpose(1, 2).flatten(-2))


RECURRENT = {"elman": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}


def make_block(settings, form):
    width = settings["width"]
    if settings["model"] == "attention":
        block = CausalAttention(width, settings["heads"])
    elif settings["model"] == "mingru":
        linear = settings["variant"].split("+")[0] == "linear"
        block = MinGru(width, batch_first=not form.time_first, linear=linear)
    else:
        block = RECURRENT[settings["model"]](width, width, batch_first=not form.time_first)
    block.norm1 = torch.nn.LayerNorm(width)
    return block


@dataclass(frozen=True)
class Form:
    """How the model is written."""

    optimiser: str  # AdamW's implementation
    last_at_answers: bool = False  # the last block computes those rows alone
    time_first: bool = False  # recurrent: the layout [T, B, D] that the library works in

    @property
    def name(self):
        return self.optimiser + (":at-answers" if self.last_at_answers else
                                 ":time-first" if self.time_first else "")


class Model(torch.nn.Module):
    """Embedding, positions where the file has them, pre-norm residual blocks, norm, readout (of its
    own weights or the embedding's) of the rows where an answer is asked for."""

    def __init__(self, training, form):
        super().__init__()
        settings, parameters = training.settings, training.parameters
        self.embedding = torch.nn.Embedding(*parameters["embedding.weight"].shape)
        positions = parameters.get("positions.weight")
        self.positions = None if positions is None else torch.nn.Embedding(*positions.shape)
        self.blocks = torch.nn.ModuleList(make_block(settings, form)
                                          for _ in range(settings["layers"]))
        self.final_norm = torch.nn.LayerNorm(settings["width"])
        table = parameters["embedding.weight"]
        if "readout.weight" not in parameters:  # the table is the readout's weight too
            self.readout = torch.nn.Linear(*reversed(table.shape), bias=False)
            self.readout.weight = self.embedding.weight
            parameters = {**parameters, "readout.weight": table}
        else:
            self.readout = torch.nn.Linear(*reversed(parameters["readout.weight"].shape))
        self.load_state_dict(parameters)
        self._form = form

    def forward(self, tokens, answer_rows):
        x = self.embedding(tokens)
        if self.positions is not None:
            x = x + self.positions.weight[:tokens.shape[1]]
        *others, last = self.blocks
        for block in others:
            x = x + output(block(block.norm1(x)))
        if self._form.last_at_answers:
            asked = (answer_rows % tokens.shape[1]).view(tokens.shape[0], -1)
            features = x.flatten(0, 1)[answer_rows] + last.at(last.norm1(x), asked).flatten(0, 1)
        else:
            features = (x + output(last(last.norm1(x)))).flatten(0, 1)[answer_rows]
        return self.readout(self.final_norm(features))


def output(result):
    """Without the last state that a recurrent layer returns besides."""
    return result[0] if isinstance(result, tuple) else result


class Step:
    """One training step a run."""

    def __init__(self, training, form):
        settings = training.settings
        self._model = Model(training, form)
        self._tokens, self._answer_rows = training.tokens, training.answer_rows
        if form.time_first:
            batch, steps = self._tokens.shape
            self._tokens = self._tokens.t().contiguous()
            self._answer_rows = self._answer_rows % steps * batch + self._answer_rows // steps
        self._targets = training.targets
        self._most = settings["max_gradient_norm"]
        self._optimiser = torch.optim.AdamW(
            self._model.parameters(), lr=settings["learning_rate"],
            weight_decay=settings["weight_decay"], **{form.optimiser: True})

    def run(self):
        logits = self._model(self._tokens, self._answer_rows)
        loss = F.cross_entropy(logits, self._targets)
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._model.parameters(), self._most)
        self._optimiser.step()
        return loss.item()


class PyTorchSteps(PyTorchLibrary):
    def builders(self, case):
        """Ways to take the step."""
        tuned = {} if case.library == "pytorch" else (
            {"last_at_answers": True} if case.model == "attention" else {"time_first": True})
        forms = [Form(optimiser, **tuned) for optimiser in ("fused", "foreach")]
        return {form.name: partial(Step, form=form) for form in forms}


class StepWorker(Worker):
    parse_case = staticmethod(StepCase.parse)

    def _choose(self, case, builders, request):
        """The fastest of those that meet the file's losses."""
        training = Training(request["file"])
        check_form(training.settings)
        choice = Choice()
        for name, build in builders.items():
            variant = build(training)
            difference = max(abs(variant.run() / loss - 1) for loss in training.losses)
            if not difference <= LOSS_TOLERANCE:
                choice.rejected[name] = (f"a loss differs from seqbench's by {difference:.1e} of "
                                         f"it, more than {LOSS_TOLERANCE}")
                continue
            choice.race_with(name, variant, {"loss_difference": difference})
        return choice


def check_form(settings):
    if not settings["residual"] or settings["mlp_expansion"] > 0:
        raise Unsupported("only residual blocks without an MLP are written in PyTorch here")


if __name__ == "__main__":
    serve(PyTorchSteps, StepWorker)
