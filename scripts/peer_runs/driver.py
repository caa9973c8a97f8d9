"""A whole run: every case after the other, its rows written as soon as they are there."""

import random
import tempfile
from functools import partial
from pathlib import Path

from peer_runs import report, rows, step_rows
from peer_runs.cases import Case
from peer_runs.measuring import measure_case, take_process_bytes
from peer_runs.step_cases import StepCase


class Workers:
    """One process for each peer and number of threads, started by start(name, threads)."""

    def __init__(self, names, start):
        self._names, self._start = names, start
        self._running = {}

    def of(self, threads):
        """{name: ServerProcess} for so many threads."""
        if threads not in self._running:
            self._running[threads] = {name: self._start(name, threads) for name in self._names}
        return self._running[threads]

    def close(self):
        for peers in self._running.values():
            for peer in peers.values():
                peer.close()


def case_ids(cases, names):
    """Of seqbench and the named libraries."""
    return [one.id for case in cases for one in (case, *(case.by(name) for name in names))]


def list_cases(seqbench, kind=Case):
    """Layers, or a StepCase for each training."""
    return [kind.parse(case_id) for case_id in seqbench.ask({"do": "list"})["cases"]]


def choices(outcomes):
    """Of each peer of a case: what it chose from, for peers.json."""
    keys = ("variant", "race", "rejected")
    return {outcome.case.id: {key: outcome.prepared[key] for key in keys if key in outcome.prepared}
            for name, outcome in outcomes.items() if name != "seqbench"}


def run(cases, seqbench, workers, directory, *, facts, cpus, rounds, seed, say=partial(print, flush=True)):
    """Measures `cases` and fills `directory`. Returns 1 when a library failed, else 0. Raises
    ServerError when seqbench cannot go on."""
    order = random.Random(seed)
    say(report.HEADER)
    any_failed = False
    for case in cases:
        outcomes = measure_case(case, seqbench, workers.of(case.threads), cpus=cpus,
                                rounds=rounds, random=order)
        throughput = rows.throughput_rows(outcomes, directory.run_id)
        peers = rows.peer_rows(outcomes, directory.run_id)
        directory.append("samples.csv", rows.sample_rows(outcomes, directory.run_id))
        directory.append("peers.csv", peers)
        directory.append("throughput.csv", throughput)
        directory.record_peers(facts, choices(outcomes))
        for line in report.lines_of(throughput, peers):
            say(line)
        any_failed = any_failed or any(row["status"] == "failed" for row in throughput)
    say(f"\n{report.FOOTER}")
    return 1 if any_failed else 0


def run_steps(cases, seqbench, workers, directory, *, start, facts, cpus, rounds, seed,
              peer_details=None, say=partial(print, flush=True)):
    """As run(), of training steps; start(name, threads) makes a process of a library, seqbench's
    among them, which the rounds have no part in."""
    order = random.Random(seed)
    say(step_rows.HEADER)
    any_failed = False
    for case in cases:
        with tempfile.TemporaryDirectory() as folder:
            training, anew = ({"file": str(Path(folder) / name)}
                              for name in ("training.safetensors", "anew.safetensors"))
            outcomes = measure_case(case, seqbench, workers.of(case.threads), cpus=cpus,
                                    rounds=rounds, random=order, details=training,
                                    peer_details=peer_details)
            take_process_bytes(outcomes, start, training, anew)
        steps = step_rows.step_rows(outcomes, directory.run_id)
        directory.append("samples.csv", rows.sample_rows(outcomes, directory.run_id))
        directory.append("steps.csv", steps)
        directory.record_peers(facts, choices(outcomes))
        for line in step_rows.lines_of(steps):
            say(line)
        any_failed = any_failed or any(row["status"] == "failed" for row in steps)
    say(f"\n{report.FOOTER}")
    return 1 if any_failed else 0
