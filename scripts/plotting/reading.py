"""Reads run directories: CSV files into tables, machine.json into a dict."""

import io
import json
import math
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from utf8 import shown

# The columns that plots and claims use, by table; a file may hold more.
COLUMNS = {
    "throughput": (
        "case_id model kernel pass batch seq_len width heads causal threads "
        "seconds seconds_low seconds_high tokens_per_second status reason"
    ).split(),
    "speedup": (
        "pass kernel baseline_model baseline_kernel batch seq_len width heads causal threads "
        "speedup speedup_low speedup_high status"
    ).split(),
    "crossover": (
        "pass kernel baseline_model baseline_kernel batch width heads causal threads "
        "crossover_seq_len status"
    ).split(),
    "peers": (
        "case_id model pass batch seq_len width threads peer peer_variant ratio ratio_low ratio_high"
    ).split(),
    "steps": (
        "case_id task model batch seq_len width threads contender contender_variant ratio ratio_low"
        " ratio_high status"
    ).split(),
    "scaling": (
        "model kernel pass batch width heads causal threads variable from to exponent "
        "exponent_low exponent_high r2"
    ).split(),
    "span": (
        "model kernel pass batch seq_len width causal variant processors steps parallelism status"
    ).split(),
    "projection": (
        "model kernel pass batch seq_len width heads processors seconds_low seconds_high assumption "
        "predicted_seconds measured_seconds measured_low measured_high measured_status causal "
        "variant"
    ).split(),
    "recall": (
        "task setup regime model variant layers train_distance distance seed accuracy chance status "
        "reason"
    ).split(),
    "learning": (
        "task setup regime model variant train_distance seed step loss accuracy"
    ).split(),
    "gradient": (
        "task model variant stage seed distance gradient_norm relative_gradient_norm"
    ).split(),
    "decay": (
        "task setup regime preset model variant layers train_distance seed stage decades_per_step"
        " decades_low decades_high"
    ).split(),
    "gap": (
        "task setup regime model variant train_distance distance seed first_gap answers accuracy"
    ).split(),
    "newton": (
        "task setup regime preset model variant layers block stage train_distance seed window sweeps"
        " decay_decades_per_step gate_mean"
    ).split(),
    "training": (
        "preset model variant match seed width layers length batch parameters step tokens seconds "
        "train_loss valid_loss bits_per_byte tokens_per_second"
    ).split(),
    "context": "model variant seed length position loss".split(),
    "text-samples": "model variant seed prompt temperature text".split(),
    "frontier": (
        "task model variant width layers pairs seq_len seed state_bytes decode_tokens_per_second "
        "accuracy chance outcome status reason"
    ).split(),
    "ablation": (
        "task setup model variant ablation distance seed accuracy chance outcome status reason"
    ).split(),
    "attention": (
        "sentence seed layers layer head query_index query_token key_index key_token score weight "
        "answer"
    ).split(),
    "interventions": (
        "task setup seed layers distance hidden key_index accuracy noun_weight other_noun_weight "
        "largest_share outweighs_share"
    ).split(),
}

# What of a model a row of the race is of, and in which precision; files of earlier versions have
# bare layers in float32 alone.
SCOPE = {"block": "layer", "layers": float("nan"), "match": "width", "dtype": "float32"}
TRAINED_AS = dict.fromkeys(("learning_rate", "weight_decay", "mlp_expansion"), float("nan"))
# Columns that files of earlier versions lack, and what their rows would have there.
ADDED_LATER = {
    "throughput": {
        "variant": "", "fraction_of_peak": float("nan"), "state_bytes": float("nan"),
        "ranks": float("nan"), **SCOPE,
    },
    "speedup": {
        "work_ratio": float("nan"), "efficiency_ratio": float("nan"), "parallel_ratio": float("nan"), **SCOPE,
    },
    "recall": {
        "preset": "", "seconds_to_solve": float("nan"), "solved": "", "parameters": float("nan"),
        "outcome": "", "block": "", "steps_to_solve": float("nan"), "learning_rate": float("nan"),
        "schedule_steps": float("nan"), "batch": float("nan"),
    },
    "crossover": {
        "crossover_low": float("nan"), "crossover_high": float("nan"), "predicted": float("nan"), **SCOPE,
    },
    "training": {"dtype": "float32", "stateful": False},
    "context": {"dtype": "float32"},
    "text-samples": {"dtype": "float32"},
    "learning": {"preset": "", "layers": 1, "block": ""},
    "gradient": {
        "log10_gradient_norm": float("nan"), "preset": "", "layers": 1, "regime": "single", "setup": "causal",
        "train_distance": float("inf"), "block": "",
    },
    "decay": {"block": ""},
    "gap": {"preset": "", "layers": 1, "block": ""},
    "scaling": SCOPE,
    "attention": TRAINED_AS,
    "interventions": {**TRAINED_AS, "hidden_from": "all"},
}

# The table of every row of throughput.csv; that of its own name has those in float32.
PRECISIONS = "throughput in every precision"

# Numbers without which a row says nothing of which case or training it is.
NEEDED = {
    "throughput": "batch seq_len width threads", "speedup": "batch seq_len width threads",
    "crossover": "batch width threads", "peers": "batch seq_len width threads",
    "steps": "batch seq_len width threads", "span": "batch seq_len width",
    "projection": "batch seq_len width processors", "recall": "layers train_distance distance seed",
    "learning": "train_distance seed step", "gradient": "seed distance",
    "decay": "layers train_distance seed",
    "gap": "train_distance distance seed first_gap", "newton": "layers train_distance seed window",
    "training": "seed width layers length batch step tokens seconds", "context": "seed length position",
    "text-samples": "seed temperature",
    "frontier": "width layers pairs seq_len seed", "ablation": "distance seed",
    "attention": "seed layers layer head query_index key_index weight",
    "interventions": "seed layers distance",
}  # fmt: skip

TEXT_COLUMNS = (
    "run_id case_id model kernel pass causal status reason baseline_model baseline_kernel variable "
    "peer peer_variant contender contender_variant "
    "task setup regime variant stage preset mixture sentence query_token key_token answer hidden hidden_from solved outcome "
    "prompt text block match dtype ablation assumption measured_status measured_reason"
).split()


class RunError(Exception):
    """A run directory or one of its files cannot be used; the message names it and says why."""


@dataclass(frozen=True)
class Run:
    """One run directory: `tables` has those of COLUMNS that hold rows, `missing` says why others
    are absent."""

    folder: Path
    name: str
    tables: dict = field(default_factory=dict)
    missing: dict = field(default_factory=dict)
    machine: dict = field(default_factory=dict)

    def table(self, name):
        """The named table, or an empty one with its columns."""
        columns = COLUMNS[name] + list(ADDED_LATER.get(name, ()))
        return self.tables.get(name, pd.DataFrame(columns=columns))

    def every_precision(self):
        """throughput.csv with the rows of other precisions than float32, which table() leaves out."""
        return self.tables.get(PRECISIONS, self.table("throughput"))


def read_run(folder):
    """Reads a run directory. Throws RunError when there is nothing in it to read or a file is
    malformed; absent and empty files, and rows that tell no case, are noted in `missing`. Plots and
    claims compare models of one process in float32: table("throughput") has these rows alone."""
    folder = Path(folder).resolve()
    if not folder.is_dir():
        raise RunError(f"{folder}: no such run directory")
    run = Run(folder=folder, name=shown(folder.name))
    for name in COLUMNS:
        path = folder / f"{name}.csv"
        if not path.exists():
            run.missing[path.name] = "not in this run"
            continue
        table = read_table(path, COLUMNS[name])
        needed = NEEDED.get(name, "").split() if len(table) else []
        unknown = ~table[needed].abs().lt(math.inf).all(axis=1) if needed else []
        if any(unknown):
            rows = f"{sum(unknown)} of {len(table)} rows of {path.name}"
            run.missing[rows] = f"left out: {', '.join(needed)} are not all numbers"
            table = table[~unknown].reset_index(drop=True)
        later = ADDED_LATER.get(name, {}).items()
        table = table.assign(
            **{column: value for column, value in later if column not in table.columns}
        )
        # Of one kind in every file, so that they can be compared.
        settings = [column for column in TRAINED_AS if column in table and len(table)]
        table = table.astype(dict.fromkeys(settings, float))
        if name == "throughput":
            over_ranks = table["ranks"].notna()
            if over_ranks.any():
                run.missing[f"{over_ranks.sum()} of {len(table)} rows of {path.name}"] = (
                    "left out: they are of several ranks"
                )
            table = table[~over_ranks].reset_index(drop=True)
            run.tables[PRECISIONS] = table
            table = table[table["dtype"] == "float32"].reset_index(drop=True)
        if table.empty:
            run.missing[path.name] = "holds no rows"
        else:
            run.tables[name] = table
    if not any((folder / f"{name}.csv").exists() for name in COLUMNS):
        names = ", ".join(f"{name}.csv" for name in COLUMNS)
        raise RunError(f"{folder}: no file of a run; expected one or more of {names}")
    machine = folder / "machine.json"
    if machine.exists():
        run.machine.update(read_machine(machine))
    else:
        run.missing[machine.name] = "not in this run"
    return run


def read_table(path, columns):
    """One CSV file as a table whose text columns are strings ("" for empty cells). A last line
    without its line break is torn (its writer was killed) and left out, as seqbench does."""
    try:
        text = path.read_text(encoding="utf-8")
        whole_lines = text[: text.rfind("\n") + 1]
        while whole_lines.count('"') % 2:  # torn inside a cell that holds line breaks
            whole_lines = whole_lines[: whole_lines.rfind("\n", 0, -1) + 1]
        table = pd.read_csv(io.StringIO(whole_lines), dtype=dict.fromkeys(TEXT_COLUMNS, "string"))
    except pd.errors.EmptyDataError:
        return pd.DataFrame(columns=columns)
    except (OSError, UnicodeDecodeError, pd.errors.ParserError) as error:
        raise RunError(f"{path}: cannot be read: {' '.join(str(error).split())}") from error
    absent = [name for name in columns if name not in table.columns]
    if absent:
        raise RunError(f"{path}: column(s) {', '.join(absent)} missing")
    if table.empty:
        return table
    for name in table.columns:
        if name in TEXT_COLUMNS:
            table[name] = table[name].fillna("").astype(object)
        elif name in columns and not pd.api.types.is_numeric_dtype(table[name]):
            raise RunError(f"{path}: column {name} holds text; expected numbers")
    return table


def read_machine(path):
    """machine.json as a dict."""
    try:
        machine = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"{path}: cannot be read: {error}") from error
    if not isinstance(machine, dict):
        raise RunError(f"{path}: expected a JSON object")
    return machine
