"""seqbench throughput over ranks, as a user starts it by mpirun. Refusals alone where the build has
no MPI."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import time
import unittest

from program import PROGRAM, ProgramTest, read_csv, run

HAS_MPI = "no MPI" not in run("throughput", "--strategy", "data").stderr
MPIRUN = shutil.which("mpirun")
# Tests run as whoever, on as few CPUs as there are.
LAUNCH = [MPIRUN, "--allow-run-as-root", "--oversubscribe"]

# Of five ranks some have one step and others two.
TINY = {"--width": "8", "--heads": "2", "--length": "7", "--batch": "5", "--repetitions": "3",
        "--min-time": "0.0005"}
MODELS = ["attention", "elman", "gru", "lstm", "mingru"]


def tiny(*options):
    """The options, with those of TINY that are not among them."""
    return [*(word for name, value in TINY.items() if name not in options for word in (name, value)),
            "--no-progress", *map(str, options)]


def ranks(count, *options):
    """The command line of a tiny sweep over so many ranks."""
    return [*LAUNCH, "-n", str(count), PROGRAM, "throughput", *tiny(*options)]


def launched(command, **options):
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, **options)


def own_lines(process):
    """What seqbench said on standard error; mpirun has notices of its own."""
    return [line for line in process.stderr.splitlines() if line.startswith("seqbench:")]


class WithoutALauncher(ProgramTest):
    def test_a_strategy_needs_mpirun_and_a_build_with_mpi(self):
        for strategy in ("data", "sequence"):
            process = run("throughput", "--strategy", strategy, cwd=self.folder)
            self.assert_refused(process, 2, "--strategy", strategy,
                                "mpirun" if HAS_MPI else "SEQBENCH_MPI=ON")
            self.assertEqual(os.listdir(self.folder), [])

    @unittest.skipIf(HAS_MPI or MPIRUN is None, "needs mpirun and a build without MPI")
    def test_one_of_several_processes_says_that_the_build_has_no_mpi(self):
        process = launched(ranks(3, "--strategy", "data"), cwd=self.folder)
        self.assertEqual(process.returncode, 2, process.stderr)
        (line,) = own_lines(process)
        self.assertIn("SEQBENCH_MPI=ON", line)


@unittest.skipUnless(HAS_MPI and MPIRUN, "needs a build with MPI (scripts/bootstrap --mpi)")
class Ranks(ProgramTest):
    def measured(self, count, *options):
        out = self.folder / "-".join(["run", str(count), *options]).replace("--", "")
        process = launched(ranks(count, *options, "--out", out))
        self.assertEqual((process.returncode, own_lines(process)), (0, []), process.stderr)
        return out, process

    def assert_one_line(self, process, code, *parts):
        self.assertEqual(process.returncode, code, process.stderr)
        lines = own_lines(process)
        self.assertEqual(len(lines), 1, process.stderr)
        for part in parts:
            self.assertIn(part, lines[0])

    def test_every_model_over_several_ranks(self):
        for count, strategy, *more in [(count, strategy) for count in (1, 2, 3, 5)
                                       for strategy in ("data", "sequence")] + [(3, "sequence", "--causal")]:
            with self.subTest(ranks=count, strategy=strategy, more=more):
                out, process = self.measured(count, "--strategy", strategy, *more)
                rows = read_csv(out / "throughput.csv")
                self.assertEqual(sorted((row["model"], row["pass"]) for row in rows),
                                 sorted((model, name) for model in MODELS
                                        for name in ("forward", "train")))
                for row in rows:
                    self.assertIn(row["status"], {"ok", "noisy"}, row["reason"])
                    self.assertEqual((row["ranks"], row["strategy"]), (str(count), strategy))
                    self.assertTrue(row["case_id"].endswith(f":ranks{count}:{strategy}"))
                    self.assertIn(row["case_id"], process.stdout)
                    self.assertEqual((row["limit_seconds"], row["processes"], row["repetitions"]),
                                     ("", "1", "3"))
                    self.assertLessEqual(float(row["comm_seconds"]), 1.1 * float(row["seconds_high"]))
                    sent = 0.0
                    if row["pass"] == "train":
                        # Each rank hands on its part of the gradients twice.
                        sent = 2 * (count - 1) * 4 * float(row["parameters"])
                    if strategy == "data":
                        self.assertEqual(float(row["bytes_sent"]), sent)
                    else:
                        self.assertEqual(float(row["bytes_sent"]) > sent, count > 1)
                    self.assertGreater(float(row["predicted_bytes"]), 0)
                    crowded = count > len(os.sched_getaffinity(0))
                    self.assertEqual("ranks share" in row["reason"], crowded, row["reason"])
                self.check_predictions(out, rows, count)
                self.check_machine(out, count)
                self.assertEqual(len(read_csv(out / "samples.csv")), 3 * len(rows))

    def check_predictions(self, out, rows, count):
        predicted = read_csv(out / "ranks.csv")
        self.assertEqual([row["case_id"] for row in predicted], [row["case_id"] for row in rows])
        for row, of_case in zip(predicted, rows):
            self.assertEqual(row["seconds"], of_case["seconds"])
            self.assertEqual(row["bytes_sent"], of_case["bytes_sent"])
            self.assertGreater(float(row["compute_seconds"]), 0)
            self.assertGreaterEqual(float(row["predicted_seconds"]), float(row["compute_seconds"]))
            self.assertEqual(row["latency_seconds"] == "", count == 1)

    def check_machine(self, out, count):
        told = json.loads((out / "machine.json").read_text())["measured"]["ranks"]
        self.assertEqual((told["count"], len(told["places"])), (count, count))
        self.assertIn("MPI", told["library"])
        cpus = [cpu for place in told["places"] for cpu in place["cpus"]]
        if count <= len(os.sched_getaffinity(0)):
            self.assertEqual(len(cpus), len(set(cpus)), "two ranks on one CPU")
        if count > 1:
            self.assertGreater(told["messages"]["latency_seconds"], 0)
            self.assertGreater(told["messages"]["bytes_per_second"], 0)

    def test_one_process_of_a_launcher_measures_as_always(self):
        out, _ = self.measured(1, "--model", "gru", "--pass", "forward", "--threads", "1")
        (row,) = read_csv(out / "throughput.csv")
        self.assertEqual((row["ranks"], row["strategy"], row["comm_seconds"]), ("", "", ""))

    def test_wrong_use_is_told_in_one_line(self):
        for count, options, parts in [
            (2, [], ["--strategy", "data or sequence"]),
            (2, ["--strategy", "tensor"], ["--strategy", "'tensor'", "sequence"]),
            (3, ["--strategy", "data", "--batch", "2"], ["--strategy", "2 sequences for 3 ranks"]),
            (3, ["--strategy", "sequence", "--length", "2"], ["--strategy", "2 steps for 3 ranks"]),
            (2, ["--strategy", "sequence", "--kernel", "naive"], ["--strategy", "fused alone, not naive"]),
            (2, ["--strategy", "data", "--pass", "decode"], ["--pass", "'decode'"]),
            (2, ["--strategy", "data", "--block", "block"], ["--block", "'block'"]),
            (2, ["--strategy", "data", "--processes", "2"], ["--processes", "'2'"]),
            (2, ["--strategy", "data", "--length", "0"], ["--length", "'0'"]),
        ]:
            with self.subTest(options=options):
                command = ranks(count, *options)
                process = launched(command, cwd=self.folder)
                self.assert_one_line(process, 2, *parts)
                self.assertEqual(os.listdir(self.folder), [])

    def test_ranks_with_other_options_are_refused(self):
        one = [PROGRAM, "throughput", *tiny("--strategy", "data")]
        for other, parts in [([*one, "--seed", "2"], ["rank 1", "--seed: '2' there, '1' on rank 0"]),
                             ([*one, "--seed", "x"], ["rank 1", "--seed", "'x'"]),
                             (one[:-2], ["rank 1", "--strategy"])]:
            with self.subTest(other=other):
                process = launched([*LAUNCH, "-n", "1", *one, ":", "-n", "1", *other],
                                   cwd=self.folder)
                self.assert_one_line(process, 2, *parts)
                self.assertEqual(os.listdir(self.folder), [])

    def test_help_is_printed_once(self):
        process = launched(ranks(3, "--help"))
        self.assertEqual(process.returncode, 0, process.stderr)
        self.assertEqual(process.stdout.count("Usage:"), 1)

    def test_a_folder_that_is_taken_is_refused_and_resumed(self):
        options = ["--strategy", "data", "--model", "gru"]
        out, _ = self.measured(2, *options)
        before = read_csv(out / "throughput.csv")
        again = ranks(2, *options, "--out", out)
        self.assert_one_line(launched(again), 2, "--out", "throughput.csv")
        process = launched([*again, "--resume"])
        self.assertEqual((process.returncode, own_lines(process)), (0, []))
        self.assertEqual(read_csv(out / "throughput.csv"), before)
        self.assertEqual(len(read_csv(out / "ranks.csv")), len(before))

    def test_a_file_that_cannot_be_written_ends_all_ranks(self):
        (self.folder / "file").write_text("")
        process = launched(ranks(2, "--strategy", "data", "--out", self.folder / "file/run"))
        self.assert_one_line(process, 1, "--out")

    def kill(self, launcher, rank, how):
        """Sends the signal to that rank of a launcher, which must be its child."""
        for status in pathlib.Path("/proc").glob("[0-9]*/environ"):
            try:
                environment = status.read_bytes().split(b"\0")
                parent = (status.parent / "stat").read_text().rsplit(")", 1)[1].split()[1]
            except OSError:
                continue
            if parent == str(launcher.pid) and f"OMPI_COMM_WORLD_RANK={rank}".encode() in environment:
                os.kill(int(status.parent.name), how)
                return
        self.fail(f"rank {rank} was not found")

    def ended(self, rank, how):
        """A sweep of many groups, one rank of which gets the signal when a group is finished; its
        folder, process and standard error."""
        out = self.folder / f"killed{rank}"
        command = ranks(3, "--strategy", "data", "--model", "gru", "--pass", "train",
                        "--length", "6,7,8,9,10,11,12,13,14,15,16", "--min-time", "0.05", "--out", out)
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                              text=True) as process:
            deadline = time.monotonic() + 60
            rows = out / "throughput.csv"
            while not (rows.exists() and rows.read_bytes().count(b"\n") > 2):
                self.assertIsNone(process.poll(), "it ended before it was killed")
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.02)
            self.kill(process, rank, how)
            process.stderr_text = process.communicate(timeout=60)[1]
        return out, command, process

    def test_a_rank_that_dies_ends_the_run_and_finished_rows_stay(self):
        for rank in (0, 2):
            with self.subTest(rank=rank):
                out, command, process = self.ended(rank, signal.SIGKILL)
                self.assertNotEqual(process.returncode, 0)
                said = [line for line in process.stderr_text.splitlines()
                        if line.startswith("seqbench:")]
                self.assertEqual(len(said), 0 if rank == 0 else 1, process.stderr_text)
                for line in said:
                    self.assertIn("what is finished is kept", line)
                before = read_csv(out / "throughput.csv")
                self.assertGreaterEqual(len(before), 2)
                again = launched([*command, "--resume"])
                self.assertEqual(again.returncode, 0, again.stderr)
                after = read_csv(out / "throughput.csv")
                self.assertEqual(after[:len(before)], before)
                self.assertEqual(len(after), 11)
                self.assertEqual(len(read_csv(out / "ranks.csv")), 11)

    def test_rank_0_stops_at_a_signal_of_its_own(self):
        out, _, process = self.ended(0, signal.SIGTERM)
        self.assertEqual(process.returncode, 143, process.stderr_text)
        self.assertEqual(process.stderr_text.count("seqbench: terminated; what is finished is kept"), 1)
        self.assertGreaterEqual(len(read_csv(out / "throughput.csv")), 2)


if __name__ == "__main__":
    unittest.main()
