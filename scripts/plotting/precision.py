"""How the length at which attention's lead is lost moves where factors of products are in bfloat16."""

import math
from statistics import median

from plotting.derived import crossings_by_precision
from plotting.naming import MODELS, model_name, plural, rank
from plotting.settings import settings_of

# What crossover.csv says where it has no length, in words.
WITHOUT_LENGTH = {"always_ahead": "not lost", "never_ahead": "never there"}
# Of a crossing, from no lead to one at every length that was measured.
ORDER = ("never_ahead", "ok", "always_ahead")


def figures(run):
    """A line for each case whose crossing the run has in both precisions, and one about all of
    them; none where it has none."""
    rows = crossings_by_precision(run)
    rows = rows[rows["status"].isin(ORDER) & rows["status_bfloat16"].isin(ORDER)]
    if rows.empty:
        return ()
    setting = settings_of(rows)[0]
    widths = sorted(rows["width"].unique())
    all_moves = [move_of(row) for row in rows.to_dict("records")]
    rows = setting.select(rows).to_dict("records")
    rows.sort(key=lambda row: (row["pass"], rank(MODELS, row["baseline_model"]), row["batch"],
                               row["threads"]))  # fmt: skip
    moves = [move_of(row) for row in rows]
    told = (*map(case_text, rows, moves), f"{summary(moves)} ({setting.label})")
    if len(widths) == 1:
        return told
    return (*told, f"{summary(all_moves)} (widths {widths[0]:g} to {widths[-1]:g})")


def move_of(row):
    """Length at which the lead is lost in bfloat16 ÷ that in float32. Where one of them has none:
    infinite, 0 or 1 as the lead lasts longer in bfloat16, less long, or as long."""
    one, other = row["status"], row["status_bfloat16"]
    if one == other == "ok":
        return row["crossover_seq_len_bfloat16"] / row["crossover_seq_len"]
    step = ORDER.index(other) - ORDER.index(one)
    return math.inf if step > 0 else 0 if step < 0 else 1


def has_lengths(move):
    return 0 < move < math.inf


def case_text(row, move):
    """"train, ÷ LSTM, batch 1, 1 thread: lead lost at 736 in float32, lost at 1040 in bfloat16 (×1.41)"."""
    places = [
        WITHOUT_LENGTH.get(row["status" + suffix]) or f"lost at {row['crossover_seq_len' + suffix]:.0f}"
        for suffix in ("", "_bfloat16")
    ]
    threads = plural(row["threads"], "thread")
    case = f"{row['pass']}, ÷ {model_name(row['baseline_model'])}, batch {row['batch']:g}, {threads}"
    ratio = f" (×{move:.2f})" if row["status"] == row["status_bfloat16"] == "ok" else ""
    return f"{case}: lead {places[0]} in float32, {places[1]} in bfloat16{ratio}"


def summary(moves):
    """"in bfloat16 attention's lead lasts longer in 5 of 8 cases, less long in 2: the length where it
    is lost ×1.20 (median of 7, 0.91 to 1.52)"."""
    longer, shorter = sum(move > 1 for move in moves), sum(move < 1 for move in moves)
    text = (f"in bfloat16 attention's lead lasts longer in {longer} of {plural(len(moves), 'case')}, less long in"
            f" {shorter}")  # fmt: skip
    lengths = [move for move in moves if has_lengths(move) and move != 1]
    if not lengths:
        return text
    ends = f"median of {len(lengths)}, {min(lengths):.2f} to {max(lengths):.2f}"
    return f"{text}: the length at which it is lost ×{median(lengths):.2f} ({ends})"
