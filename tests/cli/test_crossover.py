"""seqbench crossover as a user runs it."""

import json
import math
import os
import unittest

from program import ProgramTest, read_csv, run

TINY = ["--width", "16", "--heads", "2", "--threads", "1", "--pass", "forward", "--processes", "3",
        "--min-time", "0.0005"]


class Crossover(ProgramTest):
    def test_finds_each_cell_and_keeps_the_ratios_behind_it(self):
        out = self.folder / "run"
        process = run("crossover", *TINY, "--model", "lstm,elman", "--batch", "1,2", "--length",
                      "4..256", "--out", out)
        self.assertEqual(process.returncode, 0, process.stderr)
        self.assertEqual(process.stderr, "")
        self.assertEqual(sorted(os.listdir(out)), ["crossover.csv", "machine.json", "ratios.csv"])
        rows = read_csv(out / "crossover.csv")
        self.assertEqual({(row["baseline_model"], row["batch"]) for row in rows},
                         {(model, batch) for model in ("lstm", "elman") for batch in "12"})
        self.assertEqual(len(rows), 4)
        ratios = read_csv(out / "ratios.csv")
        for row in rows:
            # 8·D² + 4·T·D of attention a token, 16·D² of the LSTM: equal at T = 2·D.
            self.assertEqual(row["predicted"], "32" if row["baseline_model"] == "lstm" else "")
            own = [one for one in ratios if (one["baseline_model"], one["batch"]) ==
                   (row["baseline_model"], row["batch"])]
            lengths = [int(one["seq_len"]) for one in own]
            self.assertEqual(lengths, sorted(set(lengths)))
            self.assertTrue(4 <= lengths[0] and lengths[-1] <= 256)
            for one in own:
                self.assertLessEqual(float(one["speedup_low"]), float(one["speedup"]))
                self.assertGreaterEqual(float(one["speedup_high"]), float(one["speedup"]))
                self.assertEqual(one["pairs"], "3")
            self.assertIn(row["status"], {"ok", "always_ahead", "never_ahead"}, row)
            if row["status"] == "ok":
                low, length, high = (float(row[name]) for name in
                                     ("crossover_low", "crossover_seq_len", "crossover_high"))
                self.assertTrue(4 <= low <= length <= high <= 256, row)
            self.assertIn(row["status"], process.stdout)
        (record,) = json.loads((out / "machine.json").read_text())["commands"]
        self.assertEqual((record["command"], record["exit_code"]), ("crossover", 0))

    def test_finds_the_crossing_of_each_precision_among_its_own_cases(self):
        out = self.folder / "run"
        command = ["crossover", *TINY, "--model", "lstm", "--length", "4..64", "--dtype",
                   "float32,bfloat16", "--out", out]
        process = run(*command)
        self.assertEqual(process.returncode, 0, process.stderr)
        rows = read_csv(out / "crossover.csv")
        self.assertEqual([row["dtype"] for row in rows], ["float32", "bfloat16"])
        self.assertEqual({row["predicted"] for row in rows}, {"32"})
        for row in rows:
            self.assertIn(row["status"], {"ok", "always_ahead", "never_ahead"}, row)
            ratios = [one for one in read_csv(out / "ratios.csv") if one["dtype"] == row["dtype"]]
            self.assertGreaterEqual(len(ratios), 2)
        self.assertIn("lstm bfloat16 ", process.stdout)
        # A run that was cut off keeps the precision that is finished.
        lines = (out / "crossover.csv").read_bytes().splitlines(keepends=True)
        (out / "crossover.csv").write_bytes(b"".join(lines[:-1]))
        process = run(*command, "--resume")
        self.assertEqual(process.returncode, 0, process.stderr)
        after = read_csv(out / "crossover.csv")
        self.assertEqual(after[0], rows[0])
        self.assertEqual([row["dtype"] for row in after], ["float32", "bfloat16"])

    def test_goes_on_with_the_cells_that_are_not_there(self):
        out = self.folder / "run"
        command = ["crossover", *TINY, "--model", "elman,gru", "--length", "4..64", "--out", out]
        run(*command)
        before = read_csv(out / "crossover.csv")
        # As if it had been killed between the second cell's ratios and its row.
        lines = (out / "crossover.csv").read_bytes().splitlines(keepends=True)
        (out / "crossover.csv").write_bytes(b"".join(lines[:-1]))
        self.assert_refused(run(*command), 2, "--out", "crossover.csv")
        process = run(*command, "--resume")
        self.assertEqual(process.returncode, 0, process.stderr)
        after = read_csv(out / "crossover.csv")
        self.assertEqual(after[0], before[0])
        self.assertEqual([row["baseline_model"] for row in after], ["elman", "gru"])
        ratios = read_csv(out / "ratios.csv")
        keys = [(row["baseline_model"], row["seq_len"]) for row in ratios]
        self.assertEqual(len(set(keys)), len(keys))
        self.assert_refused(run(*command, "--resume", "--seed", "2"), 2, "--seed")

    def test_a_cell_that_does_not_fit_says_so(self):
        out = self.folder / "run"
        process = run("crossover", *TINY, "--model", "gru", "--length", "64..128", "--memory-limit",
                      "1K", "--out", out)
        self.assertEqual(process.returncode, 0, process.stderr)
        (row,) = read_csv(out / "crossover.csv")
        self.assertEqual((row["status"], row["crossover_seq_len"]), ("skipped", ""))
        self.assertIn("limit", row["reason"])
        self.assertEqual(read_csv(out / "ratios.csv"), [])

    def test_lengths_stay_within_the_bound_on_tokens(self):
        out = self.folder / "run"
        run("crossover", *TINY, "--model", "lstm", "--batch", "4", "--length", "4..4096",
            "--max-tokens", "64", "--out", out)
        for row in read_csv(out / "ratios.csv"):
            self.assertLessEqual(int(row["seq_len"]), 16)
        self.assertFalse(any(math.isnan(float(row["speedup"])) for row in read_csv(out / "ratios.csv")))

    def test_fewer_than_three_pairs_have_no_interval_worth_the_name(self):
        self.assert_refused(run("crossover", "--processes", "2"), 2, "--processes", "'2'", "3")


if __name__ == "__main__":
    unittest.main()
