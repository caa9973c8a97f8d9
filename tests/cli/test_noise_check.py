"""scripts/noise_check as a user runs it, on a sweep of a second."""

import os
import pathlib
import subprocess
import unittest

from program import PROGRAM

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "scripts/noise_check"
TINY = "--model gru --width 16 --length 8 --pass forward --repetitions 6 --min-time 0.001"


def noise_check(*arguments, stdout=subprocess.PIPE, seqbench=PROGRAM):
    return subprocess.run([SCRIPT, *arguments], stdout=stdout, stderr=subprocess.PIPE, text=True,
                          timeout=300, env={**os.environ, "SEQBENCH": seqbench})


class NoiseCheck(unittest.TestCase):
    def test_prints_every_row_and_whether_each_bar_holds(self):
        process = noise_check("--grid", TINY)
        # Sweeps so short hold no bar for certain.
        self.assertIn(process.returncode, (0, 1), process.stderr)
        self.assertEqual(process.stderr, "")
        lines = process.stdout.splitlines()
        bars = [line for line in lines if line.startswith(("holds: ", "FAILS: "))]
        self.assertEqual(len(bars), 3)
        self.assertEqual(process.returncode == 0, all(line.startswith("holds") for line in bars))
        self.assertEqual(sum(line.startswith("gru:") for line in lines),
                         1 + (len(os.sched_getaffinity(0)) > 1))

    def test_a_cpu_that_is_not_there_is_refused(self):
        process = noise_check("--cpu", "100000")
        self.assertEqual(process.returncode, 2)
        self.assertIn("--cpu: '100000'", process.stderr)

    def test_a_program_that_is_not_there_is_named(self):
        process = noise_check(seqbench="/nowhere/seqbench")
        self.assertEqual(process.returncode, 2)
        self.assertIn("'/nowhere/seqbench' is not there", process.stderr)
        self.assertNotIn("Traceback", process.stderr)

    def test_output_that_cannot_be_written_is_one_line_and_exit_code_1(self):
        with open("/dev/full", "w") as full:
            process = noise_check("--grid", TINY, stdout=full)
        self.assertEqual(process.returncode, 1)
        self.assertEqual(process.stderr, "noise_check: standard output cannot be written: No space "
                                         "left on device\n")


if __name__ == "__main__":
    unittest.main()
