"""Where attention lies in a sentence, and what hiding a word costs: charts and figures of
attention.csv and interventions.csv.

Each chart returns None where the runs hold nothing to draw. A run may have trained its models in
several settings (rates, weight decays, MLPs). A sentence is shown as read in the setting whose
median weight on the nouns is the median of them, by the model nearest to that; or by that of the
lowest seed where nothing tells it.
"""

import altair as alt
import numpy as np
import pandas as pd

from plotting.derived import over_seeds
from plotting.layout import gather, titled
from plotting.naming import percent, plural, seeds_text, span

SENTENCE = ["run", "sentence", "layers"]
# How a model was trained, beside its depth and seed.
SETTING = ["learning_rate", "weight_decay", "mlp_expansion"]
SUBTITLE = "small models trained on the grammar"
# From word to word in arcs, in pixels.
WORD_WIDTH = 64
# Values of `hidden_from` of a row that hides nothing, or a word from every other.
FROM_ALL = ["", "all"]
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
    rows = rows.merge(typical_models(rows)[["run", "task", "layers", *SETTING]])
    rows = rows.assign(
        word=rows["hidden"] + rows["key_index"].map(
            lambda index: "" if pd.isna(index) else f" (word {index + 1:.0f})")
        + rows["hidden_from"].map(lambda word: "" if word in FROM_ALL else f", from {word} alone"),
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
    """The claim's lines: weights beside what hiding a word costs, and in how many settings the two
    agree; of each sentence the weights of the word that asks, and the answers behind them."""
    lines = []
    rows = gathered([run], "interventions")
    uses = weight_and_use(rows)
    typical = typical_models(rows)
    of_typical = rows.merge(typical[["task", "layers", *SETTING]])
    for (task, layers), group in of_typical.groupby(["task", "layers"], sort=False):
        lines.append(f"{task}, {plural(layers, 'layer')}: {weights_text(task, group)}; "
                     f"accuracy {hidden_text(task, group)}"
                     f" ({plural(group['seed'].nunique(), 'model')})")  # fmt: skip
        of_kind = uses[(uses["task"] == task) & (uses["layers"] == layers)]
        if len(of_kind) > 1:
            lines.append(f"{task}, {plural(layers, 'layer')}: {settings_text(of_kind)}")
    for (sentence, layers), group in shown_setting([run], typical).groupby(
        ["sentence", "layers"], sort=False
    ):
        lines.append(f"“{sentence}”, {plural(layers, 'layer')}: {sentence_text(group)}")
    return tuple(lines)


def weight_and_use(rows):
    """Of each setting, medians over its models: `weight`, what the word that asks gives the right
    noun (of hidden_verb both together) in the last layer; `lost`, the share of its right answers
    that a model loses when that noun (either, in the mean) is hidden from the asking word alone;
    whether weight and use `agree`: both are half or more, or neither is. Only settings that answer
    at least half of the test right; `answers` tells."""
    keys = ["run", "task", "layers", *SETTING]
    rows = with_noun_weight(rows)
    whole = rows[rows["hidden"] == "nothing"][[*keys, "seed", "nouns", "accuracy"]]
    counted = rows["hidden"].isin(["right noun", "first noun", "second noun"])
    edges = rows[counted & ~rows["hidden_from"].isin(FROM_ALL)]
    cut = edges.groupby([*keys, "seed"], as_index=False, dropna=False)["accuracy"].mean()
    models = whole.merge(cut, on=[*keys, "seed"], suffixes=("", "_cut"))
    models["lost"] = 1 - models["accuracy_cut"] / models["accuracy"].where(models["accuracy"] > 0)
    table = models.groupby(keys, as_index=False, dropna=False, sort=False).agg(
        weight=("nouns", "median"),
        lost=("lost", "median"),
        accuracy=("accuracy", "median"),
        seeds=("seed", "nunique"),
    )
    return table.assign(
        answers=table["accuracy"] >= 0.5,
        agree=(table["weight"] >= 0.5) == (table["lost"] >= 0.5),
    )


def with_noun_weight(rows):
    """The rows with `nouns`, the weight on the nouns that count: the right one, or both of a hidden
    verb."""
    both = rows["other_noun_weight"].where(rows["task"] == "hidden_verb", 0)
    return rows.assign(nouns=rows["noun_weight"] + both)


def settings_text(table):
    """In how many of several settings the weight on the noun says what is used."""
    answering = table[table["answers"]]
    if answering.empty:
        return f"in none of {len(table)} settings do the models answer"
    weights, lost = answering["weight"], answering["lost"]
    left_out = len(table) - len(answering)
    return (
        f"{len(answering)} settings ({settings_named(table)}), medians of"
        f" {plural(answering['seeds'].max(), 'model')} each: weight {percent(weights.min())} to"
        f" {percent(weights.max())}, median {percent(weights.median())}; cutting that edge alone costs"
        f" {percent(lost.min())} to {percent(lost.max())} of the answers, median"
        f" {percent(lost.median())}; weight and use agree (both at least half, or neither) in"
        f" {int(answering['agree'].sum())} of {len(answering)}"
        + (f"; {left_out} more do not answer" if left_out else "")
    )


def settings_named(table):
    """"rates 0.001 to 0.01, weight decay 0 to 1, MLP × 1 to 4" of what differs among settings."""
    names = {"learning_rate": "rates ", "weight_decay": "weight decay ", "mlp_expansion": "MLP × "}
    return ", ".join(
        f"{name}{span(table[column].dropna())}"
        for column, name in names.items()
        if table[column].nunique() > 1
    )


def weight_against_use(runs):
    """A point a setting: the weight on the noun against what cutting that one edge costs."""
    rows = gathered(runs, "interventions")
    table = weight_and_use(rows) if not rows.empty else rows
    if len(table) < 3 or table.groupby(["run", "task", "layers"]).size().max() < 3:
        return None
    table = table[table["answers"]].assign(
        depth=table["layers"].map(lambda layers: plural(layers, "layer")),
        agreement=table["agree"].map({True: "agree", False: "do not agree"}),
    )
    charts = []
    for (run, task), group in table.groupby(["run", "task"], sort=False):
        base = alt.Chart(group)
        points = base.mark_point(size=70, filled=False, strokeWidth=1.8).encode(
            x=alt.X("weight:Q", title="weight on the noun", scale=alt.Scale(domain=[0, 1]),
                    axis=alt.Axis(format=".0%")),
            y=alt.Y("lost:Q", title="answers lost when only that edge is cut",
                    scale=alt.Scale(domain=[-0.05, 1]), axis=alt.Axis(format=".0%")),
            color=alt.Color("agreement:N", title="weight and use",
                            scale=alt.Scale(domain=["agree", "do not agree"],
                                            range=["#0072B2", "#D55E00"])),
            shape=alt.Shape("depth:N", title="model"),
            tooltip=["weight", "lost", "accuracy", "layers", *SETTING, "seeds"],
        )  # fmt: skip
        middle = alt.Chart(pd.DataFrame({"half": [0.5]})).mark_rule(strokeDash=[4, 4], color="#888888")
        title = f"{run}: {task}" if len(runs) > 1 else task
        charts.append(
            (middle.encode(x="half:Q") + middle.encode(y="half:Q") + points).properties(
                width=260, height=260, title=title
            )
        )
    return titled(
        alt.concat(*charts, columns=2),
        "Does the weight tell what is used?",
        f"a point a setting, median of {seeds_text(table)}; small models trained on the grammar",
    )


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
    from_all = rows[rows["hidden_from"].isin(FROM_ALL)]
    by_word = from_all.groupby("hidden")["accuracy"].median()
    parts = [percent(by_word["nothing"])]
    parts += [f"{percent(by_word[noun])} with the {noun} hidden" for noun in nouns if noun in by_word]
    cut = rows[~rows["hidden_from"].isin(FROM_ALL) & rows["hidden"].isin(nouns)]
    parts += [
        f"{percent(group['accuracy'].median())} with the {noun} hidden from “{word}” alone"
        for (noun, word), group in cut.groupby(["hidden", "hidden_from"], sort=False)
    ]
    others = from_all.loc[~from_all["hidden"].isin([*CONTENT, *nouns]), "accuracy"]
    if len(others):
        parts.append(f"at least {percent(others.min())} with any function word")
    return ", ".join(parts)


def gathered(runs, name):
    return gather(runs, lambda run: run.table(name))


def shown_readings(runs):
    """The rows of attention.csv of one model for each sentence."""
    typical = typical_models(gathered(runs, "interventions"))
    rows = shown_setting(runs, typical)
    keys = ["run", "task", "layers", *SETTING]
    chosen = rows[keys].merge(typical, on=keys, how="left")["typical"]
    is_typical = rows["seed"] == chosen.to_numpy()
    lowest = rows["seed"] == rows.groupby(SENTENCE)["seed"].transform("min")
    has_typical = is_typical.groupby([rows[name] for name in SENTENCE]).transform("any")
    return rows[is_typical.where(has_typical, lowest)]


def shown_setting(runs, typical):
    """The rows of attention.csv of all models of one setting for each sentence: of the typical one
    (typical_models()), or of the first where nothing tells it."""
    rows = gathered(runs, "attention")
    asks_it = (rows["query_token"].str.lower() == "it").groupby(rows["sentence"]).transform("any")
    rows["task"] = np.where(asks_it, "coreference", "hidden_verb")
    keys = ["run", "task", "layers", *SETTING]
    found = rows[keys].merge(typical[keys], on=keys, how="left", indicator="found")["found"]
    of_typical = pd.Series((found == "both").to_numpy(), index=rows.index)
    number = rows.groupby(SETTING, dropna=False, sort=False).ngroup()
    of_first = number == number.groupby([rows[name] for name in SENTENCE]).transform("min")
    has_typical = of_typical.groupby([rows[name] for name in SENTENCE]).transform("any")
    return rows[of_typical.where(has_typical, of_first)]


def typical_models(rows):
    """Of interventions.csv, for each run, task and depth: the setting whose median weight on the
    nouns that count (the right one, or both of a hidden verb) is the median of all settings, the
    lower of two; and as `typical` the seed in it that is nearest to its median, the lowest of
    several."""
    kinds = ["run", "task", "layers"]
    rows = rows[rows["hidden"] == "nothing"].sort_values("seed")
    rows = with_noun_weight(rows)
    settings = rows.groupby([*kinds, *SETTING], as_index=False, dropna=False, sort=False)
    medians = settings["nouns"].median().sort_values("nouns", kind="stable")
    place = medians.groupby(kinds).cumcount()
    count = medians.groupby(kinds)["nouns"].transform("size")
    typical = medians[place == (count - 1) // 2][[*kinds, *SETTING]]
    rows = rows.merge(typical, on=[*kinds, *SETTING])
    middle = rows.groupby(kinds)[["noun_weight", "other_noun_weight"]].transform("median")
    away = (rows[["noun_weight", "other_noun_weight"]] - middle).abs()
    away = away["noun_weight"] + away["other_noun_weight"].where(rows["task"] == "hidden_verb", 0)
    nearest = rows.loc[away.groupby([rows[key] for key in kinds]).idxmin()]
    return nearest[[*kinds, *SETTING, "seed"]].rename(columns={"seed": "typical"})


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
