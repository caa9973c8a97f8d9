"""What memory buys: accuracy against the bytes that a model carries from token to token, and the
rate at which it decodes with them.

Runs in, Altair chart out; None where the runs hold nothing to draw.
"""

import altair as alt

from plotting.derived import over_seeds
from plotting.layout import accuracy_axis, gather, lines_with_intervals, log_axis, titled
from plotting.naming import MODELS, Lines, model_name, percent, plural, rank, seeds_text

SIZE = ["model", "width", "pairs", "state_bytes"]


def measured(rows):
    """The rows with a test."""
    return rows[(rows["status"] == "ok") & rows["accuracy"].notna()]


def memory_against_recall(runs):
    """A panel for each number of pairs: accuracy against bytes carried, a line a model over its
    widths; and one with the tokens decoded a second."""
    rows = measured(gather(runs, lambda run: run.table("frontier")))
    if rows.empty:
        return None
    keys = ["run", "of_several", "task", "variant", "seq_len", *SIZE, "chance"]
    told = over_seeds(rows, keys, "accuracy").assign(reference=lambda table: table["chance"])
    prefix = (told["run"] + ": ").where(told["of_several"].astype(bool), "")
    told["panel"] = prefix + told["task"] + ", " + told["pairs"].map("{:g} pairs".format)
    told["panel"] += " in " + told["seq_len"].map("{:g} tokens".format)
    rates = over_seeds(rows, ["run", "task", "variant", *SIZE[:2], "state_bytes"],
                       "decode_tokens_per_second").assign(panel="tokens decoded a second")  # fmt: skip
    charts = []
    for table, y in ((told, None), (rates, "decode")):
        lines = Lines(table.assign(plain="learned"), "plain")
        for _, panel in lines.rows.groupby("panel", sort=False):
            axis = accuracy_axis() if y is None else log_axis(
                "median", "tokens per second, one thread", panel, low="low", high="high")  # fmt: skip
            reference = bytes_axis() if y is None else None
            layers = lines_with_intervals(
                lines, bytes_axis(), axis, interval=("low", "high"), reference=reference,
                tooltip=["model", "variant", "width", "state_bytes", "median", "low", "high", "seeds"],
            )  # fmt: skip
            title = alt.Title(panel["panel"].iloc[0], fontSize=12, offset=6)
            charts.append(alt.layer(*layers).properties(data=panel, width=300, height=220, title=title))
    return titled(
        alt.concat(*charts, columns=2).resolve_scale(y="independent"),
        "Memory against recall",
        f"one sequence; median of {seeds_text(told)}; dashed line: guessing among the pairs",
    )


def bytes_axis():
    return alt.X(
        "state_bytes:Q",
        title="carried from token to token",
        scale=alt.Scale(type="log", base=2, padding=12, nice=False),
        axis=alt.Axis(
            values=[4.0**power for power in range(3, 16)],
            labelExpr="datum.value < 1024 ? datum.value + ' B' : datum.value < 1048576 ?"
            " datum.value / 1024 + ' KiB' : datum.value / 1048576 + ' MiB'",
        ),
    )


def decoded(rate):
    """", 120,000 tokens/s decoded" to two digits, where it was measured."""
    return f", {float(f'{rate:.2g}'):,.0f} tokens/s decoded" if rate == rate else ""


def figures(run):
    """For each number of pairs what each model recalls at most, at which width, with how many bytes
    carried and tokens decoded a second: a line each; none where the run has no frontier."""
    rows = measured(run.table("frontier"))
    if rows.empty:
        return ()
    table = rows.groupby(["task", "seq_len", "pairs", "chance", *SIZE[:2]], as_index=False).agg(
        accuracy=("accuracy", "median"), state_bytes=("state_bytes", "median"),
        rate=("decode_tokens_per_second", "median"), seeds=("seed", "nunique"))  # fmt: skip
    lines = []
    for (task, length, pairs, chance), group in table.groupby(["task", "seq_len", "pairs", "chance"]):
        best = group.sort_values(["accuracy", "width"], ascending=[False, True])
        best = best.drop_duplicates("model").sort_values(
            "model", key=lambda names: names.map(lambda name: rank(MODELS, name)))  # fmt: skip
        parts = [
            f"{model_name(row.model)} {percent(row.accuracy, 1)} with {row.state_bytes / 1024:.3g} KiB"
            f" carried (width {row.width:g}{decoded(row.rate)})"
            for row in best.itertuples()
        ]
        lines.append(
            f"{task}, the most recalled of {pairs:g} pairs in {length:g} tokens, guessing"
            f" {percent(chance, 1)}, {plural(group['seeds'].max(), 'seed')}: {'; '.join(parts)}"
        )
    return tuple(lines)
