"""Order, colour, point shape and line dash of models, kernels and variants."""

from itertools import cycle

# A row a model, in the order of legends: name in the files, in words, colour, shape, dash. Okabe and
# Ito's colours, told apart with any colour vision; shapes and dashes tell them apart in grey.
_MODELS = (
    ("attention", "attention", "#0072B2", "circle", [1, 0]),
    ("lstm", "LSTM", "#D55E00", "square", [7, 3]),
    ("gru", "GRU", "#009E73", "triangle-up", [2, 2]),
    ("mingru", "minGRU", "#56B4E9", "triangle-down", [12, 3, 2, 3, 2, 3]),
    ("elman", "Elman RNN", "#AA4499", "diamond", [8, 3, 2, 3]),
)
MODELS = tuple(row[0] for row in _MODELS)
NAMES, COLOURS, SHAPES, MODEL_DASHES = (
    {row[0]: row[column] for row in _MODELS} for column in range(1, 5)
)
# For kernels or variants, where one model has several of them; the main variants keep theirs in
# every plot.
DASHES = ([1, 0], [7, 3], [2, 2], [9, 3, 2, 3], [1, 5], [16, 5], [4, 8])
VARIANT_DASHES = dict(
    zip(("default", "learned", "chrono", "default+conv3", "learned+conv3", "chrono+conv3"), DASHES)
)

# A model's plain variant comes first.
PLAIN_VARIANTS = ("default", "learned")

# What each task can be evidence for, as `seqbench list` tells it (harness/tasks/task.h).
MEMORY, PAIRING, STATE = (
    "what recurrent starts remember", "attention's pairing at any distance", "state",
)  # fmt: skip
WEIGHTS = "what attention's weights show"
EVIDENCE = {
    "first_token": MEMORY, "adding": MEMORY, "copy": MEMORY, "selective_copy": MEMORY,
    "parity": STATE, "mqar": PAIRING,
    "word_problem": STATE, "word_problem_z60": STATE, "word_problem_a5": STATE,
    "coreference": MEMORY, "coreference encoder": WEIGHTS, "hidden_verb": WEIGHTS,
    "first_symbol": MEMORY, "copy_all": MEMORY, "mqar_8k": PAIRING, "associative_recall": PAIRING,
    "induction": PAIRING,
}  # fmt: skip

# Attention without a part that a task may need (docs/tasks.md#controls).
CONTROLS = ("meanpool", "window8")
# `ablation` of ablation.csv, the whole first, and in words.
ABLATIONS = {
    "none": "whole", "frozen_qk": "Q and K frozen", "no_scale": "without 1/√d_k",
    "identity_v": "V = identity", "one_head": "one head", "no_softmax": "no softmax",
}  # fmt: skip
# `outcome` of recall.csv, best first.
OUTCOMES = ("solved", "partial", "guessing", "untrained")

# The fastest kernel comes first: it stands for its model where one kernel must.
KERNELS = ("fused", "naive", "persistent", "newton", "hoisted", "scan", "stepwise")
FASTEST_KERNELS = ("fused", "persistent", "scan")


def rank(names, name):
    """Position of `name` in `names`; unknown names come last."""
    return names.index(name) if name in names else len(names)


# When a training's gradients are measured; the second is after kEarlySteps of
# harness/training/training.h.
STAGES = {"init": "before training", "early": "after 100 steps", "trained": "after training"}


def model_name(model):
    return NAMES.get(model, model)


def percent(share, digits=0):
    return f"{share:.{digits}%}".replace("%", " %")


def plural(count, noun):
    return f"{count:g} {noun}" + ("" if count == 1 else "s")


def evidence_of(rows):
    """What the task of each row is evidence for: text by row."""
    in_setup = rows["task"] + " " + rows["setup"]
    return in_setup.map(EVIDENCE).fillna(rows["task"].map(EVIDENCE))


def is_control(rows):
    return rows["variant"].str.split("[+,]", regex=True).str[0].isin(CONTROLS)


def champions(rows):
    """The rows of each model's fastest kernel among seqbench's own."""
    kernels = {
        model: min((k for k in group.unique() if k in KERNELS), key=KERNELS.index, default=None)
        for model, group in rows.groupby("model")["kernel"]
    }
    return rows[rows["kernel"] == rows["model"].map(kernels)]


def seeds_text(rows):
    """"3 seeds", or "1 to 3 seeds", by column `seeds`."""
    return span(rows["seeds"]) + (" seed" if rows["seeds"].max() == 1 else " seeds")


def span(counts):
    """"3", or "1 to 3"."""
    least, most = counts.min(), counts.max()
    return f"{most:g}" if least == most else f"{least:g} to {most:g}"


class Lines:
    """What tells the lines of one plot apart: colour and shape the model, dash the variety (the
    kernel or the variant) where it is not each model's plain one, else the model again.

    `rows` are the given rows with columns `line_model` and `line_variety`; `models` and `varieties`
    the texts of each in legend order, with their `colours`, `shapes` and `dashes`. Where some of
    the rows are drawn without dashes, `dashed` are the others.
    """

    def __init__(self, rows, variety, dashed=None):
        models = sorted(rows["model"].unique(), key=lambda name: rank(MODELS, name))
        self.models = [model_name(model) for model in models]
        self.colours = [COLOURS.get(model, "#555555") for model in models]
        self.shapes = [SHAPES.get(model, "cross") for model in models]
        dashed = rows if dashed is None else dashed
        self.has_varieties = not dashed[variety].isin([*PLAIN_VARIANTS, *FASTEST_KERNELS]).all()
        if self.has_varieties:
            column = rows[variety]
            self.varieties = sorted(dashed[variety].unique(), key=self.rank)
            taken = [VARIANT_DASHES[name] for name in self.varieties if name in VARIANT_DASHES]
            others = [name for name in self.varieties if name not in VARIANT_DASHES]
            free = cycle([dash for dash in DASHES if dash not in taken] or DASHES)
            dashes = VARIANT_DASHES | dict(zip(others, free))
            self.dashes = [dashes[name] for name in self.varieties]
        else:
            # Other texts than the models', since Vega-Lite merges the legends of equal domains,
            # and dashes have none here.
            column = rows["model"] + " line"
            self.varieties = [f"{model} line" for model in models]
            self.dashes = [MODEL_DASHES.get(model, [1, 0]) for model in models]
        self.rows = rows.assign(line_model=rows["model"].map(model_name), line_variety=column)

    @staticmethod
    def rank(variety):
        """Key to sort varieties by: the plain ones first, whatever the number of layers."""
        return rank(KERNELS + PLAIN_VARIANTS, variety.split(", ")[0]), variety
