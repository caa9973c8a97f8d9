"""Commands that measure a chart's rows again, to copy."""

import shlex
from html import escape

from plotting.page import markup

PROGRAM = "build/release/seqbench"


def listed(values):
    """"1,16" of the values in order, whole numbers without a point; those without one left out."""
    found = dict.fromkeys(
        f"{value:g}" if isinstance(value, (int, float)) else str(value)
        for value in values
        if value == value and value not in ("", None)
    )
    return ",".join(found)


def html(slug, command, options):
    """The command in a box with a button. `options` are (name, value, column) in order. Where a column
    is named, page.js puts there what the shown rows have in it; of a control that is the value chosen.
    A value None is a flag, an empty one no option."""
    words = [f"{PROGRAM} {command}"]
    for name, value, column in options:
        if value is None:
            words.append(escape(f"--{name}"))
        elif value != "":
            quoted = escape(shlex.quote(value))
            words.append(
                escape(f"--{name} ")
                + (markup.element("span", quoted, data_column=column) if column else quoted)
            )
    return box(" ".join([*words, f"--out results/again-{escape(slug)}"]))


def box(code):
    """Code (HTML) in a box with a button that copies it."""
    return (
        '<div class="command"><p>Measure it again:</p>'
        + markup.element("pre", markup.element("code", code), tabindex=0, aria_label="command")
        + '<button type="button">Copy</button></div>'
    )


def of_columns(rows, **columns):
    """Options whose values are those of the rows' columns."""
    return [(name, listed(in_order(rows[column])), column) for name, column in columns.items()]


def in_order(values):
    """Each value once: numbers by size, texts as they come."""
    values = values.dropna().unique()
    return sorted(values) if all(not isinstance(value, str) for value in values) else list(values)


def race(slug, rows, command="scaling"):
    """A sweep over the rows of the race."""
    causal = [("causal", None, None)] if (rows.get("causal") == "true").all() else []
    options = of_columns(rows, **{"model": "model", "pass": "pass", "batch": "batch", "length": "seq_len",
                                  "width": "width", "heads": "heads"})  # fmt: skip
    return html(slug, command, [*options, *causal])


def recall(slug, rows):
    """The trainings of the rows."""
    return html(slug, "recall", of_columns(
        rows, task="task", setup="setup", model="model", variant="variant", distance="train_distance",
        regime="regime", seeds="seeds"))  # fmt: skip


def of_record(slug, run, command, fallback):
    """The command that machine.json has of the run, with the options that decide what is measured;
    else the fallback, a list of (name, value)."""
    records = run.machine.get("commands")
    records = [one for one in records if isinstance(one, dict)] if isinstance(records, list) else []
    options = [one.get("options") for one in records if one.get("command") == command]
    options = options[-1] if options and isinstance(options[-1], dict) else dict(fallback)
    left_out = {"config", "resume", "no-progress", "out", "save-models", "seed"}
    told = [(name, str(value), None) for name, value in options.items()
            if name not in left_out and value not in ("", "false")]  # fmt: skip
    return html(slug, command, [(name, None if value == "true" else value, column)
                                for name, value, column in told])  # fmt: skip
