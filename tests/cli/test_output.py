"""What is printed arrives, or the program says that it did not."""

import os
import subprocess
import unittest

from program import PROGRAM, TINY_SWEEP, ProgramTest, read_csv, run

TINY = ["throughput", "--length", "4", *TINY_SWEEP]


def run_into_full(*arguments, **options):
    """The finished process of a command whose standard output is a full disk."""
    with open("/dev/full", "w") as full:
        return subprocess.run([PROGRAM, *map(str, arguments)], stdout=full, text=True,
                              stderr=subprocess.PIPE, timeout=300, **options)


def run_without(stream, *arguments):
    """The same of a command that is started with a stream closed, as by the shell's ">&-"."""
    return subprocess.run(["sh", "-c", f'exec "$@" {stream}', "sh", PROGRAM,
                           *map(str, arguments)], stdout=subprocess.PIPE, text=True,
                          stderr=subprocess.PIPE, timeout=300)


class FullOutput(ProgramTest):
    def assert_told(self, process):
        self.assert_refused(process, 1, "standard output", "No space left on device")

    def test_every_command_says_that_its_output_was_lost(self):
        golden = os.path.join(os.path.dirname(__file__), "../golden/gru_B1_T1_D1.safetensors")
        for arguments in [["--version"], ["--help"], ["list", "--length", "4"], ["list", "--help"],
                          ["machine", "--threads", "1"], ["machine", "--json", "--threads", "1"],
                          ["conform", golden, "--out", self.folder / "result.safetensors"]]:
            with self.subTest(arguments=arguments):
                self.assert_told(run_into_full(*arguments))

    def test_the_files_of_a_run_are_whole(self):
        out = self.folder / "run"
        self.assert_told(run_into_full(*TINY, "--out", out))
        [row] = read_csv(out / "throughput.csv")
        self.assertIn(row["status"], ["ok", "noisy"])
        self.assertEqual(len(read_csv(out / "samples.csv")), 3)
        self.assertEqual(run(*TINY, "--out", out, "--resume").returncode, 0)

    def test_compare_and_its_table(self):
        for name in "ab":
            self.assertEqual(run(*TINY, "--out", self.folder / name).returncode, 0)
        table = self.folder / "table.csv"
        self.assert_told(run_into_full("compare", self.folder / "a", self.folder / "b",
                                       "--csv", table))
        self.assertEqual(len(read_csv(table)), 1)

    def test_an_error_of_its_own_is_told_alone(self):
        self.assert_refused(run_into_full("fly"), 2, "fly")


class ClosedStreams(ProgramTest):
    def test_without_standard_output_nothing_is_printed_into_files(self):
        out = self.folder / "run"
        process = run_without(">&-", *TINY, "--out", out)
        self.assert_refused(process, 1, "standard output", "Bad file descriptor")
        [row] = read_csv(out / "throughput.csv")
        self.assertIn(row["status"], ["ok", "noisy"])
        for path in out.iterdir():
            self.assertNotIn("tokens/s", path.read_text())
        self.assertEqual(run(*TINY, "--out", out, "--resume").returncode, 0)

    def test_without_standard_error_errors_are_printed_into_no_file(self):
        out = self.folder / "run"
        process = run_without("2>&-", *TINY, "--out", out)
        self.assertEqual(process.returncode, 0)
        before = {path.name: path.read_bytes() for path in out.iterdir()}
        self.assertEqual(run_without("2>&-", *TINY, "--out", out).returncode, 2)
        self.assertEqual(before, {path.name: path.read_bytes() for path in out.iterdir()})

    def test_without_standard_input_a_server_says_so(self):
        process = run_without("<&-", "repeat", "--length", "4")
        self.assert_refused(process, 1, "standard input", "Bad file descriptor")
        self.assertEqual(process.stdout, "")


if __name__ == "__main__":
    unittest.main()
