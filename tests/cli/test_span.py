"""seqbench span as a user runs it."""

import json
import math
import os
import unittest

from program import ProgramTest, read_csv, run

TINY = ["--width", "16", "--heads", "2", "--repetitions", "2", "--min-time",
        "0.0005", "--length", "6", "--no-progress"]
SPAN_COLUMNS = ("run_id,model,kernel,pass,batch,seq_len,width,heads,work_seconds,span_seconds,"
                "parallelism,tasks,barriers,steps").split(",")
PROJECTION_COLUMNS = ("run_id,model,kernel,pass,batch,seq_len,width,heads,processors,seconds_low,"
                      "seconds_high,assumption").split(",")


class Span(ProgramTest):
    def span(self, *options, threads="1"):
        """The folder, and what was printed."""
        out = self.folder / "run"
        process = run("span", *TINY, *options, "--threads", threads, "--out", out)
        self.assertEqual((process.returncode, process.stderr), (0, ""))
        return out, process.stdout

    def test_every_model_has_its_counts_and_bounds(self):
        out, printed = self.span("--processors", "1,2,8")
        self.assertEqual(sorted(os.listdir(out)), ["machine.json", "projection.csv", "span.csv"])
        rows = read_csv(out / "span.csv")
        models = ["attention", "elman", "gru", "lstm", "mingru"]
        self.assertEqual(sorted((row["model"], row["pass"]) for row in rows),
                         sorted((model, name) for model in models for name in ("forward", "train")))
        self.assertEqual(list(rows[0])[:len(SPAN_COLUMNS)], SPAN_COLUMNS)
        for row in rows:
            self.assertEqual((row["status"], row["processors"]), ("ok", "8"))
            work, span, parallelism = (float(row[name]) for name in
                                       ("work_seconds", "span_seconds", "parallelism"))
            self.assertAlmostEqual(parallelism, work / span)
            self.assertLessEqual(float(row["burdened_parallelism"]), parallelism)
            steps = 0 if row["model"] == "attention" else 6 if row["pass"] == "forward" else 12
            self.assertEqual(row["steps"], str(steps), row)
            # A vector has 4 to 16 units: width 16 may be one share, where nobody meets.
            if row["kernel"] == "persistent":
                self.assertIn(row["barriers"], {"0", str(steps)}, row)
            else:
                self.assertEqual(row["barriers"], "0", row)
            self.assertIn(f"{row['model']}:{row['kernel']}:{row['pass']}", printed)
        projected = read_csv(out / "projection.csv")
        self.assertEqual(list(projected[0])[:len(PROJECTION_COLUMNS)], PROJECTION_COLUMNS)
        self.assertEqual(len(projected), 3 * len(rows))
        for row in projected:
            low, time, high = (float(row[name]) for name in
                               ("seconds_low", "predicted_seconds", "seconds_high"))
            self.assertTrue(0 < low <= time <= high * (1 + 1e-12), row)
            # Measured on the one thread that was asked for.
            self.assertEqual(row["measured_seconds"] != "", row["processors"] == "1", row)
            self.assertEqual(row["assumption"] == "",
                             int(row["processors"]) <= len(os.sched_getaffinity(0)), row)
        self.assertIn("processors", printed)  # what meetings cost
        (record,) = json.loads((out / "machine.json").read_text())["commands"]
        self.assertEqual((record["command"], record["exit_code"]), ("span", 0))

    @unittest.skipIf(len(os.sched_getaffinity(0)) < 2, "needs two CPUs")
    def test_two_threads_are_predicted_and_measured(self):
        out, printed = self.span("--model", "lstm,attention", "--pass", "forward", "--processors",
                                 "4", threads="1,2")
        rows = read_csv(out / "projection.csv")
        # One processor and the threads are there without being asked for.
        self.assertEqual([row["processors"] for row in rows], ["1", "2", "4"] * 2)
        for row in rows:
            self.assertEqual(row["measured_seconds"] == "", row["processors"] == "4")
            if row["measured_seconds"]:
                low, middle, high = (float(row[f"measured_{name}"]) for name in
                                     ("low", "seconds", "high"))
                self.assertTrue(0 < low <= middle <= high, row)
            self.assertEqual(row["assumption"] != "", row["processors"] == "4", row)
        self.assertRegex(printed, r"within 10 % of the time measured on several: \d of 2 cases \(\d+ %; \d are noisy\)")

    def test_bounds_follow_from_counts_and_costs(self):
        """On one processor nothing is projected but the work; on many, high is beyond it by the
        burden at least."""
        out, _ = self.span("--model", "elman", "--pass", "forward", "--kernel", "stepwise",
                           "--processors", "1,64")
        (span,) = read_csv(out / "span.csv")
        one, many = read_csv(out / "projection.csv")
        self.assertEqual(one["predicted_seconds"], span["work_seconds"])
        burden = (int(span["barriers"]) * float(many["barrier_seconds"]) +
                  int(span["regions"]) * float(many["region_seconds"]))
        self.assertTrue(math.isclose(float(span["burdened_span_seconds"]),
                                     float(span["span_seconds"]) + burden))

    def test_goes_on_with_the_cases_that_are_not_there(self):
        command = ["--model", "elman,gru", "--pass", "forward", "--processors", "1,2"]
        out, _ = self.span(*command)
        before = read_csv(out / "span.csv")
        # As if it had been killed between the second case's projections and its row.
        lines = (out / "span.csv").read_bytes().splitlines(keepends=True)
        (out / "span.csv").write_bytes(b"".join(lines[:-1]))
        again = ["span", *TINY, *command, "--threads", "1", "--out", out]
        self.assert_refused(run(*again), 2, "--out", "span.csv")
        process = run(*again, "--resume")
        self.assertEqual(process.returncode, 0, process.stderr)
        after = read_csv(out / "span.csv")
        self.assertEqual(after[0], before[0])
        self.assertEqual([row["model"] for row in after], [row["model"] for row in before])
        keys = [(row["model"], row["processors"]) for row in read_csv(out / "projection.csv")]
        self.assertEqual(len(keys), 4)
        self.assertEqual(len(set(keys)), 4)
        self.assert_refused(run(*again, "--resume", "--processors", "1,4"), 2, "--processors")

    def test_a_case_that_does_not_fit_says_so(self):
        out, printed = self.span("--model", "gru", "--pass", "train", "--memory-limit", "1K")
        (row,) = read_csv(out / "span.csv")
        self.assertEqual((row["status"], row["work_seconds"]), ("skipped", ""))
        self.assertIn("limit", row["reason"])
        self.assertIn("skipped", printed)
        self.assertEqual(read_csv(out / "projection.csv"), [])

    def test_more_threads_than_cpus_would_wait_for_one_another(self):
        process = run("span", "--threads", "1,4096", cwd=self.folder)
        self.assert_refused(process, 2, "--threads", "'1,4096'", "CPUs")
        self.assertEqual(os.listdir(self.folder), [])

    def test_takes_nothing_for_google_benchmark(self):
        self.assert_refused(run("span", "--", "--benchmark_filter=x"), 2, "benchmark_filter")


if __name__ == "__main__":
    unittest.main()
