"""Bad input: exit code, one clear line, nothing written over."""

import os
import unittest

from program import ProgramTest, run

WRONG_INTEGERS = ["0", "-1", "1e9", "18446744073709551616", "7x", "", "nan", "99999999999"]
INTEGER_OPTIONS = {
    "throughput": ["batch", "length", "width", "heads", "threads", "repetitions", "max-tokens"],
    "scaling": ["batch", "length", "width", "heads", "threads", "repetitions"],
    "recall": ["distance", "pairs", "seeds", "steps", "batch", "width", "layers", "threads"],
    "list": ["batch", "length"],
    "machine": ["threads"],
}


class BadOptions(ProgramTest):
    def test_wrong_integers(self):
        for command, options in INTEGER_OPTIONS.items():
            for option in options:
                for value in WRONG_INTEGERS:
                    with self.subTest(command=command, option=option, value=value):
                        process = run(command, f"--{option}={value}", cwd=self.folder)
                        self.assert_refused(process, 2, option)
                        self.assertEqual(os.listdir(self.folder), [])

    def test_wrong_integers_as_separate_words(self):
        self.assert_refused(run("throughput", "--batch", "-1"), 2, "--batch", "'-1'")
        self.assert_refused(run("throughput", "--batch", ""), 2, "batch")

    def test_wrong_numbers_and_names(self):
        for command, option, value in [
            ("throughput", "min-time", "nan"),
            ("throughput", "min-time", "0"),
            ("throughput", "min-time", "-1"),
            ("throughput", "memory-limit", "lots"),
            ("throughput", "precision", "2"),
            ("throughput", "precision", "0%"),
            ("throughput", "precision-time", "0"),
            ("throughput", "seed", "-1"),
            ("throughput", "model", "mamba"),
            ("throughput", "model", "lstm,"),
            ("throughput", "kernel", "quick"),
            ("throughput", "pass", "backward"),
            ("recall", "task", "chess"),
            ("recall", "model", "mamba"),
            ("recall", "variant", "huge"),
            ("recall", "learning-rate", "nan"),
            ("recall", "learning-rate", "-0.1"),
            ("recall", "distance", "1"),
        ]:
            with self.subTest(command=command, option=option, value=value):
                process = run(command, f"--{option}", value, cwd=self.folder)
                self.assert_refused(process, 2, f"--{option}", value.strip(","))
                self.assertEqual(os.listdir(self.folder), [])

    def test_what_a_recall_task_has_no_room_for(self):
        for options, parts in [
            (["--task", "first_token", "--distance", "1"], ["--distance", "'1'", "at least 2"]),
            (["--task", "adding", "--distance", "1"], ["--distance", "'1'", "adding"]),
            (["--task", "parity", "--distance", "64,1"], ["--distance", "'1'", "parity"]),
            (["--task", "copy", "--distance", "0"], ["--distance", "'0'"]),
            (["--task", "mqar", "--distance", "31"], ["--distance", "'31'", "at least 32", "mqar"]),
            (["--task", "mqar", "--pairs", "8", "--distance", "23"],
             ["--distance", "'23'", "at least 24", "8 pairs"]),
            (["--task", "mqar", "--pairs", "128"], ["--pairs", "'128'", "127"]),
            (["--task", "copy", "--pairs", "4"], ["--pairs", "'4'", "copy"]),
            (["--task", "copy,chess"], ["--task", "'chess'", "mqar"]),
            (["--variant", "conv3+conv3"], ["--variant", "'conv3+conv3'", "learned+conv3"]),
            (["--model", "elman", "--variant", "chrono+conv3"],
             ["--variant", "'chrono+conv3'", "orthogonal"]),
        ]:
            with self.subTest(options=options):
                process = run("recall", *options, cwd=self.folder)
                self.assert_refused(process, 2, *parts)
                self.assertEqual(os.listdir(self.folder), [])

    def test_heads_that_do_not_divide_the_width(self):
        process = run("throughput", "--width", "256", "--heads", "3")
        self.assert_refused(process, 2, "--heads", "'3'", "256")
        process = run("scaling", "--model", "lstm", "--width", "256", "--heads", "3")
        self.assert_refused(process, 2, "--heads", "'3'", "256")

    def test_unknown_command_and_option(self):
        self.assert_refused(run("fly"), 2, "fly", "throughput")
        self.assert_refused(run("throughput", "--lenght", "3"), 2, "lenght")
        self.assertEqual(run().returncode, 2)
        self.assert_refused(run("throughput", "--", "--benchmark_nonsense"), 2, "benchmark_nonsense")

    def test_config_files(self):
        config = self.folder / "sweep.cfg"
        config.write_text("lenght=64\n")
        process = run("throughput", "--config", config)
        self.assert_refused(process, 2, str(config), "lenght")
        config.write_text("length=7x\n")
        self.assert_refused(run("throughput", "--config", config), 2, "length", "7x")
        self.assert_refused(run("throughput", "--config", "/nonexistent.cfg"), 2, "/nonexistent.cfg")


class BadDirectories(ProgramTest):
    CASE = ["--model", "elman", "--length", "4", "--width", "4", "--heads", "2", "--threads", "1"]

    def test_a_used_directory_is_left_alone(self):
        used = self.folder / "used"
        used.mkdir()
        (used / "throughput.csv").write_text("precious\n")
        process = run("throughput", *self.CASE, "--out", used)
        self.assert_refused(process, 2, "--out", str(used), "throughput.csv")
        self.assertEqual((used / "throughput.csv").read_text(), "precious\n")
        self.assertEqual(os.listdir(used), ["throughput.csv"])

    def test_a_directory_that_cannot_be_made(self):
        blocker = self.folder / "file"
        blocker.write_text("in the way")
        process = run("throughput", *self.CASE, "--out", blocker / "run")
        self.assert_refused(process, 1, "--out", str(blocker))
        self.assertEqual(blocker.read_text(), "in the way")

    def test_a_file_system_that_cannot_be_written(self):
        process = run("throughput", *self.CASE, "--out", "/proc/seqbench-run")
        self.assert_refused(process, 1, "--out", "/proc/seqbench-run")

    def test_resuming_a_file_of_other_columns(self):
        used = self.folder / "used"
        used.mkdir()
        (used / "throughput.csv").write_text("case_id\r\n")
        process = run("throughput", *self.CASE, "--out", used, "--resume")
        self.assertEqual(process.returncode, 1, process.stderr)
        self.assertIn("columns", process.stderr)
        self.assertEqual((used / "throughput.csv").read_bytes(), b"case_id\r\n")


if __name__ == "__main__":
    unittest.main()
