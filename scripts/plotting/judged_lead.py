"""Claim 2: up to which length attention trains faster, and why."""

import math
from dataclasses import replace

from plotting.claims import main_setting
from plotting.derived import (
    champion_crossings,
    champion_speedups,
    crossings_by_width,
    length_of_lead,
)
from plotting.judgement import (
    PAIR,
    Figure,
    Verdict,
    cell,
    noise_among,
    not_settled,
    number,
    selection,
    threshold,
    times,
)
from plotting.naming import MODELS, model_name, rank


def training(run):
    """Is attention faster in training, and up to which length? On one thread, so that it is the
    algorithm that is judged."""
    speedups = champion_speedups(run)
    speedups = speedups[(speedups["pass"] == "train") & (speedups["threads"] == 1)]
    if speedups.empty:
        return over_widths(run)
    speedups, setting = main_setting(speedups)
    crossings = setting.select(champion_crossings(run))
    crossings = crossings[(crossings["pass"] == "train") & (crossings["threads"] == 1)]
    if crossings.empty:
        return None
    place = crossings["baseline_model"].map(lambda model: rank(MODELS, model))
    ordered = crossings.assign(place=place).sort_values(["place", "batch"])
    figures = [crossing(row) for _, row in ordered.iterrows()]
    # The one that decides is a length, where there is one.
    measured = [one for one in figures if not math.isnan(one.value)]
    figures = measured[:1] + [one for one in figures if one not in measured[:1]]
    chief = ordered.iloc[0]
    why, parted = reason(speedups, chief)
    read, text_figures = after_equal_seconds(run)
    return Verdict(
        2,
        noise_among(speedups) or word_of_crossings(speedups, crossings),
        f"training, 1 thread, {setting.label}",
        f"{crossings_text(crossings)}{why}{read}",
        (*figures, *parted, *text_figures),
        "lead",
    )


def over_widths(run):
    """A map of crossings alone: the length where the lead is lost, by width, at the smallest batch."""
    crossings = crossings_by_width(run)
    crossings = crossings[crossings["threads"] == 1]
    if crossings.empty:
        return None
    crossings = crossings[crossings["batch"] == crossings["batch"].min()].sort_values("width")
    figures, parts = [], []
    for model in sorted(crossings["baseline_model"].unique(), key=lambda name: rank(MODELS, name)):
        own = crossings[crossings["baseline_model"] == model]
        figures += [crossing(row) for _, row in own.iterrows()]
        parts.append(f"{model_name(model)} {', '.join(length_of_lead(row) for _, row in own.iterrows())}")
    figures.sort(key=lambda one: math.isnan(one.value))  # the one that decides is a length
    word = word_of_states(crossings, "depends on length, width and model")
    widths = ", ".join(f"{width:g}" for width in crossings["width"].unique())
    batch = crossings["batch"].iloc[0]
    return Verdict(2, word, f"training, 1 thread, batch {batch:g}, widths {widths}",
                   f"batch {batch:g}, widths {widths}: faster below so many tokens than {'; '.join(parts)}",
                   tuple(figures), "lead")  # fmt: skip


def word_of_crossings(speedups, crossings):
    """A lead counts where its interval leaves out a tie; where nothing does, nothing is settled."""
    ahead, behind = speedups["speedup_low"] > threshold("lead"), speedups["speedup_high"] < threshold("lead")
    if not (ahead | behind).any():
        return not_settled("no length at which either is firmly ahead")
    by_model = crossings.groupby("baseline_model")["status"].agg(lambda states: frozenset(states))
    depends = "depends on length" + (" and model" if by_model.nunique() > 1 else "")
    return word_of_states(crossings, depends)


def word_of_states(crossings, depends):
    states = set(crossings["status"])
    if states == {"always_ahead"}:
        return "holds"
    if states == {"never_ahead"}:
        return "does not hold here"
    return depends


def crossing(row):
    what = f"where attention's lead over {row['baseline_model']} ends, batch {row['batch']:g}: {row['status']}"
    one = cell(what, "tokens", "crossover.csv", "crossover_seq_len", row, PAIR)
    ends = (number(row.get(f"crossover_{end}")) for end in ("low", "high"))
    return replace(one, **dict(zip(("low", "high"), ends)))


def crossings_text(crossings):
    """"batch 1, 16: faster than the LSTM below 736 (701 to 772), 429 tokens, the GRU below 417, 245,
    the Elman RNN never": the interval of the first length alone."""
    words = {"always_ahead": "always", "never_ahead": "never", "ok": "unknown"}
    batches = sorted(crossings["batch"].unique())
    is_first, unit, parts = True, " tokens", []
    for model in sorted(crossings["baseline_model"].unique(), key=lambda name: rank(MODELS, name)):
        lengths = []
        for batch in batches:
            at = crossings[(crossings["baseline_model"] == model) & (crossings["batch"] == batch)]
            row = at.iloc[0] if len(at) else {"status": "", "crossover_seq_len": math.nan}
            length = number(row["crossover_seq_len"])
            if row["status"] != "ok" or math.isnan(length):
                lengths.append(words.get(row["status"], "not measured"))
                continue
            told = f"{length:.0f}"
            if is_first:
                low, high = number(row.get("crossover_low")), number(row.get("crossover_high"))
                told += "" if math.isnan(low + high) else f" ({low:.0f} to {high:.0f})"
            is_first = False
            lengths.append(told)
        crosses = any(length[0].isdigit() for length in lengths)
        told = ", ".join(lengths if crosses else dict.fromkeys(lengths))
        parts.append(f"{model_name(model)} {'below ' if crosses else ''}{told}{unit if crosses else ''}")
        unit = "" if crosses else unit
    return f"batch {', '.join(f'{batch:g}' for batch in batches)}: faster than {'; '.join(parts)}"


def reason(speedups, chief):
    """". LSTM, batch 1: ×2.62 at 64 tokens = 1.78 work × 1.48 rate", at the longest length too,
    where speedup.csv tells the parts, and the figures."""
    rows = speedups[
        (speedups["baseline_model"] == chief["baseline_model"])
        & (speedups["batch"] == chief["batch"])
    ].sort_values("seq_len")
    if not {"work_ratio", "efficiency_ratio"} <= set(rows) or rows.empty:
        return "", ()
    if rows[["work_ratio", "efficiency_ratio"]].isna().any(axis=None):
        return "", ()
    keys = (*PAIR, "seq_len")
    parts, figures = [], []
    for _, row in rows.iloc[[0, -1]].drop_duplicates("seq_len").iterrows():
        told = [cell(f"{chief['baseline_model']}, {row['seq_len']:g} tokens: {column}", "ratio",
                     "speedup.csv", column, row, keys)
                for column in ("speedup", "work_ratio", "efficiency_ratio")]  # fmt: skip
        whole, work, rate = (one.value for one in told)
        names = ("", "", "") if parts else (" tokens", " work", " rate")
        parts.append(f"{times(whole)} at {row['seq_len']:g}{names[0]} = {work:.2f}{names[1]} ×"
                     f" {rate:.2f}{names[2]}")  # fmt: skip
        figures += told
    told = f". {model_name(chief['baseline_model'])}, batch {chief['batch']:g}: {', '.join(parts)}"
    return told, tuple(figures)


def after_equal_seconds(run):
    """". Text in 15 s: attention 2.53 bits a byte, LSTM 2.32", of trainings that took as long,
    medians over seeds, and the figures."""
    rows = run.table("training")
    rows = rows[rows["bits_per_byte"].notna() & (rows["preset"] == "") & (rows["match"] == "width")]
    keys = ["model", "variant", "seed"]
    if rows.empty:
        return "", ()
    last = rows.loc[rows.groupby(keys)["seconds"].idxmax()]
    if last["seconds"].max() > (1 + threshold("predicted")) * last["seconds"].min():
        return "", ()
    named = ("model", "variant", "preset", "match")
    figures = []
    for (model, _), group in last.groupby(["model", "variant"]):
        steps = "|".join(f"{step:g}" for step in sorted(group["step"].unique()))
        values = group["bits_per_byte"]
        is_one = len(group) == 1
        ends = (math.nan, math.nan) if is_one else (values.min(), values.max())
        figures.append(Figure(model, values.median(), *ends, "bits a byte", "cell" if is_one else "median",
                              "training.csv", "bits_per_byte",
                              f"{selection(group, *named)}, step={steps}"))  # fmt: skip
    if len({one.what for one in figures}) < len(figures):
        return "", ()
    figures.sort(key=lambda one: rank(MODELS, one.what))
    each = ", ".join(f"{model_name(one.what)} {one.value:.2f}" for one in figures)
    each = each.replace(", ", " bits a byte, ", 1) if len(figures) > 1 else f"{each} bits a byte"
    seconds = cell("training", "s", "training.csv", "seconds", last.loc[last["seconds"].idxmin()],
                   (*named, "seed", "step"))  # fmt: skip
    return f". Text in {seconds.value:.0f} s: {each}", (*figures, seconds)
