"""How far `seqbench compare --binaries` can be trusted, measured on this machine.

False alarms: the release build against itself. Detection: the release build against one whose every
pass takes 5 % longer, which this script builds in build/slowed from a copy of the sources.
"""

import argparse
import csv
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAM = ROOT / "build/release/seqbench"
SLOWED = ROOT / "build/slowed"

# On two CPUs 224 cases: 4 lengths, 2 widths, 2 passes, 7 kernels of 4 models, 1 and 2 threads.
GRID = ["--model", "all", "--kernel", "hoisted,persistent,fused", "--pass", "forward,train",
        "--length", "32..256", "--width", "64,128"]
SLOWED_CASE = ["--model", "lstm", "--kernel", "hoisted", "--length", "128", "--width", "128",
               "--pass", "forward", "--threads", "1"]
MOST_FALSE_ALARMS, LEAST_DETECTIONS = 0.10, 0.95

UNCHANGED = "void Workload::run(const ThreadTeam& team) {\n"
SLOWER = """namespace {
/// Lets the block that it stands in take 5 % longer.
struct Slower {
  using Clock = std::chrono::steady_clock;
  Clock::time_point start = Clock::now();
  ~Slower() {
    const Clock::time_point end = start + (Clock::now() - start) * 105 / 100;
    while (Clock::now() < end) {
    }
  }
};
}  // namespace
""" + UNCHANGED + "  const Slower slower;\n"


def build_slowed():
    """The program of the same sources with the slower pass."""
    source = SLOWED / "source"
    shutil.rmtree(source, ignore_errors=True)
    for name in ["core", "rnn", "attention", "harness", "cmake"]:
        shutil.copytree(ROOT / name, source / name)
    shutil.copy(ROOT / "CMakeLists.txt", source)
    workload = source / "harness/timing/workload.cc"
    text = workload.read_text()
    if text.count(UNCHANGED) != 1:
        sys.exit(f"compare_power: {workload}: expected one '{UNCHANGED.strip()}'")
    workload.write_text("#include <chrono>\n" + text.replace(UNCHANGED, SLOWER))
    subprocess.run(["cmake", "-G", "Ninja", "-S", source, "-B", SLOWED, "-DSEQBENCH_TESTS=OFF",
                    "--log-level=WARNING"], check=True)
    subprocess.run(["cmake", "--build", SLOWED, "--target", "seqbench"], check=True)
    return SLOWED / "seqbench"


def compare(new, grid, repetitions):
    """The rows of the table of one comparison."""
    with tempfile.TemporaryDirectory() as folder:
        table = pathlib.Path(folder) / "table.csv"
        process = subprocess.run(
            [PROGRAM, "compare", "--binaries", PROGRAM, new, "--csv", table, "--", *grid,
             "--repetitions", str(repetitions)], stdout=subprocess.DEVNULL)
        if process.returncode not in (0, 3):
            sys.exit(f"compare_power: seqbench compare ended with {process.returncode}")
        with open(table, newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))


def show(label, rows):
    for row in rows:
        print(f"  {label} {row['case_id']}: ratio {float(row['ratio']):.4f} "
              f"[{float(row['ratio_low']):.4f}, {float(row['ratio_high']):.4f}], "
              f"p {float(row['p_value']):.2g}, {row['verdict']}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--grid", default=" ".join(GRID),
                        help="options of throughput for the false alarms (default: %(default)s)")
    parser.add_argument("--tries", type=int, default=40, help="of the slowed build (default: 40)")
    parser.add_argument("--repetitions", type=int, default=20, help="of each build (default: 20)")
    options = parser.parse_args()
    if not PROGRAM.is_file():
        parser.error(f"'{PROGRAM}' is not there; build it (cmake --build --preset release)")
    slowed = build_slowed() if options.tries > 0 else None

    rows = compare(PROGRAM, options.grid.split(), options.repetitions)
    below = [row for row in rows if row["p_value"] and float(row["p_value"]) < 0.05]
    told = [row for row in rows if row["verdict"] in ("slower", "faster")]
    show("false alarm", below)
    print(f"the same build: {len(below)} of {len(rows)} cases have p < 0.05, "
          f"{len(told)} are told as slower or faster")

    tries = [row for _ in range(options.tries)
             for row in compare(slowed, SLOWED_CASE, options.repetitions)]
    found = [row for row in tries if row["verdict"] == "slower"]
    show("missed", [row for row in tries if row["verdict"] != "slower"])
    if tries:
        ratios = [float(row["ratio"]) for row in tries]
        print(f"5 % slower: found in {len(found)} of {len(tries)} tries, "
              f"ratios {min(ratios):.4f} to {max(ratios):.4f}")
    is_good = (len(below) <= MOST_FALSE_ALARMS * len(rows)
               and len(found) >= LEAST_DETECTIONS * len(tries))
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
