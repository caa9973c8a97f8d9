"""What more processors would give: the speed-up that follows from each kernel's tasks, beside what
was measured.

Runs in, Altair chart out; None where the runs hold nothing to draw.
"""

import altair as alt
import numpy as np

from plotting.layout import colour_of, gather, length_axis, point_style, ratio_axis, titled
from plotting.naming import MODELS, Lines, champions, model_name, rank

CASE = ["run", "of_several", "model", "kernel", "pass", "batch", "seq_len", "width", "heads", "causal",
        "variant"]  # fmt: skip
# A prediction within this share of the measured time agrees with it.
CLOSE = 0.1


def speedups(runs):
    """The rows of projection.csv with speed-ups over one processor: `gain` between `gain_low` and
    `gain_high` of the projected times over the projected one, `measured_gain` and its interval of
    the measured times over the measured one."""
    rows = gather(runs, lambda run: run.table("projection"))
    if rows.empty:
        return rows
    alone = rows[rows["processors"] == 1][CASE + ["predicted_seconds", "measured_seconds"]]
    rows = rows.merge(alone, on=CASE, suffixes=("", "_alone"))
    projected, measured = rows["predicted_seconds_alone"], rows["measured_seconds_alone"]
    rows = rows.assign(
        gain=projected / rows["predicted_seconds"],
        gain_low=projected / rows["seconds_high"],
        gain_high=projected / rows["seconds_low"],
        measured_gain=measured / rows["measured_seconds"],
        measured_gain_low=measured / rows["measured_high"],
        measured_gain_high=measured / rows["measured_low"],
    )
    # Times that are 0 or no numbers are a damaged file's.
    told = ["gain", "gain_low", "gain_high"]
    seen = [f"measured_{name}" for name in told]
    rows[[*told, *seen]] = rows[[*told, *seen]].where(lambda gains: (gains > 0) & np.isfinite(gains))
    return rows[rows[told].notna().all(axis=1)]


def speedup_vs_processors(runs):
    """A panel for each pass, batch and length: the projected speed-up dashed, in the band that its
    bounds leave, and the measured one as points with a solid line."""
    rows = speedups(runs)
    if rows.empty:
        return None
    prefix = (rows["run"] + ": ").where(rows["of_several"].astype(bool), "")
    rows["panel"] = prefix + rows["pass"] + rows["batch"].map(", batch {:g}".format)
    rows["panel"] += rows["seq_len"].map(", length {:g}".format) + rows["width"].map(", width {:g}".format)
    measured = rows["measured_seconds"].notna()
    rows = rows.assign(status=rows["measured_status"].where(measured, "beyond"))  # points that are hollow
    lines = Lines(rows, "kernel")
    panels = [
        alt.layer(*layers_of(lines, panel)).properties(
            data=panel, width=250, height=230, title=alt.Title(panel["panel"].iloc[0], fontSize=12)
        )
        for _, panel in lines.rows.groupby("panel", sort=False)
    ]
    most = rows[measured]["processors"].max()
    told = f"solid: measured, on up to {most:g}" if measured.any() else "nothing was measured"
    return titled(
        alt.concat(*panels, columns=3),
        "Speed-up projected from the tasks of one thread",
        f"dashed: projected, in the band of its bounds; {told}; grey: P processors, P times as fast",
    )


def layers_of(lines, panel):
    x = length_axis(panel["processors"], "processors", "processors")
    ends = panel.assign(low=panel[["gain_low", "measured_gain_low"]].min(axis=1),
                        high=panel[["gain_high", "measured_gain_high"]].max(axis=1))  # fmt: skip
    y = ratio_axis("gain", "speed-up over one (×)", ends, "low", "high")
    colour = colour_of(lines).legend(symbolOpacity=1)
    base = alt.Chart().encode(x=x, color=colour, detail="line_variety:N")
    ideal = alt.Chart().mark_line(strokeDash=[1, 3], color="#777777", strokeWidth=1.2, clip=True)
    band = base.mark_area(opacity=0.1).encode(y="gain_low:Q", y2="gain_high:Q")
    projected = base.mark_line(strokeWidth=1.6, strokeDash=[5, 4]).encode(
        y=y, tooltip=["model", "kernel", "processors", "predicted_seconds", "seconds_low",
                      "seconds_high", "assumption"],
    )  # fmt: skip
    hollow = base.transform_filter("!isValid(datum.measured_gain)").mark_point(
        size=22, strokeWidth=1.2).encode(y="gain:Q", **point_style(lines))  # fmt: skip
    measured = base.transform_filter("isValid(datum.measured_gain)")
    solid = measured.mark_line(strokeWidth=2).encode(y="measured_gain:Q")
    intervals = measured.mark_rule(strokeWidth=1.4).encode(
        y="measured_gain_low:Q", y2="measured_gain_high:Q"
    )
    points = measured.mark_point(size=46, strokeWidth=1.5).encode(
        y="measured_gain:Q", tooltip=["model", "kernel", "processors", "measured_seconds",
                                      "predicted_seconds"], **point_style(lines),
    )  # fmt: skip
    return ideal.encode(x=x, y="processors:Q"), band, projected, hollow, intervals, solid, points


def figures(run):
    """A line of what each model's tasks allow, and one of how well times on several threads were
    predicted; none where the run has no projection."""
    rows = speedups([run])
    if rows.empty:
        return ()
    rows = champions(rows)
    told = []
    for model in sorted(rows["model"].unique(), key=lambda name: rank(MODELS, name)):
        own = rows[(rows["model"] == model) & (rows["processors"] == rows["processors"].max())]
        least, most = own["gain"].min(), own["gain"].max()
        told.append(f"{model_name(model)} × {least:.3g} to {most:.3g}")
    lines = [f"projected for {rows['processors'].max():g} processors from the tasks of one thread:"
             f" {', '.join(told)} (least to most over passes, batches and lengths)"]  # fmt: skip
    tried = rows[(rows["processors"] > 1) & rows["measured_seconds"].notna()]
    if not tried.empty:
        close = (tried["predicted_seconds"] / tried["measured_seconds"] - 1).abs() <= CLOSE
        lines.append(f"of {len(tried)} times on several threads {close.sum()} were predicted within"
                     f" {CLOSE:.0%} from the tasks of one".replace("%", " %"))  # fmt: skip
    return tuple(lines)
