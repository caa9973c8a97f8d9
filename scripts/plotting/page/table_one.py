"""Table 1 of Vaswani et al. 2017 ("Attention Is All You Need"): what its theory says of a layer of width
d over n tokens, and beside each cell what the run measured of it."""

from html import escape

from plotting.derived import bare_layers
from plotting.layout import gather
from plotting.naming import MODELS, champions, model_name, rank
from plotting.page import markup

# Layer type, complexity per layer, sequential operations, maximum path length; by model.
ATTENTION = ("Self-attention", "O(n²·d)", "O(1)", "O(1)")
RECURRENT = ("Recurrent", "O(n·d²)", "O(n)", "O(n)")
# Its gates see the input alone, so that a scan has every state (Feng et al. 2024); not in the paper.
MINGRU = ("Recurrent, by a scan", "O(n·d²)", "O(log n)", "O(n)")
THEORY = {"attention": ATTENTION, "mingru": MINGRU}
HEADER = ("model", "layer", "work: theory", "work: time grows as", "steps that wait: theory",
          "steps that wait: counted", "path between two words: theory",
          "gradient lost a step, before and after training")  # fmt: skip
NOT_MEASURED = "not measured"
NOTE = (
    "The exponents are fitted to seconds of training on one thread, over the longest lengths (and over"
    " widths where the run has several): O(n²·d) is n to the power 2, d to the power 1. Short sequences"
    " stay below, since there the projections, O(n·d²), are most of attention's work. Path length shows in"
    " the gradient: how many decades of it each further token costs. [from … to …] is the 95 % interval;"
    " several trainings are told by their median, and by the least and the largest of their intervals'"
    " ends."
)


def html(runs):
    """The table, a row a model and run; "" where the runs have neither files for it."""
    tables = {name: gather(runs, lambda run, name=name: run.table(name))
              for name in ("scaling", "span", "decay")}  # fmt: skip
    found = set()
    for name, rows in tables.items():
        found |= set(zip(rows["run"], rows["model"])) if len(rows) else set()
    names = [run.name for run in runs]
    found = sorted(found, key=lambda pair: (rank(MODELS, pair[1]), pair[1], rank(names, pair[0])))
    rows = []
    for run, model in found:
        own = {name: rows_of_model(table, run, model) for name, table in tables.items()}
        layer, work, steps, path = THEORY.get(model, RECURRENT)
        cells = [
            model_name(model) + (f" ({run})" if len(runs) > 1 else ""), layer,
            work, exponents(own["scaling"]), steps, counted_steps(own["span"]), path,
            decays(own["decay"]),
        ]  # fmt: skip
        rows.append([escape(cell) for cell in cells])
    if not rows:
        return ""
    return markup.table(HEADER, rows, "Table 1 of Vaswani et al. 2017, theory and measurement") + (
        markup.paragraph(NOTE)
    )


def rows_of_model(table, run, model):
    return table[(table["run"] == run) & (table["model"] == model)] if len(table) else table


def exponents(rows):
    """"n^1.85 [1.74 to 1.96], d^…" of training on one thread, the fit that begins latest."""
    if rows.empty:
        return NOT_MEASURED
    rows = champions(bare_layers(rows))
    rows = rows[(rows["pass"] == "train") & (rows["threads"] == 1) & rows["exponent"].notna()]
    rows = rows[~(rows["causal"] == "true")]
    parts = []
    for variable, letter in (("seq_len", "n"), ("width", "d")):
        own = rows[rows["variable"] == variable]
        if own.empty:
            continue
        row = own.sort_values(["to", "from", "batch"], ascending=[True, True, False]).iloc[-1]
        interval = (f" [{row['exponent_low']:.2f} to {row['exponent_high']:.2f}]"
                    if row["exponent_low"] == row["exponent_low"] else "")  # fmt: skip
        parts.append(f"{letter} to the power {row['exponent']:.2f}{interval},"
                     f" {letter} = {row['from']:g} to {row['to']:g}")  # fmt: skip
    return "; ".join(parts) or NOT_MEASURED


def counted_steps(rows):
    """"16384 at n = 8192" of a training pass, forward and backward."""
    if rows.empty:
        return NOT_MEASURED
    rows = champions(rows)
    rows = rows[rows["steps"].notna() & rows["seq_len"].notna()]
    if (rows["pass"] == "train").any():
        rows = rows[rows["pass"] == "train"]
    if rows.empty:
        return NOT_MEASURED
    ends = rows.sort_values("seq_len").iloc[[0, -1]].drop_duplicates("seq_len")
    each = ", ".join(f"{row['steps']:.0f} at n = {row['seq_len']:g}" for _, row in ends.iterrows())
    return f"{each} ({rows['pass'].iloc[0]})"


def decays(rows):
    """Decades of gradient a token, before and after training, of the plain start."""
    if rows.empty:
        return NOT_MEASURED
    rows = rows[rows["decades_per_step"].notna() & rows["variant"].isin(["default", "learned"])]
    task = "first_token" if (rows["task"] == "first_token").any() else None
    rows = rows[rows["task"] == task] if task else rows
    parts = []
    for stage, word in (("init", "before"), ("trained", "after")):
        own = rows[rows["stage"] == stage]
        if own.empty:
            continue
        low, high = 0 - own["decades_high"].max(), 0 - own["decades_low"].min()
        parts.append(f"{word}: {0 - own['decades_per_step'].median():.2g} decades"
                     f" [{low:.2g} to {high:.2g}]")  # fmt: skip
    told = "; ".join(parts)
    # Of another task than the others' where the model was not trained on theirs.
    elsewhere = "" if task else f" ({', '.join(rows['task'].unique())})"
    return told + elsewhere if told else NOT_MEASURED
