"""How far a sweep can be trusted on a machine that is not quiet, measured on this machine.

Runs a sweep of the release build twice: on the machine as it is, and beside a busy loop on one CPU.
Every row must then be `noisy` or have the same fraction of peak as in the first run to within 5 %.
In the first run at most 10 % of the rows may be noisy, and at least 75 % of the wall time must have
gone into passes, warm-up and probes: each of the processes sets its cases up.

Exit: 0 all three hold, 1 otherwise, 2 wrong option.
"""

import argparse
import csv
import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAM = pathlib.Path(os.environ.get("SEQBENCH", ROOT / "build/release/seqbench"))

# On two CPUs 64 cases of four models, some two minutes.
GRID = ["--pass", "forward,train", "--length", "64,512,2048", "--batch", "1,16",
        "--max-tokens", "8192"]
MOST_NOISY, MOST_MOVED, LEAST_MEASURING = 0.10, 0.05, 0.75

BUSY_LOOP = "import os, sys; os.sched_setaffinity(0, {int(sys.argv[1])})\nwhile True: pass"


class BusyLoop:
    """Another program that keeps one CPU busy."""

    def __init__(self, cpu):
        self._command = [sys.executable, "-I", "-c", BUSY_LOOP, str(cpu)]

    def __enter__(self):
        self._process = subprocess.Popen(self._command)

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()


def sweep(grid, out):
    """The measured rows by case, and the seconds that the sweep's activities took."""
    process = subprocess.run([PROGRAM, "throughput", *grid, "--no-progress", "--out", out],
                             stdout=subprocess.DEVNULL)
    if process.returncode != 0:
        sys.exit(f"noise_check: seqbench throughput ended with {process.returncode}")
    with open(out / "throughput.csv", newline="", encoding="utf-8") as file:
        rows = {row["case_id"]: row for row in csv.DictReader(file) if row["seconds"]}
    machine = json.loads((out / "machine.json").read_text())
    return rows, machine["commands"][-1]["wall_seconds"]


def fraction(row):
    return float(row["fraction_of_peak"])


def verdict(quiet, loaded):
    """Of one case in both runs: how far its figure moved, and what is said of it."""
    moved = fraction(loaded) / fraction(quiet) - 1
    if loaded["status"] == "noisy":
        return moved, "noisy"
    if abs(moved) < MOST_MOVED:
        return moved, "unmoved"
    return moved, "moved, but the quiet run was noisy" if quiet["status"] == "noisy" else "MOVED"


def bar(holds, text):
    print(f"{'holds' if holds else 'FAILS'}: {text}")
    return holds


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--grid", default=" ".join(GRID),
                        help="options of throughput (default: %(default)s)")
    parser.add_argument("--cpu", type=int, default=min(os.sched_getaffinity(0)),
                        help="that the busy loop takes (default: %(default)s)")
    options = parser.parse_args()
    if not PROGRAM.is_file():
        parser.error(f"'{PROGRAM}' is not there; build it (cmake --build --preset release)")
    if options.cpu not in os.sched_getaffinity(0):
        parser.error(f"--cpu: '{options.cpu}' is not allowed; expected one of "
                     f"{sorted(os.sched_getaffinity(0))}")
    grid = options.grid.split()
    with tempfile.TemporaryDirectory() as folder:
        quiet, seconds = sweep(grid, pathlib.Path(folder) / "quiet")
        with BusyLoop(options.cpu):
            loaded, _ = sweep(grid, pathlib.Path(folder) / "loaded")

    verdicts = []
    print(f"{'case':<52} {'quiet':>8} {'loaded':>8} {'moved':>8}  verdict")
    for case, row in quiet.items():
        moved, said = verdict(row, loaded[case])
        verdicts.append(said)
        print(f"{case:<52} {fraction(row):>8.4f} {fraction(loaded[case]):>8.4f} {moved:>+8.1%}  {said}")
    total = sum(seconds.values())
    measuring = (seconds["passes"] + seconds["probes"]) / total
    noisy = [row for row in quiet.values() if row["status"] == "noisy"]
    print(f"\nwall time of the quiet run: {total:.1f} s; " +
          ", ".join(f"{name} {value / total:.1%}" for name, value in seconds.items()))
    for row in noisy:
        print(f"noisy in the quiet run: {row['case_id']}: {row['reason']}")
    holds = [
        bar("MOVED" not in verdicts,
            f"beside a busy loop on CPU {options.cpu}, {verdicts.count('noisy')} of {len(verdicts)} "
            f"rows are noisy, {verdicts.count('unmoved')} moved by less than {MOST_MOVED:.0%}, "
            f"{verdicts.count('MOVED')} moved further"),
        bar(len(noisy) <= MOST_NOISY * len(quiet),
            f"in the quiet run {len(noisy)} of {len(quiet)} rows are noisy (at most {MOST_NOISY:.0%})"),
        bar(measuring >= LEAST_MEASURING,
            f"{measuring:.1%} of the quiet run went into passes, warm-up and probes (at least "
            f"{LEAST_MEASURING:.0%})"),
    ]
    sys.exit(0 if all(holds) else 1)


if __name__ == "__main__":
    main()
