"""Tables computed from a run's CSV: speedups over lengths, gains from threads, medians over seeds
and the lines that stand for a model."""

import numpy as np
import pandas as pd

from plotting.naming import OUTCOMES, champions
from plotting.settings import settings_of

# Below which length attention leads, where crossover.csv has none.
WITHOUT_LENGTH = {"always_ahead": "any", "never_ahead": "none"}

# What the trainings of one experiment share; the tables of one run have no column `run`. Sorted
# so, an experiment's runs stand side by side.
EXPERIMENT = ["task", "setup", "regime", "preset", "run"]

# A model's variants that plots of many show: as it is, and with gates for the time scale.
MAIN_VARIANTS = ("default", "learned", "chrono")

# The starts that a recurrent model that fails is given.
STARTS = ("default", "forget1", "chrono")

# Tasks that have every model in blocks (harness/tasks/tasks.cc).
IN_BLOCKS = ("mqar", "mqar_8k", "associative_recall", "induction")

CASE = ["pass", "batch", "seq_len", "width", "threads"]


# What factors of products are rounded to. Plots and claims compare models in the first, where they
# do not say otherwise.
DTYPES = ("float32", "bfloat16")


def bare_layers(rows, dtype="float32"):
    """Of the rows of the race those of bare layers of equal width, in one precision."""
    return rows[
        (rows["block"] == "layer") & (rows["match"] == "width") & (rows["dtype"] == dtype)
    ]


def positive(rows, *columns):
    """The rows whose numbers in these columns, where they have any, are times or ratios: above zero
    and finite."""
    is_none = [rows[column].le(0) | rows[column].eq(np.inf) for column in columns]
    return rows[~np.logical_or.reduce(is_none)] if len(rows) else rows


def timed(rows, dtype="float32"):
    """The rows of bare layers in one precision that have a time and each model's own start, with the
    interval of their tokens per second."""
    rows = bare_layers(rows, dtype)
    rows = rows[rows["status"].isin(["ok", "noisy"]) & rows["seconds"].notna()]
    rows = positive(rows, "seconds", "seconds_low", "seconds_high", "tokens_per_second")
    rows = rows[rows["variant"].isin(["", "default"])]
    tokens = rows["tokens_per_second"] * rows["seconds"]
    return rows.assign(
        tokens_low=tokens / rows["seconds_high"], tokens_high=tokens / rows["seconds_low"]
    )


def speedups(run):
    """Tokens/s of attention ÷ tokens/s of each baseline: speedup.csv, or, in a run without it,
    the ratios of throughput.csv with the widest interval that both intervals allow."""
    if "speedup" in run.tables:
        rows = bare_layers(run.tables["speedup"])
        return positive(rows[rows["speedup"].notna()], "speedup", "speedup_low", "speedup_high")
    rows = champions(timed(run.table("throughput")))
    attention = rows[rows["model"] == "attention"]
    baseline = rows[rows["model"] != "attention"].drop(columns=["heads", "causal"])
    pairs = attention.merge(baseline, on=CASE, suffixes=("", "_baseline"))
    return pairs.assign(
        baseline_model=pairs["model_baseline"],
        baseline_kernel=pairs["kernel_baseline"],
        speedup=pairs["tokens_per_second"] / pairs["tokens_per_second_baseline"],
        speedup_low=pairs["tokens_low"] / pairs["tokens_high_baseline"],
        speedup_high=pairs["tokens_high"] / pairs["tokens_low_baseline"],
        status=pairs["status"].where(pairs["status"] != "ok", pairs["status_baseline"]),
    )


def champion_speedups(run):
    """Speedups of the fastest attention kernel over each baseline's fastest kernel."""
    return between_champions(speedups(run))


def champion_crossings(run, dtype="float32"):
    """Of crossover.csv the rows of the fastest kernels, attention's and each baseline's, in one
    precision."""
    rows = bare_layers(run.table("crossover"), dtype)
    return rows if rows.empty else between_champions(rows)


def crossings_by_width(run):
    """Such rows of training in float32, of one number of heads and either full or causal attention;
    empty where a run has one width alone."""
    rows = champion_crossings(run)
    rows = rows[(rows["pass"] == "train") & rows["status"].isin(["ok", *WITHOUT_LENGTH])]
    if rows.empty:
        return rows
    main = settings_of(rows)[0]
    rows = rows[(rows["heads"] == main.heads) & (rows["causal"] == main.causal)]
    return rows if rows["width"].nunique() > 1 else rows.iloc[:0]


def length_of_lead(crossing):
    """"781" tokens, or a word where there is no length."""
    return WITHOUT_LENGTH.get(crossing["status"]) or f"{crossing['crossover_seq_len']:.0f}"


def crossings_by_precision(run):
    """Pairs of such rows, of one case in both precisions; the columns of bfloat16 end in
    `_bfloat16`. Empty where a run has one precision alone."""
    keys = ["pass", "baseline_model", "batch", "width", "heads", "causal", "threads"]
    plain, rounded = (champion_crossings(run, dtype) for dtype in DTYPES)
    return plain.merge(rounded, on=keys, suffixes=("", "_bfloat16"))


def speedups_by_block(run):
    """Attention's speedups in training, of the fastest kernels on the most threads, of bare layers,
    blocks and models, of equal width and of equal parameters; empty where a run has bare layers
    alone."""
    rows = run.table("speedup")
    rows = rows[rows["speedup"].notna() & (rows["pass"] == "train")]
    rows = rows[rows["dtype"] == "float32"]  # blocks and models have no other
    if rows["block"].nunique() < 2 and rows["match"].nunique() < 2:
        return rows.iloc[:0]
    return between_champions(rows[rows["threads"] == rows["threads"].max()])


def between_champions(rows):
    """The rows of attention's fastest kernel and of each baseline's."""
    rows = rows.loc[champions(rows.assign(model="attention")).index]
    baselines = rows.assign(model=rows["baseline_model"], kernel=rows["baseline_kernel"])
    return rows.loc[champions(baselines).index]


def thread_gains(rows):
    """seconds on one thread ÷ seconds on `threads`, with the widest interval that both intervals
    allow; cases without a time on one thread are left out."""
    rows = timed(rows)
    keys = ["model", "kernel", "pass", "batch", "seq_len", "width", "heads", "causal"]
    times = ["seconds", "seconds_low", "seconds_high", "status"]
    one = rows[rows["threads"] == 1][[*keys, *times]]
    pairs = rows.merge(one, on=keys, suffixes=("", "_one"))
    several = pairs["threads"] > 1  # one thread gains exactly nothing over itself
    return pairs.assign(
        gain=pairs["seconds_one"] / pairs["seconds"],
        gain_low=(pairs["seconds_low_one"] / pairs["seconds_high"]).where(several, 1),
        gain_high=(pairs["seconds_high_one"] / pairs["seconds_low"]).where(several, 1),
        status=pairs["status"].where(pairs["status"] != "ok", pairs["status_one"]),
    )


# What tells trainings apart, in every file of recall's that has a row a training.
TRAINING = ["task", "setup", "regime", "preset", "model", "variant", "layers", "block", "train_distance", "seed"]


def own_tests(run):
    """Of each training the row of recall.csv that tests it at the distance it was trained for, with
    column `is_solved`."""
    rows = run.table("recall")
    rows = rows[(rows["distance"] == rows["train_distance"]) & (rows["status"] == "ok")]
    return rows.assign(is_solved=rows["solved"] == "true")


def over_seeds(rows, keys, value):
    """Median of `value` over the seeds of each combination of `keys`, with its range."""
    return (
        rows.dropna(subset=[value])
        .groupby(keys, as_index=False, dropna=False)
        .agg(
            median=(value, "median"),
            low=(value, "min"),
            high=(value, "max"),
            seeds=("seed", "nunique"),
        )
    )


# The quantile of the normal distribution behind a two-sided interval of 95 %.
Z95 = 1.959964


def wilson(successes, trials):
    """The 95 % interval of a share by its score: ends of {p: |x/n − p| ≤ z·√(p·(1 − p)/n)} (Wilson
    1927, J. Am. Stat. Assoc. 22:209)."""
    share, spread = successes / trials, Z95**2 / trials
    middle = share + spread / 2
    half = Z95 * ((share * (1 - share) + spread / 4) / trials) ** 0.5
    # At a share of 0 or 1 an end is just that, but for rounding.
    return max(0.0, (middle - half) / (1 + spread)), min(1.0, (middle + half) / (1 + spread))


def outcomes(rows, keys):
    """How many seeds of each combination of `keys` came to which outcome: a row each with `seeds`,
    `solved`, the columns of OUTCOMES, `unsolved` for rows that tell no outcome (files of earlier
    versions), `partial_accuracy`, the median of those that are `partial`, `share`, `low` and `high`
    of the share that solves."""
    rows = rows[rows["accuracy"].notna()]
    old = np.where(rows["solved"] == "true", "solved", "unsolved")
    word = rows["outcome"].where(rows["outcome"] != "", old)
    partial = rows["accuracy"].astype(float).where(word == "partial")
    counted = rows[keys].assign(
        seeds=1, partial_accuracy=partial, **{name: word == name for name in (*OUTCOMES, "unsolved")}
    )
    how = {"seeds": "sum", "partial_accuracy": "median"}
    how |= {name: "sum" for name in (*OUTCOMES, "unsolved")}
    table = counted.groupby(keys, as_index=False, dropna=False).agg(how)
    ends = [wilson(row.solved, row.seeds) for row in table.itertuples()]
    return table.assign(
        share=table["solved"] / table["seeds"],
        low=[low for low, _ in ends],
        high=[high for _, high in ends],
    )


def times_to_solve(rows, keys):
    """Median over seeds of the seconds of training until it was solved, with the range, of each
    combination of `keys` that more than half of the seeds solved, also in the test."""
    rows = rows[(rows["distance"] == rows["train_distance"]) & rows["accuracy"].notna()]
    rows = rows.assign(seconds_to_solve=rows["seconds_to_solve"].where(rows["solved"] == "true"))
    trained = rows.groupby(keys, as_index=False, dropna=False).agg(trained=("seed", "nunique"))
    table = over_seeds(rows, keys, "seconds_to_solve").merge(trained, on=keys)
    return table[2 * table["seeds"] > table["trained"]]


def main_lines(rows, recall):
    """True for the rows of a model's main variants, each with a convolution or without, in the
    model's main depth, where the task has them; for all rows where a model has none. `recall` is
    the table recall of the same runs, which tells the depths of all tables; where it is empty,
    `rows` do."""
    keys = [key for key in (*EXPERIMENT, "model") if key in rows]
    depths = main_depths(rows if recall.empty else recall, keys)
    of_main_depth = rows[[*keys, "layers"]].merge(depths, how="left", indicator="found")["found"]
    is_main = is_main_variant(rows) & (of_main_depth == "both").to_numpy() & ~in_other_blocks(rows)
    has_main = is_main.groupby([rows[key] for key in keys]).transform("any").astype(bool)
    return is_main | ~has_main


def is_main_variant(rows):
    return rows["variant"].str.removesuffix("+conv3").isin(MAIN_VARIANTS)


def is_start(rows):
    """True for every start of a recurrent model that a failing one is given."""
    starts = rows["variant"].str.removesuffix("+conv3").isin(STARTS)
    return starts & (rows["model"] != "attention")


def main_depths(rows, keys):
    """Of each combination of `keys` the number of layers whose main variants were trained at the
    longest distance, or at most distances where that is several; still several where both are
    equal."""
    if "status" in rows:
        rows = rows[rows["status"] == "ok"]
    main = rows[is_main_variant(rows) & ~in_other_blocks(rows)]
    depths = main.groupby([*keys, "layers"], as_index=False)
    depths = depths.agg(farthest=("train_distance", "max"), distances=("train_distance", "nunique"))
    for score in ("farthest", "distances"):
        depths = depths[depths[score] == depths.groupby(keys)[score].transform("max")]
    return depths[[*keys, "layers"]]


def in_other_blocks(rows):
    """True for recurrent models that stand in attention's blocks where their task has them bare
    (`recall --block model`)."""
    moved = (rows["model"] != "attention") & (rows["block"] == "model")
    return moved & ~rows["task"].isin(IN_BLOCKS) & (rows["preset"] == "")


def at_longest(rows, keys):
    """The rows of trainings at the longest distance that each combination of `keys` has."""
    return rows[rows["train_distance"] == rows.groupby(keys)["train_distance"].transform("max")]


def layers_told(rows):
    """The rows with the number of layers behind the variant's name, where a model has several in
    an experiment, or with the blocks that they stand in."""
    if rows.empty:
        return rows
    elsewhere = in_other_blocks(rows)
    if elsewhere.any():
        bare = layers_told(rows[~elsewhere])
        blocks = rows[elsewhere]
        blocks = blocks.assign(variant=blocks["variant"] + ", in attention's blocks")
        return pd.concat([bare, blocks]).loc[rows.index]
    keys = [key for key in (*EXPERIMENT, "model") if key in rows]
    several = rows.groupby(keys)["layers"].transform("nunique") > 1
    layers = ", " + rows["layers"].map("{:g} layers".format).replace("1 layers", "1 layer")
    return rows.assign(variant=rows["variant"] + layers.where(several, ""))


# What a row is called, by the file that it stands in.
CASE_NAMES = {
    "throughput": "{row.case_id}",
    "recall": "{row.task}:{row.model}:{row.variant}:distance {row.distance:g}:seed {row.seed:g}",
    "frontier": "{row.task}:{row.model}:{row.variant}:width {row.width:g}:pairs {row.pairs:g}"
    ":seed {row.seed:g}",
    "ablation": "{row.task}:{row.variant}:{row.ablation}:distance {row.distance:g}:seed {row.seed:g}",
}


def not_ok(run):
    """Rows that are not `ok` of the files that tell a status: file, case, status, reason."""
    tables = []
    for name, pattern in CASE_NAMES.items():
        rows = run.table(name)
        rows = rows[rows["status"] != "ok"]
        case = [pattern.format(row=row) for row in rows.itertuples()]
        tables.append(
            pd.DataFrame(
                {
                    "file": f"{name}.csv",
                    "case": list(case),
                    "status": list(rows["status"]),
                    "reason": list(rows["reason"]),
                }
            )
        )
    return pd.concat(tables, ignore_index=True)
