"""Claims 3 to 6: what models keep, relate and attend to, and what attention's parts are for."""

from plotting import attention
from plotting.derived import bare_layers, in_other_blocks, outcomes, wilson
from plotting.judgement import (
    RECURRENT,
    TEXTBOOK_RNNS,
    Figure,
    Verdict,
    median,
    not_settled,
    share,
    threshold,
    too_few_seeds,
)
from plotting.naming import (
    ABLATIONS,
    MEMORY,
    MODELS,
    PAIRING,
    Lines,
    champions,
    evidence_of,
    is_control,
    model_name,
    percent,
    plural,
    rank,
)

# What tells the rows of one line of a table of seeds.
TRAINING = ("task", "setup", "regime", "preset", "model", "variant", "layers", "block",
            "train_distance", "distance", "status")  # fmt: skip


class Trainings:
    """Of one task that is evidence for something, at the longest distance that attention was trained
    at: bare models of one distance each. `rows` are a row a seed, `table` a row for each model and
    variant with outcomes() and the medians of `accuracy` and `chance`; both are empty where the run
    has no such task."""

    def __init__(self, run, evidence):
        rows = run.table("recall")
        rows = rows[(rows["preset"] == "") & (rows["status"] == "ok") & (rows["regime"] == "single")]
        rows = rows[(evidence_of(rows) == evidence) & (rows["distance"] == rows["train_distance"])]
        rows = rows[~in_other_blocks(rows) & rows["accuracy"].notna()]
        if len(rows):
            # The task with most rows, and of each model the depth of most rows.
            rows = rows[rows["task"] == rows["task"].value_counts().index[0]]
            depths = rows.groupby("model")["layers"].agg(lambda layers: layers.value_counts().index[0])
            rows = rows[rows["layers"] == rows["model"].map(depths)]
            own = rows.loc[rows["model"] == "attention", "distance"]
            rows = rows[rows["distance"] == (own if len(own) else rows["distance"]).max()]
        self.rows = rows
        if rows.empty:
            self.table = rows
            return
        table = outcomes(rows, ["task", "model", "variant", "distance"])
        medians = rows.groupby(["model", "variant"], as_index=False).agg(
            accuracy=("accuracy", "median"), chance=("chance", "median")
        )
        self.table = table.merge(medians, on=["model", "variant"])

    @property
    def where(self):
        """"64 tokens"."""
        return f"{self.rows['distance'].iloc[0]:g} tokens"

    def of(self, line):
        """The rows behind a row of the table."""
        return self.rows[(self.rows["model"] == line["model"]) & (self.rows["variant"] == line["variant"])]

    def solved(self, line, what=None):
        """The Figure of how many seeds of a row of the table solve the task."""
        told = what or f"{line['model']}, {line['variant']}"
        unit = f"share of seeds, {model_name(line['model'])} {line['variant']}"
        return share(told, unit, "recall.csv", "solved", "true", self.of(line), TRAINING)

    def untrained(self, line):
        """The Figure of how many seeds know none of the candidates."""
        told = f"{line['model']}, {line['variant']}: untrained"
        return share(told, "share of seeds", "recall.csv", "outcome", "untrained", self.of(line), TRAINING)

    def accuracy(self, line):
        told = f"{line['model']}, {line['variant']}: accuracy"
        return median(told, "accuracy", "recall.csv", "accuracy", self.of(line), TRAINING)

    def chance(self, line):
        return median("guessing", "accuracy", "recall.csv", "chance", self.of(line), TRAINING)


def of_seeds(line):
    return f"{line['solved']:.0f} of {line['seeds']:.0f}"


def best_of(table):
    """The row of most solved seeds, then of the highest accuracy."""
    return table.sort_values(["share", "accuracy"]).iloc[-1]


def solves(line):
    """Firmly: most seeds, by the near end of their share's interval."""
    return line["low"] > threshold("share")


def fails(line):
    return line["high"] < threshold("share")


def memory(run):
    """Do the textbook's recurrent models, as they start by default, keep the first of many tokens,
    and does another start help?"""
    trained = Trainings(run, MEMORY)
    if trained.rows.empty:
        return None
    table = trained.table
    recurrent = table[table["model"].isin(TEXTBOOK_RNNS)]
    defaults = recurrent[recurrent["variant"] == "default"]
    default = defaults[defaults["model"] == "lstm"]
    if default.empty:
        return None
    default = default.iloc[0]
    order = sorted(
        table[~is_control(table)].to_dict("records"),
        key=lambda line: (rank(MODELS, line["model"]), *Lines.rank(line["variant"])),
    )
    seeds = {line["seeds"] for line in order}
    counted = "{solved:.0f}" if len(seeds) == 1 else "{solved:.0f} of {seeds:.0f}"
    each = ", ".join(
        f"{model_name(line['model'])}{start_text(line)} {counted.format(**line)}{untrained_text(line)}"
        for line in order
    )
    of = f"of {plural(seeds.pop(), 'seed')} " if len(seeds) == 1 else "of the seeds "
    figures = [trained.solved(default)]
    figures += [one for one in map(trained.solved, order) if one.what != figures[0].what]
    figures += [trained.untrained(line) for line in order if line["untrained"]]
    task = default["task"]
    return Verdict(
        3,
        word_of_starts(default, defaults, recurrent),
        f"task {task}, {trained.where}",
        f"{of}{task} over {trained.where} is solved by: {each}",
        tuple(figures),
        "share",
    )


def word_of_starts(default, defaults, recurrent):
    """`default` is the LSTM's own start, `defaults` those of all textbook models, `recurrent` every
    start of theirs."""
    best = best_of(recurrent)
    if unsettled := too_few_seeds([default["seeds"], best["seeds"]]):
        return unsettled
    lines = [line for _, line in defaults.iterrows()]
    failing = [line for line in lines if fails(line)]
    others = [line for _, line in recurrent.iterrows() if line["variant"] != "default"]
    rescued = {line["model"] for line in others if solves(line)} & {line["model"] for line in failing}
    if all(map(solves, lines)):
        return "does not hold here"
    parts = ["model"] if failing and any(map(solves, lines)) else []
    parts += ["start"] if rescued else []
    if parts:
        return f"depends on the {' and the '.join(parts)}"
    if fails(best):
        # What knows none of the candidates has learned nothing that it could lose.
        idle = [line for line in lines if line["untrained"] == line["seeds"]]
        if len(idle) == len(lines):
            return not_settled("untrained, which is not forgetting")
        return "holds"
    return not_settled(f"{of_seeds(best)} seeds solve")


def start_text(line):
    return "" if line["variant"] in ("default", "learned") else f" {line['variant']}"


def untrained_text(line):
    return f" ({line['untrained']:.0f} untrained)" if line["untrained"] else ""


def pairing(run):
    """Does attention relate keys to values at every distance, where what cannot choose, or not look
    far, fails?"""
    trained = Trainings(run, PAIRING)
    table = trained.table
    own = table[(table["model"] == "attention") & ~is_control(table)] if len(table) else table
    if own.empty:
        return None
    own = best_of(own)
    controls = table[is_control(table)]
    recurrent = table[table["model"].isin(RECURRENT)]
    passed = controls[controls["accuracy"] > controls["chance"] + threshold("control")]
    if len(passed):
        word = not_settled(f"the control {passed['variant'].iloc[0]} solves it too")
    elif unsettled := too_few_seeds([own["seeds"]]):
        word = unsettled
    elif solves(own):
        word = f"holds up to {trained.where}"
    elif fails(own):
        word = "does not hold here"
    else:
        word = not_settled(f"{of_seeds(own)} seeds solve")
    parts = [f"attention {percent(own['accuracy'])} ({of_seeds(own)} seeds solve)"]
    figures = [trained.solved(own), trained.accuracy(own)]
    if len(recurrent):
        other = best_of(recurrent)
        figures.append(trained.accuracy(other))
        parts.append(
            f"best recurrent {percent(other['accuracy'])} ({model_name(other['model'])}"
            f" {other['variant']})"
        )
    for _, line in controls.iterrows():
        parts.append(f"control {line['variant']} {percent(line['accuracy'])}")
        figures.append(trained.accuracy(line))
    parts.append(f"guessing {percent(own['chance'])}")
    figures.append(trained.chance(own))
    told = "" if len(controls) else "; controls: docs/tasks.md"
    return Verdict(
        4,
        word,
        f"task {own['task']}, {trained.where}",
        f"answers of {own['task']} over {trained.where}: {', '.join(parts)}{told}",
        tuple(figures),
        "share",
    )


def weights(run):
    """In how many settings of training the word that asks both weighs its noun most and needs it."""
    rows = run.table("interventions")
    if rows.empty:
        return None
    table = attention.weight_and_use(rows.assign(run=run.name))
    if table.empty:
        return None
    half = threshold("half")
    deepest = table[table["layers"] == table.groupby("task")["layers"].transform("max")]
    answering = deepest[deepest["answers"]]
    if answering.empty:
        return None
    held = int(((answering["weight"] >= half) & (answering["lost"] >= half)).sum())
    settings = deepest.groupby("task").size().max()
    low, high = wilson(held, len(answering))
    counted = Figure("settings whose word weighs its noun and needs it", held / len(answering), low, high,
                     "share of settings", "share of settings", "interventions.csv",
                     "noun_weight, accuracy", "the deepest models that answer half of the test")  # fmt: skip
    if settings < threshold("settings"):
        word = not_settled(f"{plural(settings, 'setting')} of training")
    elif unsettled := too_few_seeds(answering["seeds"]):
        word = unsettled
    elif counted.low > half:
        word = "holds"
    elif counted.high < half:
        word = "does not hold here"
    else:
        word = "depends on how it is trained"
    parts, figures = [], [counted]
    for task, group in answering.groupby("task", sort=False):
        told, own = weight_told(rows, task, group["layers"].iloc[0], not parts)
        parts.append(told)
        figures += own
    return Verdict(
        5,
        word,
        f"{len(answering)} settings of training and sentences",
        "; ".join(parts)
        + (f" (medians; more than half of both in {held} of {len(answering)})" if settings > 1 else ""),
        tuple(figures),
        "half",
    )


def weight_told(rows, task, layers, is_first=True):
    """What the asking word gives its nouns, and how many answers are right without that edge, of all
    models of this depth: a text and figures."""
    rows = rows[(rows["task"] == task) & (rows["layers"] == layers)]
    rows = attention.with_noun_weight(rows)
    nouns = ("right noun",) if task == "coreference" else ("first noun", "second noun")
    keys = ("task", "setup", "layers", "hidden", "hidden_from")
    whole = rows[rows["hidden"] == "nothing"]
    cut = rows[rows["hidden"].isin(nouns) & ~rows["hidden_from"].isin(attention.FROM_ALL)]
    column = "noun_weight" if task == "coreference" else "noun_weight + other_noun_weight"
    given = median(f"{task}: weight", "fraction", "interventions.csv", column,
                   whole.assign(**{column: whole["nouns"]}), keys)  # fmt: skip
    left = median(f"{task}: right answers without that edge", "fraction", "interventions.csv",
                  "accuracy", cut, keys)  # fmt: skip
    asks, noun, edge = ("it", "its noun", "that") if task == "coreference" else (
        "sat", "its two nouns", "one")  # fmt: skip
    of = " of its weight" if is_first else ""
    return (
        f"“{asks}” gives {noun} {percent(given.value)}{of}, cut off from {edge} answers"
        f" {percent(left.value)} right"
    ), [given, left]


def formula(run):
    """Is the fast kernel the formula, and is each of its parts for something?"""
    rows = bare_layers(run.table("throughput"))
    rows = champions(rows[(rows["status"] != "skipped") & (rows["model"] == "attention")])
    if rows.empty:
        return None
    agreed = rows.assign(status=rows["status"].where(rows["status"] == "failed", "ok|noisy"))
    agree = int((agreed["status"] != "failed").sum())
    checked = share("cases that agree with their reference", "share of cases", "throughput.csv",
                    "status", "ok|noisy", agreed, ("model", "kernel", "block", "match"))  # fmt: skip
    spare, told, figures = parts_needed(run)
    told = told or cut_off(run)
    word = "holds"
    if agree < len(rows):
        word = "does not hold here"
    elif spare:
        word = f"depends on the part: {', '.join(spare)} can go"
    return Verdict(
        6,
        word,
        "fast kernel against the formula in double",
        f"{agree} of {len(rows)} cases of the fast kernel equal the formula within the derived bound"
        + (f"; {told[0]}" if told else ""),
        (checked, *figures, *(told[1] if told and not figures else ())),
        "agree",
    )


# Without them there are no queries and keys that are learned, no values, no choice.
CORE_PARTS = ("frozen_qk", "identity_v", "no_softmax")


def parts_needed(run):
    """Of ablation.csv: the core parts that no task needs, of enough seeds; a text of accuracies, and
    their figures."""
    rows = run.table("ablation")
    rows = rows[(rows["status"] == "ok") & rows["accuracy"].notna()]
    if rows.empty:
        return (), None, ()
    keys = ["task", "setup", "variant", "distance"]
    solved = rows.assign(solved=(rows["outcome"] == "solved").map({True: "true", False: "false"}))
    table = outcomes(solved, [*keys, "ablation"])
    whole = table[table["ablation"] == "none"].set_index(keys)
    spare = []
    for part in CORE_PARTS:
        lines = [line for _, line in table[table["ablation"] == part].iterrows()]
        with_whole = [line for line in lines if tuple(line[keys]) in whole.index
                      and solves(whole.loc[tuple(line[keys])])]  # fmt: skip
        if with_whole and all(map(solves, with_whole)):
            spare.append(ABLATIONS[part])
    texts, figures = [], []
    for (task, setup, variant, distance), group in rows.groupby(keys, sort=False):
        named = [(name, group[group["ablation"] == name]) for name in ABLATIONS]
        medians = [
            median(f"{task}, {ABLATIONS[name]}", "accuracy", "ablation.csv", "accuracy", own,
                   (*keys, "ablation", "status"))
            for name, own in named if len(own)
        ]  # fmt: skip
        texts.append(f"{task}: " + ", ".join(
            f"{one.what.split(', ', 1)[1]} {percent(one.value)}" for one in medians))  # fmt: skip
        figures += medians
    count = rows.groupby([*keys, "ablation"])["seed"].nunique().min()
    return tuple(spare), (f"{'; '.join(texts)} ({plural(count, 'seed')})", ()), tuple(figures)


def cut_off(run):
    """Where no part was taken away: what the direct access to one word is worth."""
    rows = run.table("interventions")
    if rows.empty or not (rows["task"] == "coreference").any():
        return None
    layers = rows.loc[rows["task"] == "coreference", "layers"].max()
    _, (_, left) = weight_told(rows, "coreference", layers)
    if left.value != left.value:
        return None
    return (
        f"cut off from its noun alone, “it” is answered right in {percent(left.value)}"
        " (parts taken away: seqbench recall --ablate)",
        (left,),
    )
