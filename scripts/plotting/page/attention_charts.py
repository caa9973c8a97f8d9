"""Charts of where attention lies in a sentence, and of what hiding a word costs. Runs in, Chart out;
None where the runs hold nothing to draw."""

import altair as alt
import pandas as pd

from plotting import attention
from plotting.attention import FROM_ALL, SETTING
from plotting.derived import over_seeds
from plotting.naming import plural
from plotting.page import commands
from plotting.page.chart import Chart, Choice, as_spec, choices_of, rows_of, tooltips

SENTENCE = Choice("sentence", "sentence")
LAYER = "layer"
HEAD = Choice("head_told", "head", ("mean of all",))
ASKING = ("it", "It", "sat")
WEIGHTS = ["#ffffff", "#2f7fc1"]


def readings(runs):
    """attention.csv of one model for each sentence and depth, the one that weighs the nouns as the
    median does; with the mean over heads where there are several, and words that tell themselves
    apart."""
    rows = attention.shown_readings(runs)
    if rows.empty:
        return rows
    numbers = ["weight", "query_index", "key_index", "layer", "layers"]
    rows = rows[rows[numbers].notna().all(axis=1)]
    keys = ["run", "sentence", "seed", "layers", "layer", "query_index", "query_token", "key_index",
            "key_token", "answer"]  # fmt: skip
    heads = rows.groupby(keys, as_index=False, dropna=False)[["weight", "score"]].mean()
    several = rows["head"].nunique() > 1
    parts = [heads.assign(head_told="mean of all")] if several else []
    parts.append(rows[[*keys, "weight", "score"]].assign(
        head_told=rows["head"].map("{:g}".format)))  # fmt: skip
    rows = pd.concat(parts, ignore_index=True)
    rows = rows.assign(
        depth=[f"{plural(row.layers, 'layer')}, seed {row.seed:g}" for row in rows.itertuples()],
        asks=numbered(rows, "query"),
        read=numbered(rows, "key"),
        model="attention",
    )
    order = ["sentence", "layers", "seed", "layer", "head_told", "query_index", "key_index"]
    by_first = {sentence: place for place, sentence in enumerate(rows["sentence"].unique())}
    return rows.assign(place=rows["sentence"].map(by_first)).sort_values(
        ["place", *order], key=None, kind="stable"
    )


def numbered(rows, side):
    """The words; those that stand several times in their sentence with their place."""
    token, index = rows[f"{side}_token"], rows[f"{side}_index"]
    places = index.groupby([rows["sentence"], token]).transform("nunique")
    return token.where(places == 1, token + " (word " + (index + 1).map("{:g}".format) + ")")


def deepest(rows):
    return (f"{rows['layer'].max():g}",)


def model_choice(rows):
    """Which depth; the deepest first."""
    return Choice("depth", "model", tuple(reversed(rows.sort_values("layers")["depth"].unique())))


def of_word(runs):
    """How much one word takes over from each word: the chart of the fifth claim."""
    rows = readings(runs)
    if rows.empty:
        return None
    candidates = (SENTENCE, model_choice(rows), Choice(LAYER, "layer", deepest(rows)), HEAD,
                  Choice("asks", "word that asks", ASKING))  # fmt: skip
    choices, held = choices_of(rows, *candidates)
    columns = {"asks": "word that asks", "read": "word read", "weight": "weight", "score": "score",
               "answer": "answer"}  # fmt: skip
    base = rows_of().encode(
        y=alt.Y("read:N", sort=alt.EncodingSortField("key_index", op="min"), title="word read"),
        tooltip=tooltips(columns),
    )
    axis = alt.X("weight:Q", title="weight", scale=alt.Scale(domain=[0, 1.08], nice=False),
                 axis=alt.Axis(format=".0%", tickCount=5))  # fmt: skip
    chart = base.mark_bar(color="var(--attention)", height={"band": 0.6}).encode(x=axis)
    chart += base.mark_text(align="left", dx=5).encode(x="weight:Q",
                                                       text=alt.Text("weight:Q", format=".0%"))  # fmt: skip
    return Chart(
        "word",
        "What one word attends to",
        "How much of each word's value the word that asks takes over; the weights sum to 100 %. Small"
        " models that learned the sentences' grammar from answers alone. The hidden verb is shown as"
        " itself, though the model sees only that a word is missing.",
        rows, columns, choices, as_spec(chart, ("read", 24)),
        commands.of_record("word", runs[0], "attend", [("seeds", "5")]), held,
    )  # fmt: skip


def whole_map(runs):
    """The same of every word: a square a head."""
    rows = readings(runs)
    if rows.empty:
        return None
    choices, held = choices_of(rows, SENTENCE, model_choice(rows), Choice(LAYER, "layer", deepest(rows)),
                               HEAD)  # fmt: skip
    columns = {"asks": "word that asks", "read": "word read", "weight": "weight", "score": "score"}
    by_key = alt.EncodingSortField("key_index", op="min")
    by_query = alt.EncodingSortField("query_index", op="min")
    base = rows_of().encode(
        x=alt.X("read:N", sort=by_key, title="word read", axis=alt.Axis(labelAngle=-60)),
        y=alt.Y("asks:N", sort=by_query, title="word that asks"),
        tooltip=tooltips(columns),
    )
    cells = base.mark_rect().encode(
        color=alt.Color("weight:Q", legend=None,
                        scale=alt.Scale(domain=[0, 1], range=WEIGHTS, interpolate="rgb")))  # fmt: skip
    wide = rows_of().transform_filter("datum.weight >= 0.1 && width > 360")
    numbers = wide.mark_text(fontSize=11, color="#111111").encode(
        x=alt.X("read:N", sort=by_key), y=alt.Y("asks:N", sort=by_query),
        text=alt.Text("weight:Q", format=".0%"))  # fmt: skip
    return Chart(
        "map",
        "Weights of every word",
        "A line is a word that asks and sums to 100 %; numbers below 10 % are left out.",
        rows, columns, choices, as_spec(cells + numbers, ("asks", 26)),
        commands.of_record("map", runs[0], "attend", [("seeds", "5")]), held,
    )  # fmt: skip


def hidden_words(runs):
    """Right answers with one word hidden, in the setting that is shown above."""
    rows = attention.gathered(runs, "interventions")
    rows = rows[rows["accuracy"].notna()]
    if rows.empty:
        return None
    typical = attention.typical_models(rows)
    rows = rows.merge(typical[["run", "task", "layers", *SETTING]])
    if rows.empty:
        return None
    rows = rows.assign(
        word=rows["hidden"] + rows["key_index"].map(
            lambda index: "" if index != index else f" (word {index + 1:.0f})"),
        by=rows["hidden_from"].map(lambda word: "every word" if word in FROM_ALL else f"“{word}” alone"),
        place=rows.groupby(["run", "task", "layers", "distance", "seed"]).cumcount(),
        depth=rows["layers"].map(lambda layers: plural(layers, "layer")),
    )  # fmt: skip
    rows = over_seeds(rows, ["run", "task", "depth", "distance", "by", "word", "place"], "accuracy")
    choices, held = choices_of(rows, Choice("task", "task"), Choice("depth", "model", ("2 layers",)),
                               Choice("distance", "distance"), Choice("by", "hidden from"))  # fmt: skip
    rows = rows.sort_values([*(choice.column for choice in choices), "place"], kind="stable")
    columns = {"word": "word hidden", "median": "right answers, median", "low": "least model",
               "high": "best model", "seeds": "models"}  # fmt: skip
    base = rows_of().encode(y=alt.Y("word:N", sort=alt.EncodingSortField("place", op="min"), title=None),
                            tooltip=tooltips(columns))  # fmt: skip
    x = alt.X("median:Q", title="share of right answers", scale=alt.Scale(domain=[0, 1]),
              axis=alt.Axis(format=".0%", tickCount=5))  # fmt: skip
    chart = base.mark_bar(color="var(--attention)", height={"band": 0.55}).encode(x=x)
    chart += base.mark_rule(color="var(--ink)", strokeWidth=2).encode(x="low:Q", x2="high:Q")
    return Chart(
        "hidden",
        "What a weight is worth: answers with one word hidden",
        "The word's key is hidden from attention in every layer, and the answers are counted again. Lines"
        " reach from the worst model to the best.",
        rows, columns, choices, as_spec(chart, ("word", 24)),
        commands.of_record("hidden", runs[0], "attend", [("seeds", "5")]), held,
    )  # fmt: skip


def use(runs):
    """Does the weight tell what is used? A point a setting of training."""
    rows = attention.gathered(runs, "interventions")
    if rows.empty:
        return None
    rows = attention.weight_and_use(rows)
    several = rows.groupby(["run", "task", "layers"])["layers"].transform("size") > 2
    rows = rows[several & rows["answers"] & rows["weight"].notna() & rows["lost"].notna()]
    if rows.empty:
        return None
    rows = rows.assign(
        depth=rows["layers"].map(lambda layers: plural(layers, "layer")),
        agreement=rows["agree"].map({True: "agree", False: "do not agree"}),
    )
    choices, held = choices_of(rows, Choice("task", "task"))
    columns = {"depth": "model", "learning_rate": "rate", "weight_decay": "weight decay",
               "mlp_expansion": "MLP", "weight": "weight on the noun", "lost": "answers lost without",
               "seeds": "models"}  # fmt: skip
    colours = alt.Scale(domain=["agree", "do not agree"], range=["var(--attention)", "var(--lstm)"])
    points = rows_of().mark_point(size=80, strokeWidth=2).encode(
        x=alt.X("weight:Q", title="weight on the noun", scale=alt.Scale(domain=[0, 1]),
                axis=alt.Axis(format=".0%", tickCount=5)),
        y=alt.Y("lost:Q", title="answers lost without this edge", axis=alt.Axis(format=".0%"),
                scale=alt.Scale(domain=[-0.05, 1], nice=False)),
        color=alt.Color("agreement:N", scale=colours),
        shape=alt.Shape("depth:N", legend=alt.Legend(orient="bottom")),
        tooltip=tooltips(columns),
    )  # fmt: skip
    half = rows_of().mark_rule(strokeDash=[5, 4])
    chart = alt.layer(half.encode(x=alt.datum(0.5)), half.encode(y=alt.datum(0.5)), points)
    return Chart(
        "use",
        "Does the weight tell what is used?",
        "A point a setting of training. Top right and bottom left: weight and use agree. Elsewhere a"
        " model's weights do not show what it uses.",
        rows, columns, choices, as_spec(chart, 300),
        commands.box("build/release/seqbench attend --config scripts/sweeps/attend-settings.cfg --out"
                     " results/again-use"),
        held,
    )  # fmt: skip
