"""Memory: what is predicted against what is taken, and what happens when there is too little."""

import os
import resource
import unittest

from program import ProgramTest, can_mount, read_csv, run, run_where

MIB = 2**20
KERNELS = ["--kernel", "stepwise,hoisted,persistent,naive,fused"]
ONCE = ["--repetitions", "1", "--min-time", "0.000001", "--no-progress"]
# A sanitizer's shadow counts as the program's memory; tests/CMakeLists.txt leaves this out there.
SANITIZED = "SEQBENCH_FAULTS" not in os.environ


def limit_address_space():
    resource.setrlimit(resource.RLIMIT_AS, (2048 * MIB, 2048 * MIB))  # ulimit -v 2097152


@unittest.skipIf(SANITIZED, "a sanitizer takes memory of its own")
class Memory(ProgramTest):
    def test_prediction_is_within_a_tenth_of_the_growth_for_every_model_kernel_and_pass(self):
        # The shortest passes that take more than 64 MiB: in sequences, scores, or parameters.
        for name, shape in [
            ("sequences", [*KERNELS, "--pass", "forward,train,decode", "--batch", "1024",
                           "--length", "256", "--width", "32", "--heads", "1"]),
            ("scores", ["--model", "attention", "--kernel", "naive", "--length", "4096",
                        "--width", "16", "--heads", "2"]),
            ("parameters", [*KERNELS, "--pass", "train", "--length", "4", "--width", "1536",
                            "--threads", "1"]),
        ]:
            out = self.folder / name
            process = run("throughput", *ONCE, *shape, "--out", out, timeout=1200)  # a busy machine
            self.assertEqual(process.returncode, 0, process.stderr)
            rows = [row for row in read_csv(out / "throughput.csv")
                    if float(row["predicted_bytes"]) > 64 * MIB]
            self.assertGreater(len(rows), 1)
            for row in rows:
                with self.subTest(case=row["case_id"]):
                    predicted, taken = float(row["predicted_bytes"]), float(row["peak_bytes"])
                    self.assertLess(abs(predicted / taken - 1), 0.1, (predicted, taken))

    def test_a_sweep_under_a_limit_of_the_address_space_skips_what_does_not_fit(self):
        out = self.folder / "run"
        process = run("throughput", *ONCE, "--model", "lstm,attention", "--kernel", "naive,fused",
                      "--pass", "train", "--batch", "16", "--length", "512..4096", "--width", "32",
                      "--heads", "4", "--threads", "1", "--out", out,
                      preexec_fn=limit_address_space)
        self.assertEqual(process.returncode, 0, process.stderr)
        self.assertEqual(process.stderr, "")
        rows = read_csv(out / "throughput.csv")
        skipped = [row for row in rows if row["status"] == "skipped"]
        self.assertGreater(len(skipped), 0)
        self.assertGreater(len(rows), len(skipped))
        for row in skipped:
            self.assertRegex(row["reason"], r"needs .*, limit .*; use |was refused; use ")
            self.assertEqual(row["seconds"], "")


@unittest.skipUnless(can_mount(), "needs the right to mount")
class MemoryThatIsNotTold(ProgramTest):
    CASE = ["throughput", *ONCE, "--model", "elman", "--kernel", "persistent", "--pass", "forward",
            "--width", "4", "--threads", "1"]

    def file(self, text):
        path = self.folder / "content"
        path.write_text(text, encoding="ascii")
        return path

    def row_where(self, files):
        out = self.folder / f"run{len(os.listdir(self.folder))}"
        process = run_where(files, *self.CASE, "--length", "4", "--out", out)
        self.assertEqual(process.returncode, 0, process.stderr)
        (row,) = read_csv(out / "throughput.csv")
        return row

    def test_cases_run_where_the_kernel_does_not_estimate_what_is_available(self):
        for text in ["MemTotal: 4000000 kB\nMemFree: 2000000 kB\n", "MemTotal: 4000000 kB\n", "",
                     "MemAvailable:\n"]:
            with self.subTest(meminfo=text):
                self.assertNotEqual(self.row_where({"/proc/meminfo": self.file(text)})["status"],
                                    "skipped")

    def test_the_limit_then_follows_from_what_is_told(self):
        meminfo = self.file("MemTotal: 100000 kB\nMemFree: 4 kB\nCached: 2 kB\n")
        process = run_where({"/proc/meminfo": meminfo}, *self.CASE, "--length", "8192", "--out",
                            self.folder / "run")
        (row,) = read_csv(self.folder / "run" / "throughput.csv")
        self.assertEqual((row["status"], process.returncode), ("skipped", 0))
        self.assertIn("limit 4.5 KiB", row["reason"])

    def test_a_peak_that_is_not_told_is_an_empty_cell(self):
        for text in ["Name:\tseqbench\n", "VmRSS:\t 5000 kB\n", "VmHWM:\t 5000 kB\n"]:
            with self.subTest(status=text):
                row = self.row_where({"/proc/self/status": self.file(text)})
                self.assertEqual((row["peak_bytes"], row["status"]), ("", "noisy"), row["reason"])


if __name__ == "__main__":
    unittest.main()
