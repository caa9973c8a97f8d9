"""A sweep that is killed, or whose calls to the disk fail, and goes on with --resume.

SEQBENCH_KILLS sets how often the sweep is killed at a random moment (default 8; scripts/crashes
takes 200).
"""

import collections
import errno
import json
import os
import random
import signal
import statistics
import subprocess
import time
import unittest

from program import PROGRAM, ProgramTest, read_csv, run

FAULTS = os.environ.get("SEQBENCH_FAULTS", "")
KILLS = int(os.environ.get("SEQBENCH_KILLS", "8"))
REPETITIONS = 2
GROUP = 2  # cases
SWEEP = ["throughput", "--model", "gru,lstm", "--pass", "forward", "--width", "16", "--threads", "1",
         "--repetitions", REPETITIONS, "--no-progress"]


class CrashTest(ProgramTest):
    def assert_sound(self, out):
        """Whatever stopped the sweep: every file parses but for a torn last line, no row is there
        twice. The rows of the groups that were finished."""
        machine = out / "machine.json"
        if machine.exists():
            json.loads(machine.read_text())
        tables = {}
        for name in ["throughput.csv", "samples.csv"]:
            data = (out / name).read_bytes() if (out / name).exists() else b""
            whole = self.folder / "whole.csv"
            whole.write_bytes(data[:data.rfind(b"\n") + 1])
            tables[name] = read_csv(whole)
        rows = tables["throughput.csv"]
        self.assertEqual(len({row["case_id"] for row in rows}), len(rows))
        for row in rows:
            self.assert_backed(row, tables["samples.csv"])
        return rows[:len(rows) // GROUP * GROUP]

    def assert_backed(self, row, samples):
        """The row follows from its own samples, all of which are there."""
        seconds = collections.defaultdict(list)
        for sample in samples:
            if sample["case_id"] == row["case_id"]:
                seconds[sample["process"]].append(float(sample["seconds"]))
        self.assertEqual(sum(map(len, seconds.values())), int(row["repetitions"]), row["case_id"])
        self.assertEqual(len(seconds), int(row["processes"]))
        self.assertAlmostEqual(statistics.geometric_mean(map(statistics.median, seconds.values())),
                               float(row["seconds"]), delta=1e-12)

    def assert_complete(self, out, lengths, finished):
        """Every case once, every repetition once, and what had been finished as it was."""
        self.assertEqual(sorted(os.listdir(out)), ["machine.json", "samples.csv", "throughput.csv"])
        rows = self.assert_sound(out)
        self.assertEqual(rows[:len(finished)], finished)
        cases = collections.Counter((row["model"], int(row["seq_len"])) for row in rows)
        self.assertEqual(cases, {(model, length): 1 for model in ("gru", "lstm") for length in lengths})
        repetitions = collections.Counter(
            (sample["case_id"], int(sample["repetition"])) for sample in read_csv(out / "samples.csv"))
        self.assertEqual(repetitions, {(row["case_id"], repetition): 1 for row in rows
                                       for repetition in range(REPETITIONS)})


class Kills(CrashTest):
    def test_at_random_moments_lose_nothing_and_repeat_nothing(self):
        lengths = [4, 8, 16, 32, 64]
        sweep = [*SWEEP, "--min-time", "0.01", "--length", ",".join(map(str, lengths))]
        start = time.time()
        run(*sweep, "--out", self.folder / "whole")
        whole_seconds = time.time() - start
        draw = random.Random(20261125)
        kills = sweeps = 0
        while kills < KILLS:
            out = self.folder / f"run{sweeps}"
            sweeps += 1
            # Groups finish one by one in one process, and together in two.
            command = [*sweep, "--processes", 1 + sweeps % 2, "--out", out, "--resume"]
            finished = []
            while True:
                process = subprocess.Popen(
                    [PROGRAM, *map(str, command)],
                    stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
                try:
                    _, errors = process.communicate(timeout=draw.uniform(0, 1.1 * whole_seconds))
                    self.assertEqual(process.returncode, 0, errors)
                    break
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.communicate()
                    kills += 1
                if out.exists():
                    rows = self.assert_sound(out)
                    self.assertEqual(rows[:len(finished)], finished)
                    finished = rows
            self.assert_complete(out, lengths, finished)
        print(f"killed {kills} times over {sweeps} sweeps of {whole_seconds:.2f} s")


@unittest.skipUnless(FAULTS, "SEQBENCH_FAULTS does not name the library of tests/cli/faults.cc")
class Faults(CrashTest):
    LENGTHS = [4, 8]
    SWEEP = [*SWEEP, "--min-time", "0.0005", "--length", "4,8", "--processes", "1"]

    def strike(self, out, kind, at, code, stays):
        """The sweep with a fault at the `at`-th call of a kind; None when it has fewer of them."""
        mark = self.folder / "mark"
        mark.unlink(missing_ok=True)
        process = run(*self.SWEEP, "--out", out, env=os.environ | {
            "LD_PRELOAD": FAULTS, "SEQBENCH_FAULT_UNDER": str(out.resolve()),
            "SEQBENCH_FAULT_KIND": kind, "SEQBENCH_FAULT_AT": str(at),
            "SEQBENCH_FAULT_ERRNO": str(code), "SEQBENCH_FAULT_STAYS": "1" if stays else "0",
            "SEQBENCH_FAULT_MARK": str(mark)})
        if mark.exists():
            return process
        self.assertEqual(process.returncode, 0, process.stderr)
        return None

    def strike_every_call(self, kind, code, stays, check):
        at = 1
        while True:
            out = self.folder / f"{kind}{at}"
            with self.subTest(kind=kind, at=at):
                process = self.strike(out, kind, at, code=code, stays=stays)
                if process is None:
                    break
                check(process, out)
                finished = self.assert_sound(out)
                resumed = run(*self.SWEEP, "--out", out, "--resume")
                self.assertEqual(resumed.returncode, 0, resumed.stderr)
                self.assert_complete(out, self.LENGTHS, finished)
            at += 1
        print(f"{kind}: struck {at - 1} calls, {errno.errorcode.get(code, 'SIGKILL')}")
        self.assertGreater(at - 1, 1)

    def test_that_fail_a_call_are_told_and_leave_earlier_rows(self):
        for kind, code, stays in [("open", errno.EIO, False), ("write", errno.ENOSPC, True),
                                  ("sync", errno.EIO, False), ("rename", errno.EIO, False)]:
            self.strike_every_call(
                kind, code, stays,
                lambda process, out, code=code: self.assert_refused(
                    process, 1, str(out), os.strerror(code)))

    def test_that_kill_within_a_call_lose_nothing(self):
        for kind in ("write", "sync", "rename"):
            self.strike_every_call(
                kind, 0, False,
                lambda process, out: self.assertEqual(process.returncode, -signal.SIGKILL))


if __name__ == "__main__":
    unittest.main()
