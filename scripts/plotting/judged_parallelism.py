"""Claim 1: what threads do to attention and to recurrent models, and what all steps at once cost."""

import numpy as np

from plotting.claims import main_setting
from plotting.derived import bare_layers, champion_speedups, thread_gains, timed
from plotting.judgement import (
    PAIR,
    RECURRENT,
    SHAPE,
    TEXTBOOK_RNNS,
    TIMED_SHAPE,
    Figure,
    Verdict,
    median,
    noise_among,
    not_settled,
    selection,
    threshold,
    times,
)
from plotting.naming import MODELS, champions, model_name, plural, rank


def parallel(run):
    """Do attention's products gain more from threads than a recurrence does? Judged by attention's
    gain in training ÷ each recurrent model's, at the smallest batch: there no sequences can be
    shared out, and what a recurrence cannot do at once shows. On few threads by the projection of
    the same gain, where the run has one that met what could be measured."""
    rows, setting = gain_ratios(run)
    projected = projected_ratios(run)
    if rows.empty and projected.empty:
        return only_over_time(run)
    told, figures, condition, threads = "", (), "", 1
    if not rows.empty:
        threads, batch = rows["threads"].max(), rows["batch"].iloc[0]
        told, figures = gains_told(run, setting, threads, batch)
        condition = f"training, batch {batch:g}, {plural(threads, 'thread')}, {setting.label}"
    if threads < threshold("threads") and not projected.empty:
        word, decisive = word_of(projected, "processors"), decisive_of(projected, "projection.csv")
        count = projected["processors"].max()
        condition = f"projected for {count:g} processors from {condition or 'one thread'}"
        gained, gains = gained_at(projected)
        told, figures = f"{gained}; {told}" if told else gained, (*gains, *figures)
    else:
        decisive = decisive_of(rows, "throughput.csv")
        word = not_settled(f"{plural(threads, 'thread')} only")
        if threads >= threshold("threads"):
            word = noise_among(rows) or word_of(rows, "seq_len")
    over_time = at_once(run)
    if over_time and word == "holds":
        word = "depends on the width: wide ones run over all steps at once"
    for more in (over_time, sweeps_of(run), spans_of(run)):
        if more:
            told, figures = f"{told}; {more[0]}", (*figures, *more[1])
    return Verdict(1, word, condition, told, (decisive, *figures), "gain")


def gain_ratios(run):
    """Attention's gain from the most threads ÷ that of each of the textbook's recurrent models, in
    training at the smallest batch: columns `ratio`, `ratio_low`, `ratio_high`; and their setting.
    Empty where a run has one number of threads."""
    rows = champion_speedups(run)
    rows = rows[(rows["pass"] == "train") & rows["baseline_model"].isin(TEXTBOOK_RNNS)]
    if rows.empty:
        return rows, None
    rows, setting = main_setting(rows[rows["batch"] == rows["batch"].min()])
    keys = ["baseline_model", "batch", "seq_len", "width"]
    ends = ["speedup", "speedup_low", "speedup_high", "status"]
    alone = rows[rows["threads"] == 1][[*keys, *ends]]
    rows = rows[(rows["threads"] == rows["threads"].max()) & (rows["threads"] > 1)]
    rows = rows.merge(alone, on=keys, suffixes=("", "_alone"))
    # The spreads of both speedups are independent: on logarithms their squares add up.
    spread = np.hypot(half_width(rows, ""), half_width(rows, "_alone"))
    ratio = rows["speedup"] / rows["speedup_alone"]
    rows = rows.assign(
        ratio=ratio, ratio_low=ratio / np.exp(spread), ratio_high=ratio * np.exp(spread),
        status=rows["status"].where(rows["status"] != "ok", rows["status_alone"]),
    )  # fmt: skip
    return rows[rows["ratio"].notna()], setting


def half_width(rows, suffix):
    """Of the intervals of both speedups' logarithms; one that is unknown counts as none."""
    low, high = (rows[f"speedup_{end}{suffix}"].astype(float) for end in ("low", "high"))
    return (np.log(high / low) / 2).fillna(0)


def word_of(rows, over):
    """What the ratios of all models decide. A model is above the threshold, or below, where the
    median of the intervals' near ends is; it is both where a quarter of the rows (values of column
    `over`) stand firmly on either side."""
    bound = threshold("gain")
    states = {}
    for model, group in rows.groupby("baseline_model"):
        above, below = group["ratio_low"] > bound, group["ratio_high"] < bound
        if min(above.mean(), below.mean()) >= threshold("lengths"):
            states[model] = f"depends on {'length' if over == 'seq_len' else 'the shape'}"
        elif group["ratio_low"].median() > bound:
            states[model] = "holds"
        elif group["ratio_high"].median() < bound:
            states[model] = "does not hold here"
        else:
            states[model] = not_settled(f"{model_name(model)}'s interval reaches to both sides")
    words = sorted(set(states.values()))
    if len(words) == 1:
        return words[0]
    if {"holds", "does not hold here"} <= set(words):
        return "depends on the model"
    # The weaker of what is left.
    return next((word for start in ("not settled", "depends") for word in words
                 if word.startswith(start)), words[0])  # fmt: skip


def decisive_of(rows, file):
    """The ratio of the recurrent model that gains least, which is the textbook's best case."""
    model = rows.groupby("baseline_model")["ratio"].median().idxmax()
    own = rows[rows["baseline_model"] == model]
    what, unit = f"attention against {model}", f"attention's gain ÷ {model_name(model)}'s"
    if file == "projection.csv":
        count = own["processors"].iloc[0]
        shape = selection(own, "pass", "batch", "width")
        pair = (f"model={{}}, processors={{}}, {shape}" if shape else "model={}, processors={}").format
        case = (f"{pair(model, f'{count:g}')} ÷ {pair('attention', f'{count:g}')}"
                f" ÷ {pair(model, 1)} × {pair('attention', 1)}")  # fmt: skip
        return ratios(what, unit, file, "predicted_seconds", own["ratio"], case)
    if "parallel_ratio" in own and own["parallel_ratio"].notna().all():
        return median(what, unit, "speedup.csv", "parallel_ratio", own, PAIR)
    shape = selection(own, *SHAPE, "dtype")
    pair = f"model={{}}, {shape}, threads={{:g}}".format
    threads = own["threads"].iloc[0]
    case = (f"{pair('attention', threads)} ÷ {pair(model, threads)}"
            f" ÷ {pair('attention', 1)} × {pair(model, 1)}")  # fmt: skip
    return ratios(what, unit, file, "tokens_per_second", own["ratio"], case)


def ratios(what, unit, file, column, values, case):
    return Figure(what, values.median(), values.min(), values.max(), unit, "median of ratios", file,
                  column, case)  # fmt: skip


def gains_told(run, setting, threads, batch):
    """Each model's gain from the threads, minGRU's too, as a text and as figures."""
    rows = champions(timed(run.table("throughput")))
    rows = setting.select(rows[(rows["pass"] == "train") & (rows["batch"] == batch)])
    gains = thread_gains(rows)
    gains = gains[gains["threads"] == threads]
    figures = []
    for model in sorted(gains["model"].unique(), key=lambda name: rank(MODELS, name)):
        own = gains[gains["model"] == model]
        pair = f"{selection(own, 'model', 'kernel', *TIMED_SHAPE)}, threads={{:g}}".format
        unit = "seconds on 1 thread ÷ seconds on all"
        figures.append(ratios(model, unit, "throughput.csv", "seconds", own["gain"],
                              f"{pair(1)} ÷ {pair(threads)}"))  # fmt: skip
    if not figures:
        return "", ()
    each = ", ".join(
        f"{model_name(one.what)} {times(one.value)}"
        + (f" ({one.low:.2f} to {one.high:.2f})" if one.what == "attention" else "")
        for one in figures
    )
    source = "a second thread" if threads == 2 else plural(threads, "thread")
    return f"gain from {source}, batch {batch:g}: {each}", tuple(figures)


def projected_ratios(run):
    """Attention's projected speed-up ÷ each recurrent model's, for the most processors that both
    are projected for, with the interval that the projections' bounds leave: rows as those of
    gain_ratios(). Empty where the run has no projection, or one that missed what could be
    measured."""
    rows = run.table("projection")
    rows = champions(rows[(rows["pass"] == "train") & (rows["variant"].isin(["", "default"]))])
    rows = rows[rows["batch"] == rows["batch"].min()]
    tried = rows[(rows["processors"] > 1) & rows["measured_seconds"].notna()]
    met = (tried["predicted_seconds"] / tried["measured_seconds"] - 1).abs() <= threshold("predicted")
    none = rows.iloc[:0]
    if tried.empty or met.mean() < threshold("checked"):
        return none
    keys = ["model", "kernel", "batch", "seq_len", "width"]
    alone = rows[rows["processors"] == 1][[*keys, "predicted_seconds"]]
    rows = rows[rows["processors"] == rows["processors"].max()]
    if rows["processors"].max() < threshold("threads"):
        return none
    rows = rows.merge(alone, on=keys, suffixes=("", "_alone"))
    rows = rows.assign(
        gain=rows["predicted_seconds_alone"] / rows["predicted_seconds"],
        gain_low=rows["predicted_seconds_alone"] / rows["seconds_high"],
        gain_high=rows["predicted_seconds_alone"] / rows["seconds_low"],
    )
    own = rows[rows["model"] == "attention"]
    others = rows[rows["model"].isin(TEXTBOOK_RNNS)]
    pairs = own.merge(others, on=["pass", "batch", "seq_len", "width", "processors"],
                      suffixes=("", "_other"))  # fmt: skip
    return pairs.assign(
        baseline_model=pairs["model_other"],
        ratio=pairs["gain"] / pairs["gain_other"],
        ratio_low=pairs["gain_low"] / pairs["gain_high_other"],
        ratio_high=pairs["gain_high"] / pairs["gain_low_other"],
    ).dropna(subset=["ratio"])


def gained_at(projected):
    """"on 64 processors attention ×40, LSTM ×6", medians over the shapes, and the figures."""
    count = projected["processors"].max()
    gains = {"attention": projected.drop_duplicates(["batch", "seq_len", "width"])["gain"]}
    gains |= dict(iter(projected.groupby("baseline_model")["gain_other"]))
    shape = selection(projected, "pass", "batch", "width")
    figures = tuple(
        ratios(name, f"projected seconds on 1 processor ÷ on {count:g}", "projection.csv",
               "predicted_seconds", gains[name],
               f"model={name}, processors=1, {shape} ÷ model={name}, processors={count:g}, {shape}")
        for name in sorted(gains, key=lambda name: rank(MODELS, name))
    )  # fmt: skip
    each = ", ".join(f"{model_name(one.what)} {times(one.value, 1)}" for one in figures)
    return f"on {count:g} processors {each}", figures


def newton_gains(run):
    """Seconds of the loop step by step ÷ those of all steps at once (kernel `newton`), on the most
    threads: columns `gain`, `gain_low`, `gain_high` with the ends of both intervals."""
    rows = bare_layers(run.table("throughput"))
    rows = rows[rows["status"].isin(["ok"]) & rows["seconds"].notna() & rows["model"].isin(RECURRENT)]
    keys = ["model", "pass", "batch", "seq_len", "width", "threads", "variant"]
    ends = ["seconds", "seconds_low", "seconds_high"]
    solved = rows[rows["kernel"] == "newton"]
    pairs = solved.merge(rows[rows["kernel"] == "persistent"][[*keys, *ends]], on=keys,
                         suffixes=("", "_loop"))  # fmt: skip
    if pairs.empty:
        return pairs
    pairs = pairs[pairs["threads"] == pairs["threads"].max()]
    return pairs.assign(
        gain=pairs["seconds_loop"] / pairs["seconds"],
        gain_low=pairs["seconds_low_loop"] / pairs["seconds_high"],
        gain_high=pairs["seconds_high_loop"] / pairs["seconds_low"],
    )


def at_once(run):
    """The case in which all steps at once are firmly fastest beside the loop: its text and figures,
    with the sweeps that trained models take; None where there is no such case."""
    gains = newton_gains(run)
    gains = gains[gains["gain_low"] > threshold("lead")] if len(gains) else gains
    if gains.empty:
        return None
    best = gains.sort_values("gain_low").iloc[-1]
    return newton_told(best)


def newton_told(row):
    case = selection(row.to_frame().T.infer_objects(), "model", "seq_len", "threads", *TIMED_SHAPE)
    figure = Figure(f"{row['model']}, all steps at once", row["gain"], row["gain_low"], row["gain_high"],
                    "seconds step by step ÷ at once", "median of ratios", "throughput.csv", "seconds",
                    f"kernel=persistent, {case} ÷ kernel=newton, {case}")  # fmt: skip
    start = f" ({row['variant']})" if row["variant"] not in ("", "default") else ""
    return (
        f"all steps at once, {model_name(row['model'])}{start} of width {row['width']:g}, {row['pass']},"
        f" {plural(row['threads'], 'thread')}: {times(row['gain'])} as fast"
        f" ({row['gain_low']:.2f} to {row['gain_high']:.2f})"
    ), (figure,)


def sweeps_of(run):
    """Sweeps of Newton's method over a window, of trained models: a text and figures, a task each;
    None where the run has none."""
    rows = run.table("newton")
    rows = rows[(rows["stage"] == "trained") & rows["model"].isin(TEXTBOOK_RNNS) & rows["sweeps"].notna()]
    if rows.empty:
        return None
    figures = []
    for task, group in rows.groupby("task", sort=False):
        own = group[group["window"] == group["window"].max()]
        figures.append(median(task, "sweeps", "newton.csv", "sweeps", own, ("task", "stage", "window")))
    window = rows["window"].max()
    each = ", ".join(f"{one.what} {one.value:.1f}" for one in figures)
    return f"sweeps that solve {window:g} steps at once, after training on {each}", tuple(figures)


def spans_of(run):
    """Work ÷ span of each model's pass in training at the smallest batch: the speed-up that waits for
    nothing could not exceed. A text and figures; None where the run has none."""
    rows = run.table("span")
    rows = rows[(rows["pass"] == "train") & rows["variant"].isin(["", "default"])]
    rows = champions(rows[rows["batch"] == rows["batch"].min()])
    if rows.empty:
        return None
    figures = []
    for model in sorted(rows["model"].unique(), key=lambda name: rank(MODELS, name)):
        own = rows[rows["model"] == model]
        figures.append(median(model, "work ÷ span", "span.csv", "parallelism", own,
                              ("model", "kernel", "variant", *SHAPE)))  # fmt: skip
    each = ", ".join(f"{model_name(one.what)} {one.value:.0f}" for one in figures)
    return f"work ÷ span: {each}", tuple(figures)


def only_over_time(run):
    """A run that has neither gains nor a projection can still say what all steps at once cost."""
    told = [part for part in (at_once(run), sweeps_of(run), spans_of(run)) if part]
    gains = newton_gains(run)
    if not told and gains.empty:
        return None
    if not told:
        best = gains.sort_values("gain_high").iloc[-1]
        told = [newton_told(best)]
    return Verdict(1, not_settled("no gain from threads was measured"), "all steps of a recurrence at once",
                   "; ".join(text for text, _ in told),
                   tuple(figure for _, figures in told for figure in figures), "lead")  # fmt: skip
