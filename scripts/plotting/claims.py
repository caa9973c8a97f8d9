"""The textbook's sentences beside the figures that a run has for them."""

import textwrap
from dataclasses import dataclass

from plotting import attention
from plotting.derived import (
    at_longest,
    champion_speedups,
    layers_told,
    main_lines,
    over_seeds,
    thread_gains,
    timed,
    times_to_solve,
)
from plotting.naming import MODELS, Lines, champions, model_name, percent, plural, rank, seeds_text
from plotting.settings import settings_of

NOT_MEASURED = "not measured yet"
# What is measured of recurrent models and of attention alike.
REMEMBERED = (
    "accuracy on the first word, by distance (range over seeds; training time until its answers are"
    " solved); reach of the gradient; accuracy of other tasks, whose trainings stop once solved"
    " (95 %); below guessing lies what does not know the candidates"
)


@dataclass(frozen=True)
class Claim:
    """A sentence of the textbook, what is measured for it, and lines with this run's figures."""

    sentence: str
    measure: str
    figures: tuple

    @property
    def measured(self):
        return self.figures != (NOT_MEASURED,)


def claims_of(run):
    """All six claims, in the textbook's order."""
    return [
        Claim(
            "RNNs are sequential, which hinders parallelization",
            "gain from threads in training, median over lengths (least to most)",
            parallel_gain(run),
        ),
        Claim(
            "Self-attention's matrix products run in parallel, so training is significantly faster",
            "training tokens/s of attention ÷ those of the recurrent model (95 % interval)",
            training_speedup(run),
        ),
        Claim(
            "RNNs lose long-range dependencies",
            REMEMBERED,
            remembering(run, attention=False),
        ),
        Claim(
            "Attention relates any two words regardless of distance",
            REMEMBERED,
            remembering(run, attention=True),
        ),
        Claim(
            "“it” attends to “animal”, “sat” to “cat” and “mat”",
            "weights of small models over test sentences, and what hiding a word costs (medians);"
            " answers",
            attention.figures(run) or (NOT_MEASURED,),
        ),
        Claim(
            "Query, Key, Value: scores, softmax, weighted sum",
            "cases whose result was compared with the reference before timing",
            reference_checks(run),
        ),
    ]


def main_setting(rows):
    """The rows of the setting with most rows, and that setting."""
    setting = settings_of(rows)[0]
    return setting.select(rows), setting


def parallel_gain(run):
    """Speedup from 1 to all threads of each model's fastest kernel in training."""
    rows = champions(timed(run.table("throughput")))
    rows = rows[rows["pass"] == "train"]
    if rows.empty:
        return (NOT_MEASURED,)
    rows, setting = main_setting(rows)
    rows = thread_gains(rows)
    threads = rows["threads"].max()
    if not threads > 1:
        return ("not measured: the run has one number of threads only",)
    figures = []
    for batch, group in rows[rows["threads"] == threads].groupby("batch"):
        gains = group.groupby("model")["gain"].agg(["median", "min", "max"])
        parts = [
            f"{model_name(model)} ×{gain['median']:.2f} ({gain['min']:.2f} to {gain['max']:.2f})"
            for model, gain in in_model_order(gains)
        ]
        figures.append(f"{threads:g} threads, batch {batch:g}: {', '.join(parts)}")
    return (*figures, f"({setting.label}{noise(rows[rows['threads'] > 1])})")


def training_speedup(run):
    """Attention's training throughput over each baseline's, and where the lead is lost."""
    rows = champion_speedups(run)
    rows = rows[rows["pass"] == "train"]
    if rows.empty:
        return (NOT_MEASURED,)
    rows, setting = main_setting(rows)
    keys = ["baseline_model", "batch", "threads"]
    figures = []
    for (model, batch, threads), group in rows.groupby(keys):
        by_length = group.set_index("seq_len").sort_index()
        shown = by_length.iloc[sorted({0, len(by_length) // 2, len(by_length) - 1})]
        ratios = ", ".join(
            f"×{row.speedup:.2f} ({row.speedup_low:.2f} to {row.speedup_high:.2f}) at {row.Index:g}"
            for row in shown.itertuples()
        )
        lead = lead_lost(run, setting, group.iloc[0])
        case = f"÷ {model_name(model)}, batch {batch:g}, {plural(threads, 'thread')}"
        figures.append((rank(MODELS, model), batch, threads, f"{case}: {ratios}{lead}"))
    return (*(text for *_, text in sorted(figures)), f"({setting.label}, by length{noise(rows)})")


def noise(rows):
    """How many of the cases behind a figure are noisy, as the end of a sentence."""
    count = int((rows["status"] == "noisy").sum())
    return f"; {count} of {len(rows)} cases noisy" if count else ""


def lead_lost(run, setting, speedup_row):
    """What crossover.csv says about the case of one row of speedups, as the end of a sentence."""
    rows = setting.select(run.table("crossover"))
    for key in ("pass", "kernel", "baseline_model", "baseline_kernel", "batch", "threads"):
        rows = rows[rows[key] == speedup_row[key]]
    if rows.empty:
        return ""
    row = rows.iloc[0]
    return {
        "ok": f"; lead lost at {row['crossover_seq_len']:.0f}",
        "always_ahead": "; lead not lost",
        "never_ahead": "; never in the lead",
    }.get(row["status"], "")


def remembering(run, attention):
    """Accuracy and gradient of the recurrent models, or of attention."""
    figures = (
        accuracy(first_token_lines(run, "recall", attention, regime="single"))
        + carried_over(run, attention)
        + gradient_reach(run, attention)
        + other_tasks(run, attention)
    )
    return figures or (NOT_MEASURED,)


def lines_of_tasks(run, name, attention, regime):
    """The rows of tasks in their own settings, of the main lines of the recurrent models or of
    attention."""
    rows = run.table(name)
    rows = layers_told(rows[main_lines(rows, run.table("recall"))])
    rows = rows[(rows["preset"] == "") & (rows["regime"] == regime)]
    return rows[(rows["model"] == "attention") == attention]


def first_token_lines(run, name, attention, regime):
    rows = lines_of_tasks(run, name, attention, regime)
    return rows[rows["task"] == "first_token"]


def other_tasks(run, attention):
    """Accuracy of the other tasks in which all models read causally; how much encoders rely on a
    word is told by `attend`."""
    rows = lines_of_tasks(run, "recall", attention, regime="single")
    rows = rows[(rows["task"] != "first_token") & (rows["setup"] != "encoder")]
    groups = rows.groupby("task", sort=False)
    return tuple(line for task, group in groups for line in accuracy(group, f"{task}: "))


def accuracy(rows, task=""):
    """Median over seeds of accuracy and time to a solution at each distance of one task, with the
    range where seeds differ, one line a model and variant; then what guessing gives, and sizes.
    All begin with `task`."""
    keys = ["model", "variant", "distance"]
    table = over_seeds(rows, keys, "accuracy")
    if table.empty:
        return ()
    times = times_to_solve(rows, keys)[[*keys, "median"]]
    table = table.merge(times.rename(columns={"median": "time"}), on=keys, how="left")
    lines = [
        f"{task}{name}: " + ", ".join(
            f"{percent(row.median, 1)}{in_brackets(row)} at {row.distance:g}"
            for row in group.sort_values("distance").itertuples()
        )
        for name, group in in_order(table)
    ]  # fmt: skip
    return (*lines, f"({task}{guessing(rows)}{seeds_text(table)}{sizes(rows)})")


def in_order(table):
    """Name and rows of each model and variant, in the order of the plots."""
    groups = table.groupby(["model", "variant"])
    in_place = sorted(groups, key=lambda item: (rank(MODELS, item[0][0]), *Lines.rank(item[0][1])))
    return [(f"{model_name(model)}, {variant}", group) for (model, variant), group in in_place]


def in_brackets(row):
    """The range over seeds and the time to a solution, where there are such."""
    low, high = percent(row.low, 1), percent(row.high, 1)
    parts = [f"{low} to {high}"] if low != high else []
    parts += [f"{float(f'{row.time:.2g}'):g} s"] if row.time == row.time else []
    return f" ({'; '.join(parts)})" if parts else ""


def guessing(rows):
    """What guessing gives, by distance where that decides it, as the beginning of a note."""
    chances = rows.dropna(subset=["chance"]).drop_duplicates("distance").sort_values("distance")
    if chances["chance"].nunique() == 1:
        return f"guessing {percent(chances['chance'].iloc[0], 1)}, "
    at = (f"{percent(row.chance, 1)} at {row.distance:g}" for row in chances.itertuples())
    return f"guessing {', '.join(at)}; " if not chances.empty else ""


def sizes(rows):
    """The parameters of each model, as the end of a sentence."""
    rows = rows.dropna(subset=["parameters"])
    if rows.empty:
        return ""
    largest = rows.groupby("model")[["parameters"]].max()
    parts = [
        f"{model_name(model)} {row['parameters'] / 1000:.0f} K"
        for model, row in in_model_order(largest)
    ]
    return f"; parameters: {', '.join(parts)}"


def carried_over(run, attention):
    """Median accuracy over seeds of models trained on several distances of first_token at once, at
    the longest of these and the longest tested."""
    rows = first_token_lines(run, "recall", attention, regime="mixed")
    table = over_seeds(rows, ["model", "variant", "train_distance", "distance"], "accuracy")
    figures = []
    for name, of_line in in_order(table):
        for trained, group in of_line.groupby("train_distance"):
            at = group[group["distance"].isin([trained, group["distance"].max()])]
            by_distance = ", ".join(
                f"{percent(row.median, 1)} at {row.distance:g}" for row in at.itertuples()
            )
            figures.append(f"{name}, one model for distances up to {trained:g}: {by_distance}")
    return tuple(figures)


def gradient_reach(run, attention):
    """Median over seeds of the gradient's norm at the farthest word measured ÷ at the nearest,
    before and after training. Sequences are as long as that reaches, or as training's: where these
    are no longer, the farthest word is the first one, which holds the answer."""
    rows = first_token_lines(run, "gradient", attention, regime="single")
    rows = at_longest(rows, ["model", "variant"])
    table = over_seeds(rows, ["model", "variant", "stage", "distance"], "relative_gradient_norm")
    trained = rows["train_distance"].max()
    figures = []
    for name, group in in_order(table):
        reach = group["distance"].max()
        farthest = group[group["distance"] == reach].set_index("stage")["median"]
        stages = ", ".join(
            f"{farthest[stage]:.3g} {when}"
            for stage, when in (("init", "before training"), ("trained", "after"))
            if stage in farthest
        )
        first = ", the first," if reach >= trained - 1 else ""
        figures.append(f"{name}: gradient of the word {reach:g} back{first} ÷ 1 back: {stages}")
    return tuple(figures)


def reference_checks(run):
    """How many cases of seqbench's own kernels agreed with their reference."""
    rows = run.table("throughput")
    rows = rows[rows["status"] != "skipped"]
    if rows.empty:
        return (NOT_MEASURED,)
    figures = []
    for (model, kernel), group in sorted(
        champions(rows).groupby(["model", "kernel"]), key=lambda item: rank(MODELS, item[0][0])
    ):
        passed = int((group["status"] != "failed").sum())
        figures.append(
            f"{model_name(model)}, {kernel}: {passed} of {len(group)} agree"
            f" ({percent(passed / len(group))})"
        )
    return tuple(figures)


def in_model_order(table):
    return sorted(table.iterrows(), key=lambda item: rank(MODELS, item[0]))


def as_text(claims, run, width=100):
    """The claims as a table for a terminal."""
    lines = [f"What the textbook says, and the figures of {run.name} ({machine_line(run)})", ""]
    for number, claim in enumerate(claims, start=1):
        lines += textwrap.wrap(
            f"{number}. {claim.sentence}", width, subsequent_indent=" " * 3
        )
        if claim.measured:
            lines += textwrap.wrap(f"{claim.measure}:", width, initial_indent=" " * 5,
                                   subsequent_indent=" " * 5)  # fmt: skip
        for figure in claim.figures:
            lines += textwrap.wrap(
                figure, width, initial_indent=" " * 5, subsequent_indent=" " * 9
            )
        lines.append("")
    return "\n".join(lines)


def machine_line(run):
    """CPU and number of usable CPUs in a few words."""
    cpus = run.machine.get("cpus_usable")
    count = f", {plural(len(cpus), 'CPU')}" if isinstance(cpus, list) else ""
    return f"{run.machine.get('cpu', 'machine unknown')}{count}"
