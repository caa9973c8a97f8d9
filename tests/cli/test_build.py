"""What is compiled with less effort (harness/CMakeLists.txt) is no part of what is timed."""

import json
import pathlib
import re
import subprocess
import unittest

from program import PROGRAM, run

BUILD = pathlib.Path(PROGRAM).parent
ROOMS = ["base", "files", "server", "attention_maps", "commands"]
UNTIMED = {path.name + ".o" for room in ROOMS
           for path in (pathlib.Path(__file__).parents[2] / "harness" / room).glob("*.cc")}
LIBRARIES = [f"libseqbench_{name}.a" for name in ["core", "rnn", "attention"]] + [
    "harness/libseqbench_harness.a"]
# Set-up and tear-down, which no pass does.
HARMLESS = re.compile(r"~\w+\(\)$|::(\w+)(<.*>)?::\1\(")


def shared_functions(listing, untimed):
    """Functions of ours, defined in several objects, that the linker may take from one of `untimed`
    for one of the others. `listing` is that of nm -C -A of some static libraries."""
    defined = {True: set(), False: set()}
    for line in listing.splitlines():
        match = re.match(r"[^:]+:([^:]+):\S* [Ww] (.*)$", line)
        if match:
            defined[match[1] in untimed].add(match[2])
    return sorted(name for name in defined[True] & defined[False]
                  if "seqbench::" in name.split("(")[0].split("<")[0] and not HARMLESS.search(name))


class Build(unittest.TestCase):
    def test_shared_functions_are_found(self):
        listing = ("lib.a:csv.cc.o:0000000000000000 W seqbench::exp_lanes(float)\n"
                   "lib.a:csv.cc.o:0000000000000000 W seqbench::Tensor<float>::~Tensor()\n"
                   "lib.a:csv.cc.o:0000000000000000 W seqbench::Case::Case(seqbench::Case const&)\n"
                   "lib.a:csv.cc.o:0000000000000000 W std::vector<seqbench::Case>::~vector()\n"
                   "lib.a:csv.cc.o:0000000000000000 W seqbench::only_here()\n")
        both = listing + listing.replace("csv.cc.o", "lstm.cc.o").replace("only_here", "only_there")
        self.assertEqual(shared_functions(both, {"csv.cc.o"}), ["seqbench::exp_lanes(float)"])
        self.assertEqual(shared_functions(both, {"other.cc.o"}), [])

    @unittest.skipUnless((BUILD / LIBRARIES[0]).exists(), "not run from a build folder")
    def test_timed_code_has_no_function_from_units_with_less_effort(self):
        if json.loads(run("machine", "--json", "--threads", "1").stdout)["build"]["type"] != "Release":
            self.skipTest("all units are compiled alike")
        listing = subprocess.run(["nm", "-C", "-A", "--defined-only",
                                  *(BUILD / name for name in LIBRARIES)],
                                 capture_output=True, text=True, check=True).stdout
        objects = set(re.findall(r"^[^:]+:([^:]+):", listing, re.M))
        self.assertLess(UNTIMED - {"main.cc.o"}, objects)
        self.assertEqual(shared_functions(listing, UNTIMED | {"description.cc.o"}), [])


if __name__ == "__main__":
    unittest.main()
