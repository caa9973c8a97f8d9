"""What each model trades for what: four properties, each cell a figure that the run measured.

Runs in, Altair chart out; None where the runs hold nothing to draw.
"""

import altair as alt
import pandas as pd

from plotting.derived import bare_layers, main_lines, timed
from plotting.frontier import measured
from plotting.layout import titled
from plotting.naming import MODELS, champions, model_name, percent

# The length of the word problem that is told, where a run has several.
TOLD_LENGTH = 32
PARALLEL, PAIRS, STATE, MEMORY = PROPERTIES = (
    "trains in parallel", "recalls by pairing", "tracks state", "constant memory to decode",
)  # fmt: skip
NOT_MEASURED = "not measured"


def cells_of(run):
    """A row for each model and property: `text`, and `share`, how far it has the property (0 to 1;
    not a number where it was not measured)."""
    figures = {PARALLEL: training(run), PAIRS: pairing(run), STATE: state(run), MEMORY: memory(run)}
    rows = []
    for model in MODELS:
        for name, of_model in figures.items():
            text, share = of_model.get(model, (NOT_MEASURED, float("nan")))
            rows.append({"model": model_name(model), "property": name, "text": text, "share": share})
    return pd.DataFrame(rows)


def training(run):
    """The share of the FMA peak that training of one sequence reaches, on all threads, median over
    lengths: what waits for the step before leaves it idle."""
    rows = champions(timed(run.table("throughput")))
    rows = rows[(rows["pass"] == "train") & (rows["batch"] == 1) & rows["fraction_of_peak"].notna()]
    rows = rows[rows["threads"] == rows["threads"].max()]
    shares = rows.groupby("model")["fraction_of_peak"].median()
    return {model: (f"{percent(share)} of peak", share) for model, share in shares.items()}


def pairing(run):
    """The share of key-value pairs that is recalled (mqar), of the main line that recalls most, at
    the shortest length of recall.csv; else at the most pairs and the largest width of
    frontier.csv."""
    rows = run.table("recall")
    rows = rows[(rows["task"] == "mqar") & (rows["status"] == "ok") & (rows["preset"] == "")]
    rows = rows[(rows["distance"] == rows["distance"].min()) & (rows["regime"] == "single")]
    if rows.empty:
        rows = measured(run.table("frontier"))
        rows = rows[(rows["pairs"] == rows["pairs"].max()) & (rows["width"] == rows["width"].max())]
    else:
        rows = rows[main_lines(rows, rows)]
    medians = rows.groupby(["model", "variant"])["accuracy"].median().groupby("model").max()
    return {model: (f"{percent(share)} of pairs", share) for model, share in medians.items()}


def state(run):
    """The share of products of permutations that is right (word_problem), by the model of fewest
    layers, at the length nearest to TOLD_LENGTH."""
    rows = run.table("recall")
    rows = rows[(rows["task"] == "word_problem") & (rows["status"] == "ok")]
    rows = rows[rows["distance"] == rows["train_distance"]]
    if rows.empty:
        return {}
    nearest = min(rows["distance"].unique(), key=lambda length: abs(length - TOLD_LENGTH))
    rows = rows[rows["distance"] == nearest]
    rows = rows[rows["layers"] == rows.groupby("model")["layers"].transform("min")]
    medians = rows.groupby(["model", "variant"])["accuracy"].median().groupby("model").max()
    return {
        model: (f"{percent(share)} of {nearest:g} factors", share) for model, share in medians.items()
    }


def memory(run):
    """By how much the bytes carried from token to token grow from the shortest to the longest length
    that was timed."""
    rows = bare_layers(run.table("throughput"))
    rows = rows[rows["state_bytes"].notna() & (rows["state_bytes"] > 0)]
    told = {}
    for model, group in rows.groupby("model"):
        group = group[(group["batch"] == group["batch"].min()) & (group["width"] == group["width"].min())]
        by_length = group.groupby("seq_len")["state_bytes"].median().sort_index()
        if len(by_length) < 2:
            continue
        growth = by_length.iloc[-1] / by_length.iloc[0]
        lengths = f"{by_length.index[0]:g} to {by_length.index[-1]:g}"
        told[model] = (f"×{growth:.3g} from {lengths} tokens", 1 / growth)
    return told


def table(runs):
    """Five models beside four properties, a panel a run; where a run measured two of them at least."""
    charts = []
    for run in runs:
        cells = cells_of(run)
        if cells[cells["share"].notna()]["property"].nunique() < 2:
            continue
        base = alt.Chart().encode(
            x=alt.X("property:N", sort=list(PROPERTIES), title=None,
                    axis=alt.Axis(labelAngle=0, orient="top", labelLimit=0)),
            y=alt.Y("model:N", sort=[model_name(model) for model in MODELS], title=None),
            tooltip=["model", "property", "text"],
        )  # fmt: skip
        rects = base.mark_rect(stroke="white").encode(
            color=alt.condition(
                "isValid(datum.share)",
                alt.Color("share:Q", legend=None,
                          scale=alt.Scale(domain=[0, 1], range=["#f7fbff", "#4292c6"])),
                alt.value("#eeeeee"),
            )
        )  # fmt: skip
        texts = base.mark_text(fontSize=11).encode(text="text:N")
        title = alt.Title(run.name if len(runs) > 1 else "", fontSize=12, offset=6)
        charts.append(
            alt.layer(rects, texts).properties(
                data=cells, width=alt.Step(185), height=alt.Step(34), title=title
            )
        )
    if not charts:
        return None
    return titled(
        alt.vconcat(*charts),
        "What each model trades for what",
        "each cell a measured figure (docs/method.md#trade-offs says which); darker: more of it",
    )
