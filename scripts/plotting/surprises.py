"""Claim 7: what no sentence of the textbook told. Each candidate compares a figure with what the
textbook lets one expect; the one that is firmly farthest from it is told.
"""

import math
from dataclasses import dataclass

from plotting.claims import main_setting
from plotting.derived import champion_speedups, thread_gains, timed
from plotting.judged_learning import Trainings, best_of, of_seeds
from plotting.judged_parallelism import newton_gains, newton_told, ratios
from plotting.judgement import (
    PAIR,
    RECURRENT,
    SHAPE,
    TIMED_SHAPE,
    Figure,
    Verdict,
    cell,
    not_settled,
    selection,
    threshold,
    times,
)
from plotting.naming import STATE, champions, model_name, plural


@dataclass(frozen=True)
class Surprise:
    """`firm` is by which factor the figure is off what the textbook lets one expect, at the end of
    its interval that is closer to that."""

    words: str
    condition: str
    text: str
    figures: tuple
    firm: float

    @property
    def doublings(self):
        """Two runs measure a factor with some percent between them and agree on this one."""
        return math.floor(math.log(self.firm, threshold("step")))


def surprise(run):
    """Of the candidates that are far enough off, the farthest; of several as far, the first of the
    list."""
    candidates = (state, at_once, without_waiting, decoding, shared_step, simplest)
    found = [one for one in (candidate(run) for candidate in candidates) if one is not None]
    measured = bool(found)
    found = [one for one in found if one.firm >= threshold("surprise")]
    if not found:
        why = not_settled("no figure is firmly off what the textbook says")
        return Verdict(7, why, threshold="surprise") if measured else None
    chosen = max(found, key=lambda one: one.doublings)
    return Verdict(7, chosen.words, chosen.condition, chosen.text, chosen.figures, "surprise")


def state(run):
    """A recurrence that follows a state where attention guesses. Expected: attention does as well."""
    trained = Trainings(run, STATE)
    table = trained.table
    if not len(table) or not (table["model"] == "attention").any():
        return None
    recurrent = table[table["model"].isin(RECURRENT)]
    if recurrent.empty:
        return None
    own, other = best_of(table[table["model"] == "attention"]), best_of(recurrent)
    if own["high"] <= 0 or other["low"] <= own["high"]:
        return None
    return Surprise(
        "recurrence tracks state, attention does not",
        f"task {own['task']}, {trained.where}",
        f"{own['task']}, {trained.where}: {model_name(other['model'])} {of_seeds(other)} seeds solve,"
        f" attention {of_seeds(own)}",
        (trained.solved(other), trained.solved(own)),
        other["low"] / own["high"],
    )


def at_once(run):
    """All steps of a recurrence at once. Expected: no faster than step by step."""
    gains = newton_gains(run)
    if gains.empty:
        return None
    best = gains.sort_values("gain_low").iloc[-1]
    text, figures = newton_told(best)
    return Surprise("a recurrence can run over all its steps at once", f"{best['pass']}, batch"
                    f" {best['batch']:g}, {plural(best['threads'], 'thread')}, width {best['width']:g}",
                    text, figures, best["gain_low"])  # fmt: skip


def compared(run, name, model, batch=1):
    """Attention's speedups over one model in one pass on one thread, by length."""
    rows = champion_speedups(run)
    rows = rows[(rows["pass"] == name) & (rows["threads"] == 1) & (rows["baseline_model"] == model)]
    rows = rows[rows["batch"] == batch]
    return main_setting(rows)[0].sort_values("seq_len") if len(rows) else rows


def speedup_cell(row):
    what = f"{row['baseline_model']}, {row['seq_len']:g} tokens"
    unit = f"attention's tokens/s ÷ {model_name(row['baseline_model'])}'s"
    file = "speedup.csv" if "parallel_ratio" in row else "throughput.csv"
    if file == "speedup.csv":
        return cell(what, unit, file, "speedup", row, (*PAIR, "seq_len"))
    shape = selection(row.to_frame().T.infer_objects(), "threads", "seq_len", *SHAPE, "dtype")
    return Figure(what, row["speedup"], row["speedup_low"], row["speedup_high"], unit,
                  "median of ratios", file, "tokens_per_second",
                  f"model=attention, {shape} ÷ model={row['baseline_model']}, {shape}")  # fmt: skip


def at_every_length(run, model, words):
    """A recurrent model that trains faster than attention even where attention comes closest.
    Expected: attention is faster."""
    rows = compared(run, "train", model)
    if rows.empty:
        return None
    closest = rows.loc[rows["speedup_high"].idxmax()]
    return Surprise(
        words,
        f"training, batch 1, 1 thread, width {closest['width']:g}",
        f"attention reaches {times(closest['speedup'])} of the tokens/s of the {model_name(model)} at"
        f" {closest['seq_len']:g} tokens, where it comes closest, and"
        f" {times(rows['speedup'].iloc[-1])} at {rows['seq_len'].iloc[-1]:g}",
        (speedup_cell(closest), speedup_cell(rows.iloc[-1])),
        1 / closest["speedup_high"],
    )


def without_waiting(run):
    return at_every_length(run, "mingru", "a recurrence without waiting trains faster at every length")


def simplest(run):
    return at_every_length(run, "elman", "the simplest recurrent network trains faster at every length")


def decoding(run):
    """Token by token behind the longest context. Expected: attention is as fast."""
    rows = compared(run, "decode", "lstm")
    if rows.empty:
        return None
    longest = rows.iloc[-1]
    return Surprise(
        "token by token an LSTM is faster",
        f"decoding, batch 1, 1 thread, width {longest['width']:g}",
        f"behind {longest['seq_len']:g} tokens attention decodes {times(longest['speedup'])} of the LSTM's"
        " tokens/s: it reads all keys and values for each",
        (speedup_cell(longest),),
        1 / longest["speedup_high"],
    )


def shared_step(run):
    """One sequence of an LSTM on all threads. Expected: no faster, since each step waits for the
    one before."""
    rows = champions(timed(run.table("throughput")))
    rows = rows[(rows["pass"] == "train") & (rows["batch"] == 1) & (rows["model"] == "lstm")]
    if rows.empty:
        return None
    rows, setting = main_setting(rows)
    gains = thread_gains(rows)
    gains = gains[(gains["threads"] == gains["threads"].max()) & (gains["threads"] > 1)]
    if gains.empty:
        return None
    threads = gains["threads"].iloc[0]
    pair = f"{selection(gains, 'model', 'kernel', *TIMED_SHAPE)}, threads={{:g}}".format
    figure = ratios("lstm", "seconds on 1 thread ÷ seconds on all", "throughput.csv", "seconds",
                    gains["gain"], f"{pair(1)} ÷ {pair(threads)}")  # fmt: skip
    return Surprise(
        "a recurrent step runs in parallel too",
        f"training, batch 1, {plural(threads, 'thread')}, {setting.label}",
        f"one sequence of an LSTM trains {times(figure.value)} ({figure.low:.2f} to {figure.high:.2f}) as"
        f" fast on {plural(threads, 'thread')}: they share out its units",
        (figure,),
        gains["gain_low"].median(),
    )
