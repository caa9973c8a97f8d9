"""What is compiled with less effort (harness/CMakeLists.txt) is no part of what is timed."""

import json
import pathlib
import re
import subprocess
import unittest

from program import PROGRAM, run

BUILD = pathlib.Path(PROGRAM).parent
HARNESS = pathlib.Path(__file__).parents[2] / "harness"


def objects(*patterns):
    return {path.name + ".o" for pattern in patterns for path in HARNESS.glob(pattern)}


LESS_EFFORT = objects("base/*.cc", "files/*.cc", "server/*.cc", "attention_maps/*.cc",
                      "commands/*.cc", "machine/description.cc")
# What runs between two looks at the clock, beside the layers' own libraries.
TIMED = objects("models/*.cc", "machine/probe.cc", "timing/measurement.cc", "timing/repetition.cc",
                "timing/workload.cc", "training/sliced_pass.cc", "training/training_step.cc", "text/parallel_pass.cc",
                "text/text_training.cc", "text/sampler.cc", "ranks/communicator.cc", "ranks/data_parallel.cc",
                "ranks/rank_member.cc", "ranks/rank_workload.cc", "ranks/traced_communicator.cc")
LAYERS = [f"libseqbench_{name}.a" for name in ["core", "rnn", "attention"]]
# Set-up and tear-down, which no pass does.
HARMLESS = re.compile(r"~\w+\(\)$|::(\w+)(<.*>)?::\1\(")


def own_functions(libraries, listing):
    """{object: its functions that other objects may have, too} of ours, from the output of
    nm -C -A for some static libraries; by "" those of `libraries`, whose objects do not matter."""
    found = {}
    for line in listing.splitlines():
        match = re.match(r"([^:]+):([^:]+):\S* [Ww] (.*)$", line)
        if not match or HARMLESS.search(match[3]):
            continue
        if "seqbench::" in match[3].split("(")[0].split("<")[0]:
            name = "" if pathlib.Path(match[1]).name in libraries else match[2]
            found.setdefault(name, set()).add(match[3])
    return found


def functions_with_less_effort(listing):
    """Functions that the linker may take from a unit with less effort for one that is timed."""
    found = own_functions(LAYERS, listing)
    timed = set().union(*(found.get(name, set()) for name in {"", *TIMED}))
    return sorted(timed & set().union(*(found.get(name, set()) for name in LESS_EFFORT)))


class Build(unittest.TestCase):
    def test_shared_functions_are_found(self):
        functions = ["seqbench::exp_lanes(float)", "seqbench::Tensor<float>::~Tensor()",
                     "seqbench::Case::Case(seqbench::Case const&)",
                     "std::vector<seqbench::Case>::~vector()"]

        def listed(archive, *names):
            return "".join(f"/b/{archive}:0000000000000000 W {name}\n" for name in names)

        untimed = listed("libseqbench_harness.a:csv.cc.o", *functions, "seqbench::only_here()")
        for timed in ["libseqbench_rnn.a:lstm.cc.o", "libseqbench_harness.a:workload.cc.o"]:
            self.assertEqual(functions_with_less_effort(untimed + listed(timed, *functions)),
                             ["seqbench::exp_lanes(float)"])
        other = listed("libseqbench_harness.a:sweep.cc.o", *functions)
        self.assertEqual(functions_with_less_effort(untimed + other), [])

    @unittest.skipUnless((BUILD / LAYERS[0]).exists(), "not run from a build folder")
    def test_timed_code_has_no_function_from_units_with_less_effort(self):
        if json.loads(run("machine", "--json", "--threads", "1").stdout)["build"]["type"] != "Release":
            self.skipTest("all units are compiled alike")
        libraries = [*LAYERS, "harness/libseqbench_harness.a"]
        listing = subprocess.run(["nm", "-C", "-A", "--defined-only",
                                  *(BUILD / name for name in libraries)],
                                 capture_output=True, text=True, check=True).stdout
        compiled = set(re.findall(r"^[^:]+:([^:]+):", listing, re.M))
        self.assertLess((LESS_EFFORT | TIMED) - {"main.cc.o"}, compiled)
        self.assertEqual(functions_with_less_effort(listing), [])


if __name__ == "__main__":
    unittest.main()
