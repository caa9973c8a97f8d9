"""Who may include whom, and that every source has a test.

core <- {rnn, attention} <- harness <- tests: `rnn` and `attention` see neither each other nor the
harness, `core` sees none of them. Within `harness` a room includes from rooms above it alone. No
two files include each other, directly or around. A source is tested in the file of its own name, or
`TESTED_IN` says where; `UNTESTED` are the others.
"""

import pathlib
import re
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]

# Each layer sees those of the sets above it, and itself. docs/architecture.md says what they hold.
ORDER = [
    {"core"},
    {"rnn", "attention"},
    {"harness/base"},
    {"harness/machine"},
    {"harness/tasks"},
    {"harness/models"},
    {"harness/files"},
    {"harness/timing"},
    {"harness/training"},
    {"harness/text"},
    {"harness/server"},
    {"harness/peers"},
    {"harness/ranks"},
    {"harness/attention_maps"},
    {"harness/commands"},
]

# Sources without a test of their own name, and the tests that would fail with them.
TESTED_IN = {
    # The other half of its kernel, which is compared as a whole.
    "attention/fused_attention_backward": "attention/fused_attention_test.cc",
    # Types without code, or with no more than defaults: tested by those who fill them.
    "attention/ablation": "attention/multi_head_attention_test.cc",
    "core/eigen_view": "core/tensor_test.cc",
    "core/gemm_options": "core/gemm_test.cc",
    "core/sequence_layer": "attention/multi_head_attention_test.cc",
    "harness/base/errors": "cli/test_bad_input.py",
    "harness/base/standard_streams": "cli/test_output.py",
    "harness/machine/build_info": "cli/test_machine.py",
    "harness/ranks/rank_parameters": "harness/ranks/ring_attention_test.cc",
    "harness/ranks/sequence_parallel_layer": "harness/ranks/ring_attention_test.cc",
    "harness/tasks/task": "harness/tasks/tasks_test.cc",
    "harness/tasks/task_definitions": "harness/tasks/tasks_test.cc",
    "rnn/recurrent_options": "rnn/recurrent_layer_test.cc",
    "core/parameter": "core/optimiser_test.cc",
    "harness/models/sequence_model_spec": "harness/models/sequence_model_test.cc",
    # Commands and what they print: tested as a user runs them.
    "harness/attention_maps/attention_report": "cli/test_attend.py",
    "harness/commands/attend": "cli/test_attend.py",
    "harness/commands/compare": "cli/test_compare.py",
    "harness/commands/crossover": "cli/test_crossover.py",
    "harness/commands/list": "cli/test_sweeps.py",
    "harness/commands/machine": "cli/test_machine.py",
    "harness/commands/main": "cli/test_bad_input.py",
    "harness/commands/program": "cli/test_bad_input.py",
    "harness/commands/repeat": "cli/test_repeat.py",
    "harness/commands/sample": "cli/test_train.py",
    "harness/commands/scaling": "cli/test_sweeps.py",
    "harness/commands/span": "cli/test_span.py",
    "harness/commands/throughput": "cli/test_sweeps.py",
    "harness/commands/train": "cli/test_train.py",
    "harness/server/step_server": "cli/test_repeat.py",
    "harness/server/text_step_server": "cli/test_train.py",
    "harness/server/training_steps": "cli/test_repeat.py",
    "harness/text/text_tables": "cli/test_train.py",
    # Ranks: the parts that need MPI are tested with the program that mpirun starts.
    "harness/ranks/launcher": "cli/test_ranks.py",
    "harness/ranks/mpi_ranks": "cli/test_ranks.py",
    "harness/ranks/no_mpi": "cli/test_ranks.py",
    # Training: tested with the whole training, or with the command that runs it.
    "harness/training/gradient_probe": "harness/training/training_test.cc",
    "harness/training/model_file": "cli/test_attend.py",
    "harness/training/recall_tables": "harness/commands/recall_test.cc",
    "harness/training/training_run": "harness/commands/recall_test.cc",
    "harness/training/training_table": "harness/commands/recall_test.cc",
    "harness/training/training_step": "harness/training/training_test.cc",
}

# No test reaches these: oneDNN's layers are a program of their own, which only scripts/peers builds.
# The harness compares each of its results with the reference before it is timed.
UNTESTED = ["harness/peers/main", "harness/peers/onednn_layer"]


def rooms_seen_by(room):
    """The rooms that a file of `room` may include from."""
    above = set()
    for layer in ORDER:
        if room in layer:
            return above | {room}
        above |= layer
    raise KeyError(room)


def room_of(path):
    """"harness/timing" of "harness/timing/case.h", "core" of "core/tensor.h"."""
    return "/".join(path.split("/")[:-1])


def sources(root):
    """{path: includes} of every C++ file of a room, paths relative to `root`."""
    found = {}
    for room in set().union(*ORDER):
        for path in sorted((root / room).glob("*")):
            if path.suffix in {".h", ".cc"}:
                found[str(path.relative_to(root))] = re.findall(
                    r'^\s*#\s*include\s+"([^"]+)"', path.read_text(), re.M)
    return found


def forbidden_includes(root):
    """(file, include) for every project include that the order does not allow."""
    return [(path, include) for path, includes in sorted(sources(root).items())
            for include in includes if room_of(include) not in rooms_seen_by(room_of(path))]


def strays(root):
    """C++ files that are in no room."""
    tops = {room.split("/")[0] for layer in ORDER for room in layer}
    known = sources(root)
    return sorted(str(path.relative_to(root)) for top in tops for path in (root / top).rglob("*")
                  if path.suffix in {".h", ".cc"} and str(path.relative_to(root)) not in known)


def unit_of(path):
    """A header and its source are one: "harness/timing/case" of "harness/timing/case.h"."""
    return path.rsplit(".", 1)[0]


def cycles(root):
    """Sets of units that include each other."""
    edges = {}
    for path, includes in sources(root).items():
        edges.setdefault(unit_of(path), set()).update(
            unit_of(include) for include in includes if unit_of(include) != unit_of(path))
    reached = {unit: reachable(unit, edges) for unit in edges}
    groups = {frozenset(other for other in reached[unit] if unit in reached.get(other, ()))
              for unit in edges if unit in reached[unit]}
    return sorted(sorted(group) for group in groups)


def reachable(start, edges):
    found, waiting = set(), list(edges.get(start, ()))
    while waiting:
        unit = waiting.pop()
        if unit not in found:
            found.add(unit)
            waiting.extend(edges.get(unit, ()))
    return found


def untested(root, tested_in):
    """Units with code (a source, or a header without one) that no test has the name of, and that
    `tested_in` does not place in a test that is there."""
    missing = []
    for unit in sorted({unit_of(path) for path in sources(root)}):
        test = root / "tests" / f"{unit}_test.cc"
        elsewhere = tested_in.get(unit)
        if not test.exists() and not (elsewhere and (root / "tests" / elsewhere).exists()):
            missing.append(unit)
    return missing


def needless(root, tested_in):
    """Entries of `tested_in` for what is not there, or has a test of its own name."""
    units = {unit_of(path) for path in sources(root)}
    return sorted(unit for unit in tested_in
                  if unit not in units or (root / "tests" / f"{unit}_test.cc").exists())


class DependencyRule(unittest.TestCase):
    def test_every_room_includes_only_what_it_may(self):
        self.assertEqual(forbidden_includes(ROOT), [])

    def test_every_file_is_in_a_room_and_no_room_is_empty(self):
        self.assertEqual(strays(ROOT), [])
        for room in set().union(*ORDER):
            self.assertTrue(list((ROOT / room).glob("*.cc")), room)

    def test_no_files_include_each_other(self):
        self.assertEqual(cycles(ROOT), [])

    def test_every_source_has_a_test(self):
        self.assertEqual(untested(ROOT, TESTED_IN), UNTESTED)
        self.assertEqual(needless(ROOT, TESTED_IN), [])


class PlantedFaults(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.root = pathlib.Path(scratch.name)
        for room in set().union(*ORDER):
            (self.root / room).mkdir(parents=True)

    def write(self, path, *includes):
        path = self.root / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f'#include "{include}"\n' for include in includes))

    def test_a_neighbour_and_a_room_below_are_found(self):
        self.write("rnn/bad.cc", "attention/naive.h")
        self.write("harness/tasks/task.cc", "harness/tasks/task.h", "harness/timing/case.h")
        self.assertEqual(forbidden_includes(self.root),
                         [("harness/tasks/task.cc", "harness/timing/case.h"),
                          ("rnn/bad.cc", "attention/naive.h")])

    def test_a_cycle_is_found_through_sources_and_around(self):
        self.write("core/a.h")
        self.write("core/a.cc", "core/a.h", "core/b.h")
        self.write("core/b.h", "core/c.h")
        self.write("core/c.h", "core/a.h")
        self.write("core/d.h", "core/a.h")
        self.assertEqual(cycles(self.root), [["core/a", "core/b", "core/c"]])

    def test_a_source_without_a_test_is_found(self):
        self.write("core/plain.h")
        self.write("core/covered.cc", "core/covered.h")
        self.write("tests/core/covered_test.cc")
        self.write("core/elsewhere.cc")
        table = {"core/elsewhere": "core/covered_test.cc", "core/gone": "core/covered_test.cc"}
        self.assertEqual(untested(self.root, table), ["core/plain"])
        self.assertEqual(untested(self.root, {"core/plain": "core/missing_test.cc"}),
                         ["core/elsewhere", "core/plain"])
        self.assertEqual(needless(self.root, table | {"core/covered": "core/covered_test.cc"}),
                         ["core/covered", "core/gone"])

    def test_a_file_outside_every_room_is_found(self):
        self.write("harness/stray.cc")
        self.assertEqual(strays(self.root), ["harness/stray.cc"])


if __name__ == "__main__":
    unittest.main()
