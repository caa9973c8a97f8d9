"""scripts/peers without the other libraries: processes with known times stand in for them."""

import contextlib
import importlib.util
import io
import json
import math
import os
import shlex
import signal
import subprocess
import sys
import time
import unittest
import unittest.mock
from pathlib import Path

from program import PROGRAM, ProgramTest, read_csv, run

ROOT = Path(__file__).resolve().parents[2]
FAKE = Path(__file__).resolve().parent / "fake_library.py"
sys.path.insert(0, str(ROOT / "scripts"))
sys.dont_write_bytecode = True

from peer_runs import driver, environment, libraries, measuring, rows, statistics, step_rows
from peer_runs.cases import Case
from peer_runs.server_process import ServerProcess, ServerError
from peer_runs.run_directory import RunDirectory, RunDirectoryError
from peer_runs.statistics import median_interval, paired_ratio

CPUS = len(os.sched_getaffinity(0))

LSTM = "lstm:persistent:forward:B1:T512:D256:H-:t1"
LSTM_FLOPS = 4 * 4 * 512 * 256**2  # rnn/recurrent_buffers.h: 4·G·B·T·D²
CAUSAL = "attention:fused:train:B2:T64:D16:H4:causal:t2"


def fake(name, **script):
    return ServerProcess(name, [sys.executable, FAKE, json.dumps(script)])


class JudgedBySeqbench:
    """A scripted seqbench whose samples, and those of its peers, the real one judges."""

    def __init__(self, scripted):
        self.scripted = scripted
        threads = ",".join(map(str, range(1, CPUS + 2)))
        self.judge = ServerProcess("judge", [
            PROGRAM, "repeat", "--model", "lstm,attention", "--kernel", "persistent,fused",
            "--batch", "1,2", "--length", "64,512", "--width", "16,256", "--heads", "4", "--causal",
            "--dtype", "float32,bfloat16", "--threads", threads])

    def ask(self, request):
        return (self.judge if request["do"] == "judge" else self.scripted).ask(request)

    def close(self):
        self.judge.close()
        self.scripted.close()


class Statistics(unittest.TestCase):
    def test_the_interval_leaves_out_what_the_binomial_allows(self):
        # 2·P(Binomial(n, ½) ≤ cut) ≤ 5 %, as harness/base/statistics.h: below 9 values nothing is cut.
        for count, low, high in [(5, 1, 5), (6, 1, 6), (8, 1, 8), (9, 2, 8), (12, 3, 10)]:
            with self.subTest(count=count):
                interval = median_interval(range(count, 0, -1))
                self.assertEqual((interval.median, interval.low, interval.high),
                                 ((count + 1) / 2, low, high))

    def test_a_ratio_pairs_the_values_of_a_round(self):
        # A machine that slows down by 100 within the run leaves the ratio of each round alone.
        interval = paired_ratio([2, 30, 400, 5000, 60000], [1, 10, 100, 1000, 10000])
        self.assertEqual((interval.median, interval.low, interval.high), (4, 2, 6))
        with self.assertRaises(ValueError):
            paired_ratio([1, 2], [1])


    def test_losses_may_differ_as_far_as_rounding_has_driven_them(self):
        exact = [4.0, 3.0, 2.0]
        within = statistics.within_rounding
        self.assertTrue(within([4.0, 3.00009, 2.0], [4.0, 3.0, 2.0], exact, 1e-4))
        self.assertFalse(within([4.0, 3.0, 2.0003], [4.0, 3.0, 2.0], exact, 1e-4))
        self.assertTrue(within([4.0, 3.0, 2.0003], [4.0, 3.0, 2.0001], exact, 1e-4))
        # Not before they are.
        self.assertFalse(within([4.0, 3.0003, 2.0], [4.0, 3.0, 2.0001], exact, 1e-4))
        self.assertFalse(within([4.0, 3.0, math.nan], [4.0, 3.0, 2.0], exact, 1e-4))


class Waiting(unittest.TestCase):
    def test_waiting_is_counted_of_the_thread_that_waited_longest(self):
        busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
        self.addCleanup(busy.wait)
        self.addCleanup(busy.kill)
        clock = measuring.WaitClock(busy.pid)
        time.sleep(0.2)
        wait_fraction, switches = clock.since_start()
        self.assertGreaterEqual(wait_fraction, 0)
        self.assertLess(wait_fraction, 1.5)
        self.assertGreaterEqual(switches, 0)
        self.assertEqual(measuring.WaitClock(2**30).since_start(), (None, None))


class CaseIds(unittest.TestCase):
    def test_are_read_and_written(self):
        for case_id in (LSTM, CAUSAL, "gru:x:decode:B1:T1:D1:H-:t64", CAUSAL + ":bfloat16"):
            self.assertEqual(Case.parse(case_id).id, case_id)
        self.assertEqual(Case.parse(CAUSAL).by("pytorch").id,
                         "attention:pytorch:train:B2:T64:D16:H4:causal:t2")
        self.assertEqual(Case.parse(LSTM).heads, None)
        with self.assertRaisesRegex(ValueError, "lstm:x"):
            Case.parse("lstm:x")


class FakeRuns(ProgramTest):
    """The driver with scripted libraries, whose processes wait as a test says."""

    waiting = 0.0

    def setUp(self):
        super().setUp()
        test = self

        class ScriptedClock:
            def __init__(self, _pid):
                pass

            def since_start(self):
                return test.waiting, 4

        patch = unittest.mock.patch.object(measuring, "WaitClock", ScriptedClock)
        patch.start()
        self.addCleanup(patch.stop)

    def drive(self, cases, peers, seqbench=None, rounds=5, out="run"):
        """Exit code and printed lines; `peers` are {name: ServerProcess}."""
        cases = [Case.parse(case_id) for case_id in cases]
        seqbench = JudgedBySeqbench(
            seqbench or fake("seqbench", peak=2, seconds=[1, 10, 100, 1000, 10000]))
        workers = driver.Workers(list(peers), lambda name, threads: peers[name])
        directory = RunDirectory(self.folder / out, driver.case_ids(cases, peers))
        lines = []
        try:
            code = driver.run(cases, seqbench, workers, directory, facts={"libraries": {}},
                              cpus=[0, 1], rounds=rounds, seed=1, say=lines.append)
        finally:
            workers.close()
            seqbench.close()
        return code, lines

    def tables(self, out="run"):
        return [read_csv(self.folder / out / f"{name}.csv")
                for name in ("throughput", "samples", "peers")]

    def test_rows_and_ratios_follow_from_the_known_times(self):
        code, lines = self.drive([LSTM], {
            "pytorch": fake("pytorch", seconds=[2, 30, 400, 5000, 60000]),
            "onnxruntime": fake("onnxruntime", seconds=[0.5, 5, 50, 500, 5000])})
        self.assertEqual(code, 0)
        throughput, samples, peers = self.tables()
        self.assertEqual([list(table[0]) for table in (throughput, samples, peers)],
                         [rows.THROUGHPUT, rows.SAMPLES, rows.PEERS])
        self.assertEqual([row["kernel"] for row in throughput],
                         ["persistent", "pytorch", "onnxruntime"])
        pytorch = throughput[1]
        self.assertEqual(pytorch["case_id"], LSTM.replace("persistent", "pytorch"))
        for column, expected in {"seconds": 400, "seconds_low": 2, "seconds_high": 60000,
                                 "tokens_per_second": 512 / 400,
                                 "gflops": 1e-9 * LSTM_FLOPS / 400, "peak_gflops": 2,
                                 "fraction_of_peak": 1e-9 * LSTM_FLOPS / 400 / 2,
                                 "limit_seconds": 0.5, "fraction_of_limit": 0.5 / 400,
                                 "repetitions": 5, "peak_bytes": 4096}.items():
            self.assertTrue(math.isclose(float(pytorch[column]), expected), column)
        self.assertEqual((pytorch["run_id"], pytorch["heads"], pytorch["causal"]), ("run", "", ""))
        self.assertEqual(pytorch["status"], "noisy")
        self.assertIn("--rounds", pytorch["reason"])
        self.assertEqual([float(row["seconds"]) for row in samples if "pytorch" in row["case_id"]],
                         [2, 30, 400, 5000, 60000])
        self.assertEqual([row["repetition"] for row in samples], [*"01234"] * 3)
        self.assertEqual([(row["peer"], *(float(row[name]) for name in
                                          ("ratio", "ratio_low", "ratio_high", "rounds")))
                          for row in peers],
                         [("pytorch", 4, 2, 6, 5), ("onnxruntime", 0.5, 0.5, 0.5, 5)])
        self.assertEqual((peers[0]["peer_version"], peers[0]["peer_variant"]), ("9.9", "fast"))
        self.assertIn("4.00 [2.00, 6.00]", lines[2])
        chosen = json.loads((self.folder / "run/peers.json").read_text())["cases"]
        self.assertEqual(chosen[pytorch["case_id"]],
                         {"variant": "fast", "race": {"fast": 1.0}, "rejected": {}})

    def test_a_steady_case_is_ok_and_keeps_heads_and_causal(self):
        self.drive([CAUSAL], {"pytorch": fake("pytorch", seconds=[2])}, rounds=6,
                   seqbench=fake("seqbench", peak=100, seconds=[1]))
        throughput, samples, peers = self.tables()
        self.assertEqual([row["status"] for row in throughput], ["ok", "ok"])
        self.assertEqual(throughput[1]["case_id"],
                         "attention:pytorch:train:B2:T64:D16:H4:causal:t2")
        for row in (throughput[1], peers[0]):
            self.assertEqual((row["heads"], row["causal"], row["threads"]), ("4", "true", "2"))
        self.assertEqual(len(samples), 12)

    def test_a_case_in_bfloat16_is_beside_probes_of_such_factors(self):
        self.drive([LSTM + ":bfloat16"], {"pytorch": fake("pytorch", seconds=[2])}, rounds=6,
                   seqbench=fake("seqbench", peak=100, seconds=[1]))
        throughput, samples, peers = self.tables()
        self.assertEqual(throughput[1]["case_id"], LSTM.replace("persistent", "pytorch") + ":bfloat16")
        self.assertEqual({row["dtype"] for row in throughput + peers}, {"bfloat16"})
        self.assertEqual({float(row["peak_gflops"]) for row in samples if "pytorch" in row["case_id"]},
                         {200})

    def test_more_threads_than_cpus_are_marked(self):
        self.drive([LSTM.replace(":t1", f":t{CPUS + 1}")],
                   {"pytorch": fake("pytorch", seconds=[2])}, rounds=6,
                   seqbench=fake("seqbench", peak=100, seconds=[1]))
        self.assertEqual(self.tables()[0][1]["reason"], f"{CPUS + 1} threads on {CPUS} CPUs")

    def test_what_disturbed_seqbench_makes_its_row_noisy_but_not_the_peers(self):
        for out, disturbance, part in [("waited", {"wait_fraction": 0.25}, "25 % of the time"),
                                       ("throttled", {"throttled": 1}, "6 of 6 repetitions")]:
            with self.subTest(out):
                self.drive([LSTM], {"pytorch": fake("pytorch", seconds=[2])}, rounds=6, out=out,
                           seqbench=fake("seqbench", peak=100, seconds=[1], repeat=disturbance))
                own, pytorch = self.tables(out)[0]
                self.assertEqual(own["status"], "noisy")
                self.assertIn(part, own["reason"])
                self.assertEqual((pytorch["status"], pytorch["reason"]), ("ok", ""))

    def test_what_disturbed_a_peer_makes_its_row_noisy_by_the_same_rule(self):
        for out, waiting, throttled, part in [("waited", 0.25, 0, "25 % of the time"),
                                              ("throttled", 0.0, 1,
                                               "6 of 6 repetitions")]:
            with self.subTest(out):
                self.waiting = waiting
                self.drive([LSTM], {"pytorch": fake("pytorch", seconds=[2])}, rounds=6, out=out,
                           seqbench=fake("seqbench", peak=100, seconds=[1], throttled=throttled))
                own, pytorch = self.tables(out)[0]
                self.assertEqual((own["status"], pytorch["status"]), ("ok", "noisy"))
                self.assertIn(part, pytorch["reason"])
                sample = self.tables(out)[1][-1]
                self.assertEqual((float(sample["wait_fraction"]), sample["involuntary_switches"]),
                                 (waiting, "4"))

    def test_unsteady_rows_name_the_remedy_of_scripts_peers(self):
        self.drive([LSTM], {"pytorch": fake("pytorch", seconds=[2, 4])}, rounds=8,
                   seqbench=fake("seqbench", peak=100, seconds=[1]))
        own, pytorch = self.tables()[0]
        self.assertEqual((own["status"], pytorch["status"]), ("ok", "noisy"))
        self.assertEqual(pytorch["reason"], "seconds known to ±33.3 % only; quieten the machine or "
                                            "raise --rounds")
        self.drive([LSTM], {"pytorch": fake("pytorch", seconds=[2])}, rounds=5, out="few")
        self.assertEqual({row["reason"] for row in self.tables("few")[0]},
                         {"no 95 % interval from fewer than 6 repetitions, low and high are their "
                          "range; raise --rounds"})

    def test_where_seqbench_is_skipped_the_peers_have_no_limit(self):
        self.drive([LSTM], {"pytorch": fake("pytorch", seconds=[2])}, rounds=6,
                   seqbench=fake("seqbench", peak=100, seconds=[1],
                                 prepare={"status": "skipped", "reason": "memory"}))
        own, pytorch = self.tables()[0]
        self.assertEqual((own["status"], own["repetitions"], own["seconds"]), ("skipped", "0", ""))
        self.assertEqual((pytorch["status"], pytorch["seconds"]), ("ok", "2"))
        self.assertEqual((pytorch["limit_seconds"], pytorch["fraction_of_limit"]), ("", ""))

    def test_what_cannot_be_measured_says_so_and_the_rest_goes_on(self):
        broken = {"status": "failed", "reason": "y differs"}
        code, lines = self.drive([LSTM, CAUSAL], {
            "pytorch": fake("pytorch", seconds=[1], dies_at=3),
            "onnxruntime": fake("onnxruntime", seconds=[1], prepare=broken),
            "onednn": fake("onednn", seconds=[1],
                           prepare={"status": "skipped", "reason": "no training"})})
        self.assertEqual(code, 1)
        throughput, samples, peers = self.tables()
        self.assertEqual([row["status"] for row in throughput],
                         ["noisy", "failed", "failed", "skipped"] * 2)
        self.assertIn("signal 9", throughput[1]["reason"])
        self.assertEqual([row["reason"] for row in throughput[2:4]], ["y differs", "no training"])
        self.assertEqual({row["seconds"] for row in throughput[1:4]}, {""})
        self.assertEqual({row["repetitions"] for row in throughput[1:4]}, {"0"})
        self.assertEqual({row["case_id"] for row in samples}, {LSTM, CAUSAL})
        self.assertEqual(peers, [])
        self.assertIn("skipped: no training", lines[4])

    def test_a_library_that_cannot_start_is_a_failed_row(self):
        self.drive([LSTM], {"pytorch": ServerProcess("pytorch", ["/nowhere/python"])})
        self.assertIn("/nowhere/python", self.tables()[0][1]["reason"])

    def test_a_process_that_ended_before_a_request_is_told_with_its_exit_code(self):
        server = ServerProcess("false", ["/bin/false"])
        server._running().wait()
        with self.assertRaisesRegex(ServerError, "false ended with exit code 1 on list"):
            server.ask({"do": "list"})
        self.assertEqual(server.exit_code, 1)

    def test_without_seqbench_nothing_goes_on(self):
        with self.assertRaisesRegex(ServerError, "seqbench ended with signal 9"):
            self.drive([LSTM], {}, seqbench=fake("seqbench", peak=1, seconds=[1], dies_at=2))

    def test_a_directory_takes_further_cases_but_none_twice(self):
        peers = {"pytorch": fake("pytorch", seconds=[1])}
        self.drive([LSTM], peers)
        first = (self.folder / "run/throughput.csv").read_bytes()
        with self.assertRaisesRegex(RunDirectoryError, f"already holds the case {LSTM}"):
            self.drive([CAUSAL, LSTM], peers)
        self.assertEqual((self.folder / "run/throughput.csv").read_bytes(), first)
        self.drive([CAUSAL], peers)
        self.assertTrue((self.folder / "run/throughput.csv").read_bytes().startswith(first))
        self.assertEqual([len(table) for table in self.tables()], [4, 20, 2])

    def test_a_directory_has_one_writer(self):
        first = RunDirectory(self.folder, [])
        with self.assertRaisesRegex(RunDirectoryError, "another process"):
            RunDirectory(self.folder, [])
        del first
        RunDirectory(self.folder, [])

    def test_files_that_are_no_such_tables_are_refused(self):
        for content, message in [("a,b\r\n1,2\r\n", "other columns"),
                                 (",".join(rows.SAMPLES) + "\r\nrun,x", "ends within a row")]:
            (self.folder / "samples.csv").write_text(content)
            with self.assertRaisesRegex(RunDirectoryError, message):
                RunDirectory(self.folder, [])


class WithSeqbench(ProgramTest):
    """scripts/peers itself; a Python that pretends to hold the libraries stands in for theirs."""

    GRID = ["--model", "lstm,attention", "--width", "16", "--heads", "2", "--length", "8"]

    def setUp(self):
        super().setUp()
        self.python = self.folder / "python"
        self.python.write_text(
            f"#!/bin/sh\nexec {shlex.quote(sys.executable)} {shlex.quote(str(FAKE))} \"$@\"\n")
        self.python.chmod(0o755)

    def command(self, *arguments):
        return [str(word) for word in (ROOT / "scripts/peers", "--seqbench", PROGRAM, "--python",
                                       self.python, *arguments)]

    def peers(self, *arguments, **script):
        environment = os.environ | {"FAKE_LIBRARY": json.dumps({"seconds": [1], **script})}
        return subprocess.run(self.command(*arguments), capture_output=True, text=True, timeout=300,
                              errors="surrogateescape", env=environment)

    def test_rows_join_those_of_throughput(self):
        out = self.folder / "run"
        run("throughput", *self.GRID, "--pass", "forward", "--repetitions", "2", "--min-time",
            "0.001", "--threads", "1", "--out", out)
        own = read_csv(out / "throughput.csv")
        process = self.peers(*self.GRID, "--pass", "train", "--min-time", "0.001", "--rounds", "6",
                             "--threads", "1,2", "--out", out)
        self.assertEqual(process.returncode, 0, process.stderr)
        self.assertEqual(process.stderr, "")
        table = read_csv(out / "throughput.csv")
        self.assertEqual(table[:2], own)
        self.assertEqual(len(table), 2 + 2 * 2 * 3)
        self.assertEqual(len({row["case_id"] for row in table}), len(table))
        for mine, pytorch, onnxruntime in zip(table[2::3], table[3::3], table[4::3]):
            self.assertIn(mine["kernel"], {"fused", "persistent", "hoisted"})
            self.assertEqual(pytorch["kernel"], "pytorch")
            for row in (mine, pytorch, onnxruntime):
                self.assertIn(row["status"], {"ok", "noisy"})
                self.assertGreater(float(row["peak_gflops"]), 0)
            shared = ("model pass batch seq_len width heads threads causal dtype parameters flops "
                      "state_bytes limit_seconds").split()
            for column in shared:
                self.assertEqual(pytorch[column], mine[column], column)
        self.assertEqual(len(read_csv(out / "samples.csv")), 2 * 2 + 6 * 12)
        ratios = read_csv(out / "peers.csv")
        self.assertEqual(len(ratios), 2 * 2 * 2)
        for row in ratios:
            self.assertGreater(float(row["ratio"]), 1)  # a second against microseconds
        machine = json.loads((out / "machine.json").read_text())
        self.assertEqual([command["command"] for command in machine["commands"]],
                         ["throughput", "peers"])
        self.assertEqual(machine["commands"][1]["exit_code"], 0)
        libraries = json.loads((out / "peers.json").read_text())["libraries"]
        self.assertEqual(libraries["torch"], "9.9")

    def test_a_directory_of_its_own_describes_the_machine(self):
        out = self.folder / "new"
        process = self.peers("--model", "gru", "--length", "4", "--pass", "forward", "--threads", "1",
                             "--min-time", "0.001", "--rounds", "5", "--peers", "pytorch",
                             "--out", out)
        self.assertEqual(process.returncode, 0, process.stderr)
        machine = json.loads((out / "machine.json").read_text())
        self.assertEqual(machine["run_id"], "new")
        self.assertEqual([probe["threads"] for probe in machine["probes"]], [1])
        self.assertEqual(machine["commands"][0]["options"]["peers"], "pytorch")
        # What seqbench itself accepts and goes on with.
        resumed = run("throughput", "--model", "gru", "--length", "8", "--pass", "forward",
                      "--threads", "1", "--repetitions", "1", "--out", out, "--resume")
        self.assertEqual(resumed.returncode, 0, resumed.stderr)
        self.assertEqual(len(read_csv(out / "throughput.csv")), 3)

    def test_wrong_options_are_usage_errors(self):
        for arguments, parts in [
            (["--rounds", "4"], ["--rounds", "'4'", "5 to 1000"]),
            (["--peers", "pytorch,keras"], ["--peers", "'keras'", "onnxruntime"]),
            (["--pass", "decode"], ["--pass", "'decode'", "forward, train"]),
            (["--min-time", "nan"], ["--min-time", "'nan'"]),
            (["--seqbench", "/nowhere"], ["--seqbench", "'/nowhere'"]),
            (["--python", "/nowhere"], ["--python", "'/nowhere'"]),
            (["--python", "/bin/false"], ["--python", "'/bin/false'", "torch"]),
            (["--heads", "3"], ["--heads", "'3'", "divisor"]),
            (["--model", "mlp"], ["--model", "'mlp'", "lstm"]),
            (["--dtype", "half"], ["--dtype", "'half'", "bfloat16"]),
            (["--task", "mqar", "--dtype", "bfloat16"], ["--dtype", "--task"]),
            (["--nonsense"], ["--nonsense"]),
            (["--task", "chess"], ["--task", "'chess'", "mqar"]),
            (["--task", "mqar"], ["--length", "'4'", "at least 32"]),
            (["--task", "mqar", "--threads", "2"], ["--threads", "'2'", "--task"]),
            (["--task", "mqar", "--causal"], ["--causal", "--task"]),
            (["--task", "mqar", "--peers", "onednn"], ["--peers", "'onednn'", "pytorch-tuned"]),
            (["--text", "book.txt", "--batch", "2"], ["--batch", "'2'", "--text"]),
            (["--text", "book.txt", "--task", "mqar"], ["--task", "'mqar'", "--text"]),
            (["--no-compile"], ["--no-compile", "--text"]),
        ]:
            with self.subTest(arguments=arguments):
                out = self.folder / "refused"
                process = self.peers("--length", "4", "--out", out, *arguments)
                self.assert_refused(process, 2, *parts)
                self.assertFalse(out.exists())

    STEPS = ["--task", "mqar", "--length", "32", "--batch", "4", "--width", "16", "--min-time",
             "0.001"]

    def test_training_steps_have_a_table_of_their_own(self):
        out = self.folder / "run"
        process = self.peers(*self.STEPS, "--rounds", "6", "--out", out,
                             prepare={"loss_difference": 1e-7})
        self.assertEqual(process.returncode, 0, process.stderr)
        steps = read_csv(out / "steps.csv")
        self.assertEqual(list(steps[0]), step_rows.STEPS)
        self.assertEqual([row["case_id"] for row in steps],
                         [f"mqar:{model}:{library}:B4:T32:D16:t1"
                          for model in ("attention", "lstm")
                          for library in ("seqbench", "pytorch", "pytorch-tuned")])
        for own, *others in (steps[:3], steps[3:]):
            self.assertEqual((own["ratio"], own["loss_difference"]), ("", ""))
            for row in others:
                self.assertEqual((row["parameters"], row["layers"]), (own["parameters"], "2"))
                self.assertEqual((float(row["seconds"]), row["rounds"]), (1, "6"))
                self.assertEqual((row["steps_per_second"], row["threads"]), ("1", "1"))
                self.assertEqual(float(row["tokens_per_second"]), 4 * 32)
                self.assertIn(row["status"], {"ok", "noisy"})
                self.assertEqual(float(row["loss_difference"]), 1e-7)
                self.assertGreater(float(row["ratio"]), 1)  # a second against milliseconds
                self.assertIn(row["contender"], process.stdout)
        # Of a process that runs, seqbench's or a Python's.
        for row in steps:
            self.assertGreater(float(row["process_bytes"]), 1e6)
        self.assertEqual(len(read_csv(out / "samples.csv")), 6 * 6)
        self.assertFalse((out / "throughput.csv").exists())
        again = self.peers(*self.STEPS, "--out", out)
        self.assert_refused(again, 2, "already holds the case mqar:attention:seqbench")

    def test_a_step_with_other_losses_is_a_failed_row(self):
        out = self.folder / "run"
        process = self.peers(*self.STEPS, "--rounds", "5", "--peers", "pytorch", "--out", out,
                             prepare={"status": "failed", "reason": "fused: a loss differs"})
        self.assertEqual(process.returncode, 1)
        row = read_csv(out / "steps.csv")[1]
        self.assertEqual((row["status"], row["reason"], row["seconds"], row["rounds"]),
                         ("failed", "fused: a loss differs", "", "0"))
        self.assertIn("failed: fused: a loss differs", process.stdout)

    @unittest.skipUnless(environment.VARIABLE in os.environ, "needs the Python of scripts/peers")
    def test_pytorch_takes_the_same_steps(self):
        out = self.folder / "run"
        process = subprocess.run(
            [ROOT / "scripts/peers", "--seqbench", PROGRAM, *self.STEPS, "--model", "all",
             "--rounds", "5", "--out", out], capture_output=True, text=True, timeout=300)
        self.assertEqual(process.returncode, 0, process.stdout + process.stderr)
        for row in read_csv(out / "steps.csv"):
            self.assertEqual(row["rounds"], "5")
            if row["contender"] != "seqbench":
                self.assertLess(float(row["loss_difference"]), 1e-5)

    @unittest.skipUnless(environment.VARIABLE in os.environ, "needs the Python of scripts/peers")
    def test_pytorch_trains_on_a_text_with_the_same_losses(self):
        text = self.folder / "text.txt"
        text.write_text("".join(f"{n} and {n * n % 97} are what {n % 7} says.\n"
                                for n in range(2000)))
        out = self.folder / "run"
        process = subprocess.run(
            [ROOT / "scripts/peers", "--seqbench", PROGRAM, "--text", text, "--threads", "1",
             "--no-compile", "--min-time", "0.001", "--rounds", "5", "--out", out],
            capture_output=True, text=True, timeout=600)
        self.assertEqual(process.returncode, 0, process.stdout + process.stderr)
        steps = read_csv(out / "steps.csv")
        self.assertEqual([row["model"] for row in steps[::2]],
                         ["elman", "lstm", "gru", "mingru", "attention"])
        for row in steps[1::2]:
            # Further than the tolerance where rounding carries PyTorch's own losses.
            self.assertLess(float(row["loss_difference"]),
                            max(1e-4, 4 * float(row["loss_rounding"] or 0)))
            self.assertIn(row["contender_variant"], {"fused", "foreach"})

    SMALL = ["--model", "gru", "--length", "4", "--pass", "forward", "--threads", "1", "--min-time",
             "0.001", "--rounds", "5"]

    def test_output_that_cannot_be_written_ends_the_run_with_one_line(self):
        out = self.folder / "run"
        command = " ".join(map(shlex.quote, self.command(*self.SMALL, "--out", out)))
        process = subprocess.run(["bash", "-c", command + " >/dev/full"], capture_output=True,
                                 text=True, timeout=300,
                                 env=os.environ | {"FAKE_LIBRARY": '{"seconds": [1]}'})
        self.assert_refused(process, 1, "peers: standard output cannot be written: No space left")
        machine = json.loads((out / "machine.json").read_text())
        self.assertEqual(machine["commands"][0]["exit_code"], 1)

    def test_a_folder_whose_name_is_no_utf8_is_refused_before_it_is_made(self):
        out = self.folder / "caf\udce9"
        process = self.peers(*self.SMALL, "--out", out)
        self.assert_refused(process, 2, "--out: '", r"caf\xe9", "UTF-8")
        self.assertFalse(out.exists())

    def test_a_folder_in_one_whose_name_is_no_utf8_is_written(self):
        out = self.folder / "caf\udce9" / "run: 1;#'é"
        self.python = self.python.rename(self.folder / "python\udce9")
        process = self.peers(*self.SMALL, "--out", out)
        self.assertEqual(process.returncode, 0, process.stderr)
        machine = json.loads((out / "machine.json").read_text())
        self.assertEqual(machine["run_id"], "run: 1;#'é")
        self.assertTrue(machine["commands"][0]["options"]["python"].endswith(r"python\xe9"))
        self.assertEqual(len(read_csv(out / "throughput.csv")), 3)

    def test_the_folder_and_the_variables_of_the_caller_decide_no_import_of_workers(self):
        for name in ("torch", "json", "argparse", "peer_runs", "importlib"):
            (self.folder / f"{name}.py").write_text(
                f"open({str(self.folder / 'decoy')!r}, 'w'); raise SystemExit('decoy')\n")
        launch = libraries.Launch(python=sys.executable, min_time="0.001", grid=[], cpus=[0])
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(self.folder)
        with unittest.mock.patch.dict(os.environ, PYTHONPATH=str(self.folder)):
            worker = launch.start("pytorch", 1)
            # The Python of this test need not have the library.
            with contextlib.suppress(ServerError):
                worker.ask({"do": "prepare", "case": LSTM})
            worker.close()
            with contextlib.suppress(environment.PythonError):
                environment.versions(sys.executable)
        self.assertFalse((self.folder / "decoy").exists())

    def test_a_signal_keeps_the_finished_cases(self):
        out = self.folder / "run"
        process = subprocess.Popen(
            self.command("--model", "gru,lstm", "--length", "4", "--pass", "forward", "--threads",
                         "1", "--min-time", "0.1", "--rounds", "20", "--out", out),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=os.environ | {"FAKE_LIBRARY": '{"seconds": [1]}'})
        deadline = time.time() + 60
        while not (out / "throughput.csv").exists():
            self.assertLess(time.time(), deadline, "no case finished in time")
            time.sleep(0.02)
        time.sleep(0.5)  # into the next case
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 143, errors)
        self.assertEqual(errors, "peers: interrupted; the cases that are finished are kept\n")
        self.assertEqual(len(read_csv(out / "throughput.csv")), 3)
        machine = json.loads((out / "machine.json").read_text())
        self.assertEqual(machine["commands"][0]["exit_code"], 143)

    @unittest.skipUnless(importlib.util.find_spec("vl_convert"), "needs the venv of bootstrap")
    def test_plots_show_other_libraries_as_lines_of_their_own(self):
        from plotting.__main__ import main
        from plotting.figures import figures_of
        from plotting.reading import read_run

        out = self.folder / "run"
        self.peers(*self.GRID, "--length", "8,16", "--min-time", "0.001", "--rounds", "5",
                   "--threads", "1,2", "--out", out)
        with contextlib.redirect_stdout(io.StringIO()):
            self.assertEqual(main([str(out)]), 0)
        figures = {figure.plot.slug: figure for figure in figures_of([read_run(out)])}
        chart = figures["throughput-vs-length"].chart.to_json()
        for kernel in ("pytorch", "onnxruntime", "fused"):
            self.assertIn(kernel, chart)
        # Speedups, which the claims rest on, are between seqbench's own kernels.
        self.assertNotIn("pytorch", figures["speedup-vs-length"].chart.to_json())


if __name__ == "__main__":
    unittest.main()
