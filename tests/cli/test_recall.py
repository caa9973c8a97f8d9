"""recall as a user runs it, its CSV read back."""

import csv
import signal
import subprocess
import time
import unittest

from program import PROGRAM, ProgramTest, read_csv, run

TINY = ["recall", "--distance", "4", "--steps", "40", "--batch", "16", "--width", "16",
        "--gradient-steps", "3"]


def read_csv_so_far(path):
    """The whole rows of a file that is being written."""
    with open(path, newline="", encoding="utf-8") as file:
        lines = [line for line in file if line.endswith("\n")]
    return list(csv.DictReader(lines, strict=True))


class Recall(ProgramTest):
    def test_every_training_has_its_rows(self):
        out = self.folder / "run"
        process = run(*TINY, "--seeds", "2", "--seed", "5", "--out", out)
        self.assertEqual(process.returncode, 0, process.stderr)
        rows = read_csv(out / "recall.csv")
        kinds = {(row["model"], row["variant"]) for row in rows}
        self.assertEqual(kinds, {("elman", "default"), ("lstm", "default"), ("lstm", "chrono"),
                                 ("gru", "default"), ("gru", "chrono"), ("mingru", "default"),
                                 ("mingru", "chrono"), ("attention", "learned")})
        self.assertEqual(len(rows), 2 * len(kinds))
        self.assertEqual({row["seed"] for row in rows}, {"5", "6"})
        for row in rows:
            self.assertEqual(row["status"], "ok")
            self.assertEqual(float(row["chance"]), 1 / 16)
            self.assertTrue(0 <= float(row["accuracy"]) <= 1)
            self.assertEqual(row["steps"], "40")
            self.assertGreater(float(row["train_seconds"]), 0)
        learning = read_csv(out / "learning.csv")
        self.assertEqual({row["step"] for row in learning}, {"20", "40"})
        gradient = read_csv(out / "gradient.csv")
        self.assertEqual({row["stage"] for row in gradient}, {"init", "trained"})
        self.assertEqual({row["distance"] for row in gradient}, {"1", "2", "3"})

    def test_sweeps_are_measured_before_during_and_after(self):
        out = self.folder / "run"
        options = [*TINY, "--model", "elman,lstm,mingru", "--variant", "default", "--seeds", "1",
                   "--out", out]
        process = run(*options)  # without sweeps, which a resumed run adds
        self.assertEqual(process.returncode, 0, process.stderr)
        self.assertFalse((out / "newton.csv").exists())
        process = run(*options, "--newton", "--resume")
        self.assertEqual(process.returncode, 0, process.stderr)
        self.assertEqual(len(read_csv(out / "recall.csv")), 3)
        rows = read_csv(out / "newton.csv")
        for model in ("elman", "lstm"):
            of_model = [row for row in rows if row["model"] == model]
            self.assertEqual([row["stage"] for row in of_model],
                             ["init", "training", "training", "training", "trained"])
            self.assertEqual([row["steps"] for row in of_model], ["0", "10", "20", "30", "40"])
            for row in of_model:
                self.assertEqual(row["window"], row["seq_len"])
                self.assertEqual(row["fallback_share"], "0")
                low, mean, high = (float(row[name]) for name in
                                   ("sweeps_low", "sweeps", "sweeps_high"))
                self.assertTrue(1 <= low <= mean <= high <= int(row["window"]))
                self.assertEqual(row["gate_mean"] == "", model == "elman")
            for row in (of_model[0], of_model[-1]):
                self.assertLess(float(row["decay_decades_per_step"]), 0)
            self.assertEqual(of_model[1]["decay_decades_per_step"], "")
        self.assertEqual({row["model"] for row in rows}, {"elman", "lstm"})

    def test_sweeps_are_refused_where_none_can_be(self):
        for options in (["--model", "attention"], ["--model", "lstm", "--tune"]):
            process = run(*TINY, *options, "--newton", "--out", self.folder / "run")
            self.assertEqual(process.returncode, 2)
            self.assertIn("--newton", process.stderr)

    def test_accuracy_by_gap_adds_up_to_the_whole(self):
        out = self.folder / "run"
        process = run("recall", "--task", "mqar,parity", "--model", "gru", "--variant", "conv3",
                      "--distance", "32", "--seeds", "1", "--steps", "20", "--out", out)
        self.assertEqual(process.returncode, 0, process.stderr)
        rows = read_csv(out / "gap.csv")
        for test in read_csv(out / "recall.csv"):
            self.assertEqual(test["variant"], "default+conv3")
            self.assertEqual(test["pairs"], {"mqar": "2", "parity": ""}[test["task"]])
            gaps = [row for row in rows if row["task"] == test["task"]]
            answers = sum(int(row["answers"]) for row in gaps)
            self.assertEqual(answers, 1000 * {"mqar": 2, "parity": 32}[test["task"]])
            right = sum(int(row["answers"]) * float(row["accuracy"]) for row in gaps)
            if test["task"] == "mqar":
                self.assertAlmostEqual(right / answers, float(test["accuracy"]))
            else:  # judged by the last answer, whose gap is the length
                self.assertEqual(gaps[-1]["first_gap"], "32")
                self.assertEqual(gaps[-1]["accuracy"], test["accuracy"])
            for row in gaps:
                self.assertEqual(int(row["last_gap"]), 2 * int(row["first_gap"]) - 1)

    def test_batch_is_the_tasks_own_for_each_variant(self):
        options = ("recall", "--task", "mqar", "--model", "elman", "--variant", "default,conv3",
                   "--distance", "32", "--seeds", "1", "--steps", "1", "--width", "4")
        for batch, expected in ((), {"default": "512", "default+conv3": "64"}), (
                ("--batch", "8"), {"default": "8", "default+conv3": "8"}):
            out = self.folder / f"run{len(batch)}"
            process = run(*options, *batch, "--out", out)
            self.assertEqual(process.returncode, 0, process.stderr)
            rows = read_csv(out / "recall.csv")
            self.assertEqual({row["variant"]: row["batch"] for row in rows}, expected)

    def test_results_do_not_depend_on_threads(self):
        tables = []
        for threads in (1, 2):
            out = self.folder / f"run{threads}"
            run(*TINY, "--seeds", "1", "--threads", threads, "--out", out)
            tables.append({(row["model"], row["variant"]): (row["accuracy"], row["loss"])
                           for row in read_csv(out / "recall.csv")})
        self.assertEqual(tables[0], tables[1])
        self.assertEqual(len(tables[0]), 8)

    def test_resume_trains_only_what_is_missing(self):
        out = self.folder / "run"
        run(*TINY, "--model", "gru", "--seeds", "1", "--out", out)
        first = read_csv(out / "recall.csv")
        process = run(*TINY, "--model", "gru,elman", "--seeds", "2", "--out", out, "--resume")
        self.assertEqual(process.returncode, 0, process.stderr)
        rows = read_csv(out / "recall.csv")
        self.assertEqual(rows[:2], first)
        self.assertEqual(len(rows), 6)
        process = run(*TINY, "--model", "gru", "--seeds", "1", "--learning-rate", "0.5",
                      "--out", out, "--resume")
        self.assert_refused(process, 2, "--resume", "learning_rate")
        self.assertEqual(read_csv(out / "recall.csv"), rows)

    def test_a_signal_keeps_the_finished_trainings(self):
        for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
            with self.subTest(signal=number.name):
                self.interrupt(number, code, self.folder / number.name)

    def interrupt(self, number, code, out):
        process = subprocess.Popen(
            [PROGRAM, "recall", "--distance", "4", "--steps", "60", "--model", "elman",
             "--seeds", "2000", "--threads", "1", "--out", out],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        table = out / "recall.csv"
        deadline = time.time() + 60
        while not (table.exists() and len(table.read_bytes().splitlines()) > 2):
            self.assertLess(time.time(), deadline, "no training finished in time")
            time.sleep(0.02)
        finished = read_csv_so_far(table)
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)
        self.assertEqual(process.returncode, code, errors)
        rows = read_csv(table)
        self.assertLess(len(rows), 2000)
        self.assertGreaterEqual(len(finished), 1)
        self.assertEqual(rows[:len(finished)], finished)
        self.assertEqual({row["status"] for row in rows}, {"ok"})

    def test_a_resumed_run_tells_of_what_failed_before(self):
        out = self.folder / "run"
        options = ["--model", "attention", "--seeds", "1", "--out", out, "--resume"]
        self.assertEqual(run(*TINY, "--learning-rate", "1000", *options).returncode, 1)
        self.assertEqual(run(*TINY, "--learning-rate", "1000", *options).returncode, 1)
        self.assertEqual(len(read_csv(out / "recall.csv")), 1)
        self.assertEqual(run(*TINY, *options).returncode, 0)
        self.assertEqual(len(read_csv(out / "recall.csv")), 1)

    def test_a_file_of_other_columns_is_refused(self):
        out = self.folder / "run"
        out.mkdir()
        (out / "learning.csv").write_text("run_id,colour\r\n")
        self.assert_refused(run(*TINY, "--out", out, "--resume"), 1, "learning.csv", "columns")
        self.assertFalse((out / "machine.json").exists())

    def test_nothing_may_follow_two_dashes(self):
        self.assert_refused(run(*TINY, "--", "--benchmark_repetitions=2"), 2, "--", "recall")

    def test_pairs_belong_to_tasks_that_have_them(self):
        self.assert_refused(run(*TINY, "--pairs", "4"), 2, "--pairs", "first_token")


if __name__ == "__main__":
    unittest.main()
