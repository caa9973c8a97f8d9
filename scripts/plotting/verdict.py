"""The verdict on each sentence of the textbook: which word a run's rows allow, and the figure that it
rests on.

Every claim names the rows that decide it and is no stronger than they are: noisy rows, too few seeds
or two threads leave it unsettled. Where a run lacks these rows, the verdict says so.
"""

import csv
import io
import math
import textwrap
from dataclasses import dataclass

from plotting import attention
from plotting.claims import main_setting
from plotting.derived import (
    bare_layers,
    champion_crossings,
    champion_speedups,
    in_other_blocks,
    outcomes,
    thread_gains,
    timed,
    wilson,
)
from plotting.naming import (
    MEMORY,
    MODELS,
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
)


@dataclass(frozen=True)
class Threshold:
    """Where a verdict changes, and why there."""

    value: float
    reason: str


THRESHOLDS = {
    "threads": Threshold(4, "on two threads a loop that stops scaling looks like one that does not"),
    "gain": Threshold(1.25, "less may come of clocks that fall and caches that are shared"),
    "noisy": Threshold(0.25, "with more noisy rows the median is one of them as likely as not"),
    "lead": Threshold(1.0, "as fast as the other"),
    "seeds": Threshold(5, "of three seeds that all solve, the interval begins at 44 %: no majority"),
    "share": Threshold(0.5, "most seeds, by the end of the share's interval"),
    "control": Threshold(0.1, "a control above guessing by more solves it by other means"),
    "half": Threshold(0.5, "most of the weight, and most of the answers"),
    "settings": Threshold(6, "fewer settings can be a choice"),
    "agree": Threshold(1.0, "one case that disagrees with the formula is a wrong kernel"),
}

SENTENCES = (
    "RNNs are sequential, which hinders parallelization",
    "Self-attention's products run in parallel, so training is significantly faster",
    "RNNs lose long-range dependencies",
    "Attention relates any two words regardless of distance",
    "“it” attends to “animal”, “sat” to “cat” and “mat”",
    "Query, Key, Value: scores, softmax, weighted sum",
    "What nobody told you",
)
NOT_MEASURED = "not settled: not measured in this run"

COLUMNS = (
    "run_id claim verdict condition figure low high unit threshold source_file source_case"
).split()


@dataclass(frozen=True)
class Verdict:
    """One row: `verdict` is "holds", "holds up to …", "depends on …", "does not hold here" or "not
    settled: …"; `text` the figures in a sentence; `figure` the one that decides, NaN where nothing
    was measured, with its interval, its unit, the threshold's name and the rows that it is from."""

    claim: int
    verdict: str
    condition: str = ""
    text: str = ""
    figure: float = math.nan
    low: float = math.nan
    high: float = math.nan
    unit: str = ""
    threshold: str = ""
    source_file: str = ""
    source_case: str = ""

    @property
    def sentence(self):
        return SENTENCES[self.claim - 1]


def verdicts_of(run):
    """All seven, in the textbook's order; the last one is what no sentence of it told."""
    judges = (parallel, training, memory, pairing, weights, formula, surprise)
    return [judge(run) or Verdict(claim, NOT_MEASURED) for claim, judge in enumerate(judges, 1)]


def not_settled(why):
    return f"not settled: {why}"


def noise_among(rows):
    """Why these rows decide nothing, or None."""
    noisy = int((rows["status"] == "noisy").sum())
    too_many = noisy > THRESHOLDS["noisy"].value * len(rows)
    return not_settled(f"{noisy} of {len(rows)} rows are noisy") if too_many else None


def times(value, digits=2):
    return f"×{value:.{digits}f}"


def parallel(run):
    """Attention's gain from all threads in training ÷ the LSTM's, at batch 1: there no sequences
    can be shared out, and what a recurrence cannot do at once shows. Median over lengths, from least
    to most."""
    rows = champions(timed(run.table("throughput")))
    rows = rows[(rows["pass"] == "train") & (rows["batch"] == rows["batch"].min())]
    if rows.empty:
        return None
    rows, setting = main_setting(rows)
    threads = rows["threads"].max()
    gains = thread_gains(rows)
    gains = gains[(gains["threads"] == threads) & (threads > 1)]
    by_model = {model: group.set_index("seq_len") for model, group in gains.groupby("model")}
    if "attention" not in by_model or not RECURRENT & set(by_model):
        return None
    told = sorted(by_model, key=lambda name: rank(MODELS, name))
    # The recurrent model that gains least from the threads is the textbook's best case.
    ratios = {
        model: (by_model["attention"]["gain"] / by_model[model]["gain"]).dropna()
        for model in told
        if model in RECURRENT and model != "mingru"
    }
    model = max(ratios, key=lambda name: ratios[name].median())
    ratio = ratios[model]
    bound = THRESHOLDS["gain"].value
    if threads < THRESHOLDS["threads"].value:
        word = not_settled(f"{plural(threads, 'thread')} only")
    elif unsettled := noise_among(gains):
        word = unsettled
    elif ratio.min() > bound:
        word = "holds"
    elif ratio.median() < bound:
        word = "does not hold here"
    else:
        word = f"depends on the model: the {model_name(model)} gains least"
    batch = rows["batch"].iloc[0]
    each = ", ".join(f"{model_name(name)} {times(by_model[name]['gain'].median())}" for name in told)
    return Verdict(
        1,
        word,
        f"training, batch {batch:g}, {plural(threads, 'thread')}, {setting.label}",
        f"gain from {'a second thread' if threads == 2 else plural(threads, 'thread')}: {each}",
        ratio.median(),
        ratio.min(),
        ratio.max(),
        f"attention's gain ÷ {model_name(model)}'s",
        "gain",
        "throughput.csv",
        f"train, batch {batch:g}, threads 1 and {threads:g}: attention and {model}, every length",
    )


# Those that the sentences are about.
RECURRENT = {"elman", "lstm", "gru", "mingru"}


def training(run):
    """Where attention's lead in training is lost, on one thread, so that it is the algorithm's."""
    speedups = champion_speedups(run)
    speedups = speedups[(speedups["pass"] == "train") & (speedups["threads"] == 1)]
    if speedups.empty:
        return None
    speedups, setting = main_setting(speedups)
    crossings = setting.select(champion_crossings(run))
    crossings = crossings[(crossings["pass"] == "train") & (crossings["threads"] == 1)]
    if crossings.empty:
        return None
    states = set(crossings["status"])
    if unsettled := noise_among(speedups):
        word = unsettled
    elif states == {"always_ahead"}:
        word = "holds"
    elif states == {"never_ahead"}:
        word = "does not hold here"
    else:
        word = "depends on length and model"
    parts = []
    for model, group in sorted(
        crossings.groupby("baseline_model"), key=lambda item: rank(MODELS, item[0])
    ):
        parts.append(f"{model_name(model)} {crossings_text(group.sort_values('batch'))}")
    place = crossings["baseline_model"].map(lambda model: rank(MODELS, model))
    chief = crossings.assign(place=place).sort_values(["place", "batch"]).iloc[0]
    return Verdict(
        2,
        word,
        f"training, 1 thread, {setting.label}",
        f"faster than {'; '.join(parts)}{reason(speedups, chief)}",
        chief["crossover_seq_len"],
        chief.get("crossover_low", math.nan),
        chief.get("crossover_high", math.nan),
        "tokens",
        "lead",
        "crossover.csv",
        f"train, {chief['kernel']} against {chief['baseline_model']}"
        f" {chief['baseline_kernel']}, batch {chief['batch']:g}, 1 thread",
    )


def crossings_text(rows):
    """"below 697 tokens (batch 1), 437 (batch 16)", or "never"."""
    words = {"always_ahead": "always", "never_ahead": "never"}
    if rows["status"].nunique() == 1 and rows["status"].iloc[0] in words:
        return words[rows["status"].iloc[0]]
    parts = []
    for row in rows.itertuples():
        tokens = "" if "tokens" in " ".join(parts) else "below "
        where = words.get(row.status, "unknown")
        if row.status == "ok":
            where = f"{tokens}{row.crossover_seq_len:.0f}{' tokens' if tokens else ''}"
        parts.append(f"{where} (batch {row.batch:g})")
    return ", ".join(parts)


def reason(speedups, chief):
    """"; at 64 tokens ×2.62 = 1.78 (less work) × 1.48 (rate)" at the shortest and longest length,
    where speedup.csv tells the parts."""
    rows = speedups[
        (speedups["baseline_model"] == chief["baseline_model"])
        & (speedups["batch"] == chief["batch"])
    ].sort_values("seq_len")
    if not {"work_ratio", "efficiency_ratio"} <= set(rows) or rows.empty:
        return ""
    parts = [
        f"at {row['seq_len']:g} tokens {times(row['speedup'])} = {row['work_ratio']:.2f} (work) ×"
        f" {row['efficiency_ratio']:.2f} (rate)"
        for _, row in rows.iloc[[0, -1]].drop_duplicates("seq_len").iterrows()
    ]
    return f". {model_name(chief['baseline_model'])}, batch {chief['batch']:g}: {'; '.join(parts)}"


def trained(run, evidence):
    """outcomes() of the bare models of one distance each, on tasks that are evidence for
    `evidence`, at each task's longest distance that attention was trained at; the task with most
    rows first, its name in column `task`."""
    rows = run.table("recall")
    rows = rows[(rows["preset"] == "") & (rows["status"] == "ok") & (rows["regime"] == "single")]
    rows = rows[(evidence_of(rows) == evidence) & (rows["distance"] == rows["train_distance"])]
    rows = rows[~in_other_blocks(rows)]
    if rows.empty:
        return rows
    task = rows["task"].value_counts().index[0]
    rows = rows[rows["task"] == task]
    # One depth: that of most rows.
    depths = rows.groupby("model")["layers"].agg(lambda layers: layers.value_counts().index[0])
    rows = rows[rows["layers"] == rows["model"].map(depths)]
    attention_at = rows.loc[rows["model"] == "attention", "distance"]
    rows = rows[rows["distance"] == (attention_at if len(attention_at) else rows["distance"]).max()]
    table = outcomes(rows, ["task", "model", "variant", "distance"])
    accuracy = rows.groupby(["model", "variant"], as_index=False).agg(
        accuracy=("accuracy", "median"), chance=("chance", "median")
    )
    return table.merge(accuracy, on=["model", "variant"])


def of_seeds(row):
    return f"{row['solved']:.0f} of {row['seeds']:.0f}"


def best_of(table):
    """The row of most solved seeds, then of the highest accuracy."""
    return table.sort_values(["share", "accuracy"]).iloc[-1]


def too_few_seeds(rows):
    """Why so few seeds decide nothing, or None."""
    least = int(min(row["seeds"] for row in rows))
    needed = THRESHOLDS["seeds"].value
    return not_settled(f"{plural(least, 'seed')}, {needed:g} needed") if least < needed else None


def memory(run):
    """Does the LSTM as it starts by default keep the first of many tokens, and does any start?"""
    table = trained(run, MEMORY)
    recurrent = table[table["model"].isin(RECURRENT)] if len(table) else table
    default = recurrent[(recurrent["model"] == "lstm") & (recurrent["variant"] == "default")] \
        if len(table) else table  # fmt: skip
    if default.empty:
        return None
    default = default.iloc[0]
    best = best_of(recurrent)
    most = THRESHOLDS["share"].value
    where = f"{default['distance']:g} tokens"
    if unsettled := too_few_seeds([default, best]):
        word = unsettled
    elif default["low"] > most:
        word = "does not hold here"
    elif best["low"] > most:
        word = "depends on the start"
    elif best["high"] < most:
        word = "holds"
    else:
        word = not_settled(f"{of_seeds(best)} seeds solve")
    order = sorted(
        table[~is_control(table)].to_dict("records"),
        key=lambda row: (rank(MODELS, row["model"]), *Lines.rank(row["variant"])),
    )
    each = ", ".join(
        f"{model_name(row['model'])}{start_text(row)} {of_seeds(row)}" for row in order
    )
    return Verdict(
        3,
        word,
        f"{default['task']}, {where}",
        f"seeds that solve {default['task']} over {where}: {each}",
        default["share"],
        default["low"],
        default["high"],
        "share of seeds, LSTM from its default start",
        "share",
        "recall.csv",
        f"{default['task']}, single, lstm, default, distance {default['distance']:g}",
    )


def start_text(row):
    return "" if row["variant"] in ("default", "learned") else f" ({row['variant']})"


def pairing(run):
    """Does attention relate keys to values at every distance, where what cannot choose, or not look
    far, fails?"""
    table = trained(run, PAIRING)
    if table.empty:
        return None
    own = table[(table["model"] == "attention") & ~is_control(table)]
    if own.empty:
        return None
    own = best_of(own)
    controls = table[is_control(table)]
    recurrent = table[table["model"].isin(RECURRENT)]
    most, margin = THRESHOLDS["share"].value, THRESHOLDS["control"].value
    passed = controls[controls["accuracy"] > controls["chance"] + margin]
    where = f"{own['distance']:g} tokens"
    if len(passed):
        word = not_settled(f"the control {passed['variant'].iloc[0]} solves it too")
    elif unsettled := too_few_seeds([own]):
        word = unsettled
    elif own["low"] > most:
        word = f"holds up to {where}"
    elif own["high"] < most:
        word = "does not hold here"
    else:
        word = not_settled(f"{of_seeds(own)} seeds solve")
    parts = [f"attention {percent(own['accuracy'])} ({of_seeds(own)} seeds solve)"]
    if len(recurrent):
        other = best_of(recurrent)
        parts.append(
            f"best recurrent {percent(other['accuracy'])} ({model_name(other['model'])}"
            f" {other['variant']})"
        )
    parts += [f"control {row['variant']} {percent(row['accuracy'])}"
              for _, row in controls.iterrows()]  # fmt: skip
    parts.append(f"guessing {percent(own['chance'])}")
    told = "" if len(controls) else "; controls: docs/tasks.md"
    return Verdict(
        4,
        word,
        f"{own['task']}, {where}",
        f"{own['task']}, {where}: {', '.join(parts)}{told}",
        own["share"],
        own["low"],
        own["high"],
        "share of seeds, attention",
        "share",
        "recall.csv",
        f"{own['task']}, single, attention, {own['variant']}, distance {own['distance']:g}",
    )


def weights(run):
    """In how many settings of training the word that asks both weighs its noun most and needs it."""
    rows = run.table("interventions")
    if rows.empty:
        return None
    table = attention.weight_and_use(rows.assign(run=run.name))
    if table.empty:
        return None
    half = THRESHOLDS["half"].value
    deepest = table[table["layers"] == table.groupby("task")["layers"].transform("max")]
    answering = deepest[deepest["answers"]]
    holds = answering[(answering["weight"] >= half) & (answering["lost"] >= half)]
    if answering.empty:
        return None
    low, high = wilson(len(holds), len(answering))
    settings = deepest.groupby("task").size().max()
    if settings < THRESHOLDS["settings"].value:
        word = not_settled(f"{plural(settings, 'setting')} of training")
    elif unsettled := too_few_seeds([row for _, row in answering.iterrows()]):
        word = unsettled
    elif low > half:
        word = "holds"
    elif high < half:
        word = "does not hold here"
    else:
        word = "depends on how it is trained"
    parts = []
    for task, group in answering.groupby("task", sort=False):
        asks = "it" if task == "coreference" else "sat"
        noun = "its noun" if task == "coreference" else "its two nouns"
        parts.append(
            f"“{asks}” gives {noun} {percent(group['weight'].median())} of its weight and loses"
            f" {percent(group['lost'].median())} of the answers without"
            f" {'that' if task == 'coreference' else 'either'} edge"
        )
    return Verdict(
        5,
        word,
        f"{len(answering)} settings of training and sentences",
        f"{'; '.join(parts)} (medians; both above half in {len(holds)} of {len(answering)})",
        len(holds) / len(answering),
        low,
        high,
        "share of settings",
        "half",
        "interventions.csv",
        "hidden nothing, and the nouns hidden from the word that asks",
    )


def formula(run):
    """Is the fast kernel the formula?"""
    rows = bare_layers(run.table("throughput"))
    rows = champions(rows[(rows["status"] != "skipped") & (rows["model"] == "attention")])
    if rows.empty:
        return None
    agree = int((rows["status"] != "failed").sum())
    share = agree / len(rows)
    return Verdict(
        6,
        "holds" if agree == len(rows) else "does not hold here",
        "fast kernel against the formula in double",
        f"{agree} of {len(rows)} cases of the fast kernel equal the formula within the derived bound",
        share,
        *wilson(agree, len(rows)),
        "share of cases",
        "agree",
        "throughput.csv",
        "attention, fused: status",
    )


def surprise(run):
    """What the rows show that no sentence tells: a recurrence that counts where attention loses
    count, or else one sequence of an LSTM that gains from a second thread."""
    table = trained(run, STATE)
    if len(table) and (table["model"] == "attention").any() and table["model"].isin(RECURRENT).any():
        own = best_of(table[table["model"] == "attention"])
        other = best_of(table[table["model"].isin(RECURRENT)])
        if other["low"] > own["high"]:
            return Verdict(
                7,
                "recurrence tracks state, attention does not",
                f"{own['task']}, {own['distance']:g} tokens",
                f"{own['task']}, {own['distance']:g} tokens: {model_name(other['model'])}"
                f" {of_seeds(other)} seeds solve, attention {of_seeds(own)}",
                other["share"],
                other["low"],
                other["high"],
                f"share of seeds, {model_name(other['model'])}",
                "share",
                "recall.csv",
                f"{own['task']}, single, {other['model']}, {other['variant']}",
            )
    rows = champions(timed(run.table("throughput")))
    rows = rows[(rows["pass"] == "train") & (rows["batch"] == 1) & (rows["model"] == "lstm")]
    if rows.empty:
        return None
    rows, setting = main_setting(rows)
    gains = thread_gains(rows)
    gains = gains[gains["threads"] == gains["threads"].max()]
    gains = gains[gains["threads"] > 1]
    if gains.empty:
        return None
    threads = gains["threads"].max()
    low, high = gains["gain"].min(), gains["gain"].max()
    if low <= THRESHOLDS["lead"].value:
        return None
    return Verdict(
        7,
        "a recurrent step runs in parallel too",
        f"training, batch 1, {plural(threads, 'thread')}, {setting.label}",
        f"one sequence of an LSTM trains {times(gains['gain'].median())} as fast on"
        f" {plural(threads, 'thread')}: they share out its units",
        gains["gain"].median(),
        low,
        high,
        "seconds on 1 thread ÷ seconds on all",
        "lead",
        "throughput.csv",
        f"lstm, train, batch 1, threads 1 and {threads:g}, every length",
    )


# What the words of a verdict mean, in capitals in the text.
WORDS = ("holds", "depends on", "does not hold here", "not settled")
MOST_LINES, WIDTH = 24, 100
# Lines of a claim below its sentence; of the second, which tells the parts of a ratio, one more.
LINES_BELOW = 2


def in_capitals(verdict):
    """"HOLDS up to 64 tokens": the word that counts in capitals."""
    word = next((word for word in WORDS if verdict.startswith(word)), verdict)
    return word.upper() + verdict[len(word):]


def as_text(verdicts, title):
    """The table for a terminal: at most MOST_LINES lines of WIDTH columns."""
    lines = [f"The textbook's claims, judged by {title}"]
    for verdict in verdicts:
        told = in_capitals(verdict.verdict)
        told += f". {verdict.text[0].upper()}{verdict.text[1:]}" if verdict.text else ""
        lines.append(f"{verdict.claim} {verdict.sentence}")
        lines += textwrap.wrap(told, WIDTH, initial_indent="  ", subsequent_indent="    ",
                               max_lines=LINES_BELOW + (verdict.claim == 2), placeholder=" …")  # fmt: skip
    return "\n".join(lines) + "\n"


def agreement(verdicts_by_run):
    """Which verdicts several runs share: a line for each claim on which they differ, after the
    count."""
    by_claim = list(zip(*verdicts_by_run.values()))
    differ = [same for same in by_claim if len({verdict.verdict for verdict in same}) > 1]
    lines = [f"{len(by_claim) - len(differ)} of {len(by_claim)} verdicts are the same in all runs"]
    for verdicts in differ:
        told = (
            f"{name}: {in_capitals(verdict.verdict)}"
            for name, verdict in zip(verdicts_by_run, verdicts)
        )
        lines += textwrap.wrap(f"{verdicts[0].claim} {'; '.join(told)}", WIDTH,
                               subsequent_indent="    ")  # fmt: skip
    return "\n".join(lines) + "\n"


def as_csv(verdicts_by_run):
    """verdict.csv of one run or several: numbers that read back exactly, empty where unknown."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for run_id, verdicts in verdicts_by_run.items():
        for verdict in verdicts:
            numbers = [cell(value) for value in (verdict.figure, verdict.low, verdict.high)]
            threshold = THRESHOLDS.get(verdict.threshold)
            writer.writerow([
                run_id, verdict.claim, verdict.verdict, verdict.condition, *numbers, verdict.unit,
                cell(threshold.value) if threshold else "", verdict.source_file,
                verdict.source_case,
            ])  # fmt: skip
    return text.getvalue()


def cell(value):
    return "" if value != value else f"{float(value):.17g}" if value % 1 else f"{value:.0f}"
