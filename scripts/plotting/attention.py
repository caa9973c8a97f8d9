"""Where attention lies in a sentence, and what hiding a word costs: charts and figures of
attention.csv and interventions.csv.

Each chart returns None where the runs hold nothing to draw. A sentence is shown as read by the
model whose weights on the nouns are nearest to the median, or by that of the lowest seed where
nothing tells it.
"""

import altair as alt
import numpy as np
import pandas as pd

from plotting.derived import over_seeds
from plotting.layout import gather, titled
from plotting.naming import percent, plural, seeds_text

SENTENCE = ["run", "sentence", "layers"]
SUBTITLE = "small models trained on the grammar"
# From word to word in arcs, in pixels.
WORD_WIDTH = 64
# Values of `hidden` that are no function word, beside the nouns.
CONTENT = ["nothing", "verb", "adjective", "it", "[hidden]"]


def heat_maps(runs):
    """Weights of every layer and head: a row for each word that asks, a column for each read."""
    rows = shown_readings(runs)
    if rows.empty:
        return None
    charts = [
        alt.hconcat(*(heat_map(part, panel_name(part)) for _, part in group.groupby(
            ["layer", "head"])))
        for _, group in rows.groupby(SENTENCE, sort=False)
    ]
    return titled(alt.vconcat(*charts), "Weights of attention", SUBTITLE)


def heat_map(rows, title):
    words = words_of(rows)
    rows = rows.assign(query=rows["query_index"].map(words), key=rows["key_index"].map(words))
    labels = list(words.values())
    base = alt.Chart(rows).encode(
        x=alt.X("key:N", sort=labels, title="word read",
                axis=alt.Axis(orient="top", labelAngle=-45)),
        y=alt.Y("query:N", sort=labels, title="word that asks"),
        tooltip=["query_token", "key_token", "score", "weight", "layer", "head", "answer"],
    )  # fmt: skip
    cells = base.mark_rect().encode(
        color=alt.Color("weight:Q", title="weight",
                        scale=alt.Scale(range=["#ffffff", "#08519c"], domain=[0, 1],
                                        interpolate="rgb"))
    )  # fmt: skip
    numbers = base.transform_filter("datum.weight >= 0.1").mark_text(fontSize=9).encode(
        text=alt.Text("weight:Q", format=".0%"),
        color=alt.condition("datum.weight > 0.6", alt.value("white"), alt.value("black")),
    )
    size = 24 * len(words)
    return (cells + numbers).properties(width=size, height=size, title=title)


def arcs(runs):
    """From the word that asks ("it", or the hidden verb) to every other, as wide as its weight in
    the last layer, averaged over heads."""
    rows = shown_readings(runs)
    if rows.empty:
        return None
    rows = rows[(rows["layer"] == rows["layers"]) & (rows["query_index"] == asking_index(rows))]
    charts = [arcs_of_sentence(group) for _, group in rows.groupby(SENTENCE, sort=False)]
    return titled(
        alt.vconcat(*charts).resolve_scale(strokeWidth="shared"),
        "What one word attends to",
        f"{SUBTITLE}; weights of the last layer in percent, mean over its heads",
    )


def arcs_of_sentence(rows):
    keys = ["key_index", "key_token", "query_index"]
    words = rows.groupby(keys, as_index=False)["weight"].mean()
    query, last = int(words["query_index"].iloc[0]), int(words["key_index"].max())
    top = max(query, last - query) / 2
    x = alt.X("x:Q", axis=None, scale=alt.Scale(domain=[-0.6, last + 0.6], nice=False))
    y = alt.Y("y:Q", axis=None, scale=alt.Scale(domain=[-1.3, top * 0.75 + 0.3], nice=False))
    lines = (
        alt.Chart(arc_points(words[words["key_index"] != query]))
        .mark_line(color="#0072B2", strokeCap="round")
        .encode(
            x=x,
            y=y,
            order="step:Q",
            detail="key_index:N",
            strokeWidth=alt.StrokeWidth("weight:Q", legend=None,
                                        scale=alt.Scale(domain=[0, 1], range=[0.3, 14])),
            opacity=alt.Opacity("weight:Q", legend=None,
                                scale=alt.Scale(domain=[0, 1], range=[0.25, 1])),
            tooltip=["key_token", "weight"],
        )
    )  # fmt: skip
    words = words.assign(x=words["key_index"], y=-0.45, percent_y=-1.05)
    base = alt.Chart(words).encode(x=x)
    asks = f"datum.key_index === {query}"
    names = base.mark_text(fontSize=13).encode(
        y=y,
        text="key_token:N",
        color=alt.condition(asks, alt.value("#D55E00"), alt.value("#1a1a1a")),
    )
    percents = base.mark_text(fontSize=10, color="#555555").encode(
        y=alt.Y("percent_y:Q", axis=None), text=alt.Text("weight:Q", format=".0%")
    )
    return (lines + names + percents).properties(
        width=WORD_WIDTH * (last + 1),
        height=30 * (top * 0.75 + 1.6),
        title=reading_name(rows),
    )


def arc_points(words, steps=32):
    """Half an ellipse from the asking word to each key, in columns x, y and step."""
    turn = np.linspace(0, np.pi, steps)
    parts = []
    for row in words.itertuples():
        radius = (row.query_index - row.key_index) / 2
        parts.append(
            pd.DataFrame(
                {
                    "x": row.key_index + radius * (1 - np.cos(turn)),
                    "y": abs(radius) * 0.75 * np.sin(turn),
                    "step": range(steps),
                    "key_index": row.key_index,
                    "key_token": row.key_token,
                    "weight": row.weight,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def hidden_words(runs):
    """Accuracy with one word hidden from every query in every layer: median over seeds."""
    rows = gathered(runs, "interventions")
    if rows.empty:
        return None
    rows = rows.assign(
        word=rows["hidden"] + rows["key_index"].map(
            lambda index: "" if pd.isna(index) else f" (word {index + 1:.0f})"),
        place=rows.groupby(["run", "task", "layers", "distance", "seed"]).cumcount(),
    )  # fmt: skip
    keys = ["run", "task", "layers", "distance", "word", "place"]
    table = over_seeds(rows, keys, "accuracy")
    several_distances = table.groupby(["run", "task", "layers"])["distance"].nunique().max() > 1
    charts = []
    for _, group in table.groupby(["run", "task", "layers", "distance"], sort=False):
        first = group.iloc[0]
        base = alt.Chart(group).encode(
            y=alt.Y("word:N", sort=list(group.sort_values("place")["word"]), title="word hidden"),
            tooltip=["word", "median", "low", "high", "seeds"],
        )
        axis = alt.X("median:Q", title="accuracy (share of answers)",
                     scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format=".0%"))  # fmt: skip
        chart = (
            base.mark_bar(color="#9ecae1").encode(x=axis)
            + base.mark_rule(strokeWidth=1.6).encode(x="low:Q", x2="high:Q")
            + base.mark_tick(color="black", thickness=2).encode(x="median:Q")
        )
        title = f"{first['task']}, {plural(first['layers'], 'layer')}"
        title = f"{first['run']}: {title}" if len(runs) > 1 else title
        title += f", distance {first['distance']:g}" if several_distances else ""
        charts.append(chart.properties(width=260, height=190, title=title))
    return titled(
        alt.concat(*charts, columns=2),
        "Accuracy with one word hidden",
        f"median of {seeds_text(table)}; lines from least to most",
    )


def figures(run):
    """The claim's lines: weights beside what hiding a word costs; of each sentence the weights of
    the word that asks, and the answers behind them."""
    lines = []
    rows = gathered([run], "interventions")
    for (task, layers), group in rows.groupby(["task", "layers"], sort=False):
        lines.append(f"{task}, {plural(layers, 'layer')}: {weights_text(task, group)}; "
                     f"accuracy {hidden_text(task, group)}"
                     f" ({plural(group['seed'].nunique(), 'model')})")  # fmt: skip
    readings = gathered([run], "attention")
    for (sentence, layers), group in readings.groupby(["sentence", "layers"], sort=False):
        lines.append(f"“{sentence}”, {plural(layers, 'layer')}: {sentence_text(group)}")
    return tuple(lines)


# How many of a sentence's words are named with their weight.
MOST_READ = 2


def sentence_text(rows):
    """Which words the one that asks reads most, with the median over models of their weight in the
    last layer, mean over heads, and its range; then the answers."""
    last = rows[(rows["layer"] == rows["layers"]) & (rows["query_index"] == asking_index(rows))]
    asking = last["query_token"].iloc[0]
    by_seed = last.groupby(["key_index", "key_token", "seed"], as_index=False)["weight"].mean()
    table = over_seeds(by_seed, ["key_index", "key_token"], "weight")
    most = table.sort_values("median", ascending=False).head(MOST_READ)
    read = ", ".join(
        f"“{row.key_token}” {percent(row.median)} ({percent(row.low)} to {percent(row.high)})"
        for row in most.itertuples()
    )
    answers = rows.groupby("seed")["answer"].first().value_counts()
    counts = ", ".join(f"{answer} ({count})" for answer, count in answers.items())
    return f"“{asking}” weighs {read}; answers {counts}"


def weights_text(task, rows):
    """Medians over models of the weights' statistics."""
    rows = rows[rows["hidden"] == "nothing"]
    if task == "coreference":
        largest = median_and_least(rows["largest_share"])
        more = median_and_least(rows["outweighs_share"])
        return f"largest weight on the right noun in {largest}, more than on the other in {more}"
    both = median_and_least(rows["noun_weight"] + rows["other_noun_weight"])
    return f"both nouns hold {both} of the weight"


def median_and_least(shares):
    median, least = percent(shares.median()), percent(shares.min())
    return median if least == median else f"{median} (least {least})"


def hidden_text(task, rows):
    """Median accuracy with nothing hidden, then with either noun; the lowest of all models with a
    word that carries nothing."""
    nouns = ["right noun", "other noun"] if task == "coreference" else ["first noun", "second noun"]
    by_word = rows.groupby("hidden")["accuracy"].median()
    parts = [percent(by_word["nothing"])]
    shown = [noun for noun in nouns if noun in by_word]
    parts += [f"{percent(by_word[noun])} with the {noun} hidden" for noun in shown]
    others = rows.loc[~rows["hidden"].isin([*CONTENT, *nouns]), "accuracy"]
    if len(others):
        parts.append(f"at least {percent(others.min())} with any function word")
    return ", ".join(parts)


def gathered(runs, name):
    return gather(runs, lambda run: run.table(name))


def shown_readings(runs):
    """The rows of attention.csv of one model for each sentence."""
    rows = gathered(runs, "attention")
    asks_it = (rows["query_token"].str.lower() == "it").groupby(rows["sentence"]).transform("any")
    rows["task"] = np.where(asks_it, "coreference", "hidden_verb")
    typical = rows.merge(typical_seeds(runs), on=["run", "task", "layers"], how="left")["typical"]
    is_typical = rows["seed"] == typical.to_numpy()
    lowest = rows["seed"] == rows.groupby(SENTENCE)["seed"].transform("min")
    has_typical = is_typical.groupby([rows[name] for name in SENTENCE]).transform("any")
    return rows[is_typical.where(has_typical, lowest)]


def typical_seeds(runs):
    """Of each run, task and depth the seed whose weights on the nouns that count (the right one, or
    both of a hidden verb) are nearest to their medians, the lowest of several."""
    rows = gathered(runs, "interventions")
    rows = rows[rows["hidden"] == "nothing"].sort_values("seed")
    keys = ["run", "task", "layers"]
    weights = rows[["noun_weight", "other_noun_weight"]]
    medians = weights.groupby([rows[key] for key in keys]).transform("median")
    away = (weights - medians).abs()
    counts = rows["task"] == "hidden_verb"
    away = away["noun_weight"] + away["other_noun_weight"].where(counts, 0)
    nearest = away.groupby([rows[key] for key in keys]).idxmin()
    return rows.loc[nearest, [*keys, "seed"]].rename(columns={"seed": "typical"})


def asking_index(rows):
    """Of each row, where the word stands that asks in its sentence: "it", else the third."""
    asks_it = rows["query_index"].where(rows["query_token"].str.lower() == "it")
    return asks_it.groupby(rows["sentence"]).transform("max").fillna(2)


def words_of(rows):
    """Label by index. Equal words stay apart by an invisible character."""
    words = rows.drop_duplicates("key_index").set_index("key_index")["key_token"].sort_index()
    return {index: word + "\u200b" * int(index) for index, word in words.items()}


def panel_name(rows):
    first = rows.iloc[0]
    return f"layer {first['layer']}, head {first['head']}: {reading_name(rows)}"


def reading_name(rows):
    """Which model reads the sentence, and what it answers."""
    first = rows.iloc[0]
    run = f"{first['run']}: " if first["of_several"] else ""
    return f"{run}{plural(first['layers'], 'layer')}, seed {first['seed']}; answer: {first['answer']}"
