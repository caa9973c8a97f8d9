"""scripts/agree on two runs with known times."""

import csv
import subprocess
import unittest
from pathlib import Path

from program import ProgramTest

ROOT = Path(__file__).resolve().parents[2]
COLUMNS = ("case_id model kernel pass batch seq_len width heads threads causal seconds seconds_low "
           "seconds_high tokens_per_second status").split()
CROSSING = ("pass kernel baseline_model baseline_kernel batch width heads causal threads "
            "crossover_seq_len crossover_low crossover_high status").split()


def row(model, length, seconds, half=0.05, status="ok"):
    """A row whose seconds are known to a share of `half`."""
    return dict(zip(COLUMNS, [
        f"{model}:x:train:B1:T{length}:D256:H-:t1", model, "x", "train", 1, length, 256, "", 1, "",
        seconds, seconds * (1 - half), seconds * (1 + half), length / seconds, status]))


def crossing(baseline, length, low, high, status="ok"):
    return dict(zip(CROSSING, ["train", "fused", baseline, "x", 1, 256, 4, "false", 1, length, low,
                               high, status]))


class Agree(ProgramTest):
    def write(self, name, rows, crossings=None):
        folder = self.folder / name
        folder.mkdir()
        for file, columns, content in [("throughput.csv", COLUMNS, rows),
                                       ("crossover.csv", CROSSING, crossings)]:
            if content is None:
                continue
            with open(folder / file, "w", newline="", encoding="utf-8") as stream:
                writer = csv.DictWriter(stream, columns)
                writer.writeheader()
                writer.writerows(content)
        return folder

    def agree(self, *arguments):
        return subprocess.run([ROOT / "scripts/agree", *map(str, arguments)], capture_output=True,
                              text=True, timeout=120)

    def test_rows_that_both_know_are_compared_by_their_intervals(self):
        one = self.write("one", [row("attention", 64, 1), row("attention", 128, 2),
                                 row("attention", 256, 4, status="noisy"), row("attention", 9, 1)])
        other = self.write("other", [row("attention", 64, 1.09), row("attention", 128, 2.3),
                                     row("attention", 256, 9)])
        process = self.agree(one, other, "--ok", "60%")
        self.assertEqual(process.returncode, 1, process.stderr)
        for text in ["1 rows are in one of the two alone",
                     "rows that are ok in both runs: 2 of 3 (66.7 %); at least 60 % is asked\n",
                     "disjoint 95 % intervals of seconds: 1 of 2 (50.0 %); at most 7 % is asked - NOT MET",
                     "attention:x:train:B1:T128:D256:H-:t1: 1.9 to 2.1 s, 2.185 to 2.415 s",
                     "crossover lengths: not in both runs"]:
            self.assertIn(text, process.stdout)
        self.assertNotIn("T64:D256", process.stdout)
        within = self.agree(one, other, "--ok", "0.6", "--disjoint", "50%")
        self.assertEqual(within.returncode, 0, within.stdout)

    def test_too_few_rows_that_are_ok_are_beyond_the_limit(self):
        one = self.write("one", [row("attention", 64, 1), row("attention", 128, 2, status="noisy")])
        process = self.agree(one, one)
        self.assertEqual(process.returncode, 1)
        self.assertIn("1 of 2 (50.0 %); at least 85 % is asked - NOT MET", process.stdout)
        process = self.agree(one, one, "--ok", "50%", "--rows", "3")
        self.assertEqual(process.returncode, 1)
        self.assertIn("2 rows; at least 3 are asked - NOT MET", process.stdout)

    def test_neighbouring_lengths_of_recurrent_models_in_both_runs(self):
        # Tokens/s of 64, then half of it, then the same; attention may fall.
        run = self.write("run", [row("lstm", 64, 1), row("lstm", 128, 4), row("lstm", 256, 8.1),
                                 row("attention", 64, 1), row("attention", 128, 4),
                                 row("gru", 64, 1), row("gru", 128, 9, status="noisy")])
        process = self.agree(run, run, "--ok", "0%")
        self.assertIn("disjoint tokens/s: 2 of 4 (50.0 %); at most 3 % is asked - NOT MET",
                      process.stdout)
        self.assertIn("lstm:x:train:B1:T64:D256:H-:t1: 60.95 to 67.37 tokens/s, T=128", process.stdout)
        self.assertEqual(process.returncode, 1)

    def test_crossovers_agree_where_one_length_lies_in_both_intervals(self):
        rows = [row("attention", 64, 1)]
        one = self.write("one", rows, [
            crossing("lstm", 700, 650, 750), crossing("gru", 400, 380, 420),
            crossing("elman", "", "", "", "never_ahead")])
        other = self.write("other", rows, [
            crossing("lstm", 760, 740, 800), crossing("gru", 500, 450, 550),
            crossing("elman", "", "", "", "never_ahead")])
        process = self.agree(one, other)
        self.assertEqual(process.returncode, 1)
        self.assertIn("crossover lengths that agree: 2 of 3 (66.7 %); at least 90 % is asked - NOT MET",
                      process.stdout)
        self.assertIn("train fused gru x 1 256 4 false 1: 400 (380 to 420), 500 (450 to 550)",
                      process.stdout)
        self.assertEqual(self.agree(one, one).returncode, 0)

    def test_folders_that_cannot_be_compared_are_refused(self):
        one = self.write("one", [row("attention", 64, 1)])
        other = self.write("other", [row("attention", 65, 1)])
        self.assert_refused(self.agree(one, other), 2, "share no case")
        self.assert_refused(self.agree(one, self.folder / "nowhere"), 2, "throughput.csv")
        broken = self.write("broken", [row("attention", 64, 1) | {"seconds_low": "much"}])
        self.assert_refused(self.agree(one, broken), 2, "much")
        self.assertEqual(self.agree(one, one, "--disjoint", "7").returncode, 2)
        self.assertIn("--neighbours", self.agree("--help").stdout)


if __name__ == "__main__":
    unittest.main()
