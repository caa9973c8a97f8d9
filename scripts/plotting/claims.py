"""The textbook's sentences beside the figures that a run has for them."""

import math
import textwrap
from dataclasses import dataclass

from plotting import ablations, attention, frontier, learners, precision, projection, sweeps
from plotting.derived import (
    bare_layers,
    champion_speedups,
    crossings_by_width,
    in_other_blocks,
    is_start,
    layers_told,
    length_of_lead,
    main_lines,
    outcomes,
    over_seeds,
    speedups_by_block,
    thread_gains,
    timed,
    times_to_solve,
)
from plotting.naming import (
    MEMORY,
    MODELS,
    OUTCOMES,
    PAIRING,
    STATE,
    Lines,
    champions,
    evidence_of,
    is_control,
    model_name,
    percent,
    plural,
    rank,
    span,
)
from plotting.settings import settings_of

NOT_MEASURED = "not measured yet"
# What the words of the next two claims mean.
OUTCOME_WORDS = (
    "partial: better than guessing among the candidates in a sequence, guessing: no better,"
    " untrained: these candidates are not known yet"
)
# The columns of derived.outcomes() that count seeds.
COUNTED = (*OUTCOMES, "unsolved")
SOLVE = (
    "seeds whose test is solved (95 %), by distance, with the 95 % interval of their share and the"
    f" time that it took; {OUTCOME_WORDS}"
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
            told(parallel_gain(run), (*projection.figures(run), *sweeps.figures(run))),
        ),
        Claim(
            "Self-attention's matrix products run in parallel, so training is significantly faster",
            "training tokens/s of attention ÷ those of the recurrent model (95 % interval)",
            training_speedup(run),
        ),
        Claim(
            "RNNs lose long-range dependencies",
            f"of tasks that ask what is kept: {SOLVE}",
            remembering(run),
        ),
        Claim(
            "Attention relates any two words regardless of distance",
            f"of tasks that ask for a choice among pairs: {SOLVE}; controls: attention that cannot"
            " choose (meanpool) or not look far (window8); what is recalled with how many bytes carried"
            " from token to token",
            pairing(run),
        ),
        Claim(
            "“it” attends to “animal”, “sat” to “cat” and “mat”",
            "weights of small models, and what hiding a word costs (medians), in one setting that was"
            " chosen because its weights show what is used (docs/tasks.md#settings)",
            attention.figures(run) or (NOT_MEASURED,),
        ),
        Claim(
            "Query, Key, Value: scores, softmax, weighted sum",
            "cases whose result was compared with the reference before timing; accuracy of attention"
            " with one part taken away, median over seeds, and the difference from the whole",
            formula(run),
        ),
    ]


def told(figures, others):
    """Both, without the sentence that there are none where there are some."""
    return figures if not others else (*(f for f in figures if f != NOT_MEASURED), *others)


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
        return (*by_width(run), *precision.figures(run)) or (NOT_MEASURED,)
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
    return (
        *(text for *_, text in sorted(figures)),
        f"({setting.label}, by length{noise(rows)})",
        *by_width(run),
        *by_block(run),
        *precision.figures(run),
    )


def by_width(run):
    """Where the lead is lost, by width: a line for each baseline, batch and number of threads."""
    figures = []
    rows = crossings_by_width(run).sort_values("width")
    for (model, batch, threads), group in rows.groupby(["baseline_model", "batch", "threads"]):
        places = ", ".join(f"{lost_at(row)} of {row['width']:g}" for _, row in group.iterrows())
        case = f"÷ {model_name(model)}, batch {batch:g}, {plural(threads, 'thread')}"
        figures.append((rank(MODELS, model), batch, threads, f"{case}: lead lost at {places}"))
    if not figures:
        return ()
    return (
        *(text for *_, text in sorted(figures)),
        "(training; tokens of width, with the interval: any, where no length was long enough; none,"
        " where attention is behind at all)",
    )


def lost_at(crossing):
    """"781 (720 to 844)", or a word where there is no length."""
    low, high = crossing["crossover_low"], crossing["crossover_high"]
    ends = "" if math.isnan(low + high) else f" ({low:.0f} to {high:.0f})"
    return f"{length_of_lead(crossing)}{ends}"


def by_block(run):
    """The same speedup of layers, blocks and models, at the shortest and the longest length, and
    what it is the product of."""
    rows = speedups_by_block(run)
    if rows.empty:
        return ()
    rows, setting = main_setting(rows)
    figures = []
    for (model, batch, length), group in rows.groupby(["baseline_model", "batch", "seq_len"]):
        ends = rows[(rows["baseline_model"] == model) & (rows["batch"] == batch)]["seq_len"]
        if length not in (ends.min(), ends.max()):
            continue
        for match, matched in group.groupby("match"):
            parts = [
                f"{row.block} ×{row.speedup:.2f} = {row.work_ratio:.2f} less work"
                f" × {row.efficiency_ratio * row.parallel_ratio:.2f} rate"
                for row in matched.itertuples()
            ]
            case = f"÷ {model_name(model)} of equal {match}, batch {batch:g}, at {length:g}"
            place = (rank(MODELS, model), batch, length, match != "width")
            figures.append((*place, f"{case}: {', '.join(parts)}"))
    threads = plural(rows["threads"].iloc[0], "thread")
    return (
        *(text for *_, text in sorted(figures)),
        f"({setting.label}, {threads}, training; a block has norms, residuals and an MLP, a model"
        " embedding, readout and loss besides)",
    )


def noise(rows):
    """How many of the cases behind a figure are noisy, as the end of a sentence."""
    count = int((rows["status"] == "noisy").sum())
    return f"; {count} of {len(rows)} cases noisy" if count else ""


def lead_lost(run, setting, speedup_row):
    """What crossover.csv says about the case of one row of speedups, as the end of a sentence."""
    rows = setting.select(bare_layers(run.table("crossover")))
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


def remembering(run):
    """Who solves the tasks that are evidence for what recurrent models keep, attention beside them."""
    return (*solving(run, (MEMORY, STATE)), *learners.figures(run)) or (NOT_MEASURED,)


def pairing(run):
    """Who solves the tasks that are evidence for attention, and what its controls reach there."""
    return (*solving(run, (PAIRING,)), *frontier.figures(run)) or (NOT_MEASURED,)


def solving(run, evidence):
    """Of each task that is evidence for one of `evidence`: outcomes by distance, a line a model and
    variant, then one for each control; models trained on several distances at once; what guessing
    gives, and the condition."""
    rows = run.table("recall")
    rows = rows[(rows["preset"] == "") & (rows["status"] == "ok") & evidence_of(rows).isin(evidence)]
    is_told = main_lines(rows, rows) | in_other_blocks(rows) | is_start(rows) | is_control(rows)
    rows = layers_told(rows[is_told])
    lines = []
    for task, of_task in rows.groupby("task", sort=False):
        single = of_task[of_task["regime"] == "single"]
        beyond = single[single["distance"] != single["train_distance"]]
        single = single[single["distance"] == single["train_distance"]]
        lines += [
            f"{task}: {name}: {outcomes_text(group)}"
            for name, group in in_order(single[~is_control(single)])
        ]
        lines += [
            f"{task}: {name}, trained at {trained:g} alone: {outcomes_text(group)}"
            for name, of_line in in_order(beyond[~is_control(beyond)])
            for trained, group in of_line.assign(seconds_to_solve=float("nan")).groupby("train_distance")
        ]
        lines += [
            f"{task}: {name}, one model for distances up to {trained:g}: {carried_text(group)}"
            for name, of_line in in_order(of_task[of_task["regime"] == "mixed"])
            for trained, group in of_line.groupby("train_distance")
        ]
        if PAIRING in evidence:
            lines += controls_text(task, single)
        lines.append(f"({task}: {guessing(of_task)}{condition(of_task)})")
    return tuple(lines)


def in_order(rows):
    """Name and rows of each model and variant, in the order of the plots."""
    groups = rows.groupby(["model", "variant"])
    in_place = sorted(groups, key=lambda item: (rank(MODELS, item[0][0]), *Lines.rank(item[0][1])))
    return [(f"{model_name(model)}, {variant}", group) for (model, variant), group in in_place]


def outcomes_text(rows):
    """How many seeds solve each distance, with the interval of their share and the median time that
    it takes, and what came of the others; neighbouring distances with the same outcome together."""
    times = times_to_solve(rows, ["distance"]).set_index("distance")["median"]
    alike = []  # rows of outcomes() by what came out
    for row in outcomes(rows, ["distance"]).sort_values("distance").itertuples():
        counts = [row.seeds, *(getattr(row, name) for name in COUNTED)]
        if alike and alike[-1][0] == counts:
            alike[-1][1].append(row)
        else:
            alike.append((counts, [row]))
    return ", ".join(group_text(group, times) for _, group in alike)


def group_text(group, times):
    """"3 of 3 solve 8 to 64 (44 to 100 %; 0.03 to 0.75 s)"."""
    first = group[0]
    brackets = [f"{100 * first.low:.0f} to {100 * first.high:.0f} %"]
    told = [times[row.distance] for row in group if row.distance in times]
    if told:
        rounded = [f"{float(f'{seconds:.2g}'):g}" for seconds in (told[0], told[-1])]
        brackets.append(" to ".join(dict.fromkeys(rounded)) + " s")
    brackets += others_text(group)
    ends = " to ".join(dict.fromkeys(f"{row.distance:g}" for row in (first, group[-1])))
    return f"{first.solved} of {first.seeds} solve {ends} ({'; '.join(brackets)})"


def others_text(group):
    """What came of the seeds that did not solve, a text for each outcome."""
    parts = []
    for name in COUNTED[1:]:
        count = getattr(group[0], name)
        if not count:
            continue
        reached = [percent(row.partial_accuracy, 1) for row in (group[0], group[-1])]
        at = f" at {' to '.join(dict.fromkeys(reached))}" if name == "partial" else ""
        parts.append(f"{'all' if count == group[0].seeds else count} {name}{at}")
    return parts


def carried_text(rows):
    """The same of a mixture, at the longest distance trained and at the longest tested."""
    ends = [rows["train_distance"].max(), rows["distance"].max()]
    return outcomes_text(rows[rows["distance"].isin(ends)].assign(seconds_to_solve=float("nan")))


def controls_text(task, rows):
    """What attention without choice, or without far words, reaches at each distance beside
    guessing; or that the run has no such control."""
    controls = rows[is_control(rows)]
    if controls.empty:
        return [f"{task}: no control in this run; docs/tasks.md#controls has what they reach"]
    lines = []
    for name, group in in_order(controls):
        at = over_seeds(group, ["distance", "chance"], "accuracy")
        reached = ", ".join(
            f"{percent(row.median, 1)} at {row.distance:g}" for row in at.itertuples()
        )
        above = (at["median"] - at["chance"]).max()
        verdict = "no more than 10 points above guessing" if above <= 0.1 else (
            "above guessing by more: no evidence for attention there"
        )  # fmt: skip
        lines.append(f"{task}: control {name.split(', ', 1)[1]}: {reached}; {verdict}")
    return lines


def guessing(rows):
    """What guessing gives, by distance where that decides it, as the beginning of a note."""
    chances = rows.dropna(subset=["chance"]).drop_duplicates("distance").sort_values("distance")
    if chances["chance"].nunique() == 1:
        return f"guessing {percent(chances['chance'].iloc[0], 1)}"
    at = (f"{percent(row.chance, 1)} at {row.distance:g}" for row in chances.itertuples())
    return f"guessing {', '.join(at)}" if not chances.empty else ""


def condition(rows):
    """Budget, rates and sizes of the trainings, as the end of a note."""
    parts = []
    steps, batches = rows["schedule_steps"].dropna(), rows["batch"].dropna()
    if not steps.empty:
        of = f" of {span(batches)} sequences" if not batches.empty else ""
        parts.append(f"up to {span(steps)} steps{of}")
    rates = by_model(rows, "learning_rate", lambda group: span(group))
    parts += [f"peak rates: {rates}"] if rates else []
    sizes = by_model(rows, "parameters", lambda group: f"{group.max() / 1000:.0f} K")
    parts += [f"parameters: {sizes}"] if sizes else []
    return "".join(f"; {part}" for part in parts)


def by_model(rows, column, text):
    """"LSTM 36 K, GRU 28 K" of a column, where it is told."""
    rows = rows.dropna(subset=[column])
    groups = sorted(rows.groupby("model")[column], key=lambda item: rank(MODELS, item[0]))
    return ", ".join(f"{model_name(model)} {text(group)}" for model, group in groups)


def formula(run):
    """That the fast kernels compute it, and what each of its parts is for."""
    return (*reference_checks(run), *ablations.figures(run)) or (NOT_MEASURED,)


def reference_checks(run):
    """How many cases of seqbench's own kernels agreed with their reference; none where none ran."""
    rows = run.table("throughput")
    rows = rows[rows["status"] != "skipped"]
    if rows.empty:
        return ()
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
