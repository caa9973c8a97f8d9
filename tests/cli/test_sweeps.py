"""throughput, scaling, list and machine as a user runs them, their CSV read back."""

import json
import math
import os
import signal
import statistics
import subprocess
import sys
import time
import unittest

from program import PROGRAM, ProgramTest, read_csv, run

SMALL = ["--width", "16", "--heads", "2", "--repetitions", "3", "--min-time", "0.0005"]

MODELS = 5  # of all


class Throughput(ProgramTest):
    def test_every_combination_has_one_row_and_all_its_samples(self):
        out = self.folder / "run"
        process = run("throughput", *SMALL, "--length", "8..32", "--pass", "forward,train,decode",
                      "--threads", "1,2", "--no-progress", "--out", out)
        self.assertEqual(process.returncode, 0, process.stderr)
        self.assertEqual(process.stderr, "")
        rows = read_csv(out / "throughput.csv")
        self.assertEqual(len(rows), 3 * 3 * MODELS * 2)
        self.assertEqual(len({row["case_id"] for row in rows}), len(rows))
        for row in rows:
            self.assertIn(row["status"], {"ok", "noisy"}, row["reason"])
            self.assertEqual(row["run_id"], "run")
            seconds, flops = float(row["seconds"]), float(row["flops"])
            tokens = int(row["batch"]) * (1 if row["pass"] == "decode" else int(row["seq_len"]))
            self.assertLessEqual(float(row["seconds_low"]), seconds)
            self.assertGreaterEqual(float(row["seconds_high"]), seconds)
            self.assertTrue(math.isclose(float(row["tokens_per_second"]), tokens / seconds))
            self.assertTrue(math.isclose(float(row["gflops"]), 1e-9 * flops / seconds))
            self.assertGreater(float(row["peak_gflops"]), 0)
            self.assertGreater(float(row["limit_seconds"]), 0)
            attention = row["model"] == "attention"
            self.assertEqual(row["heads"], "2" if attention else "")
            self.assertEqual(row["causal"], "false" if attention else "")
        samples = read_csv(out / "samples.csv")
        self.assertEqual(len(samples), 3 * len(rows))
        self.assertEqual({sample["case_id"] for sample in samples}, {row["case_id"] for row in rows})

    def test_blocks_and_models_of_equal_parameters_have_rows_and_speedups(self):
        out = self.folder / "run"
        process = run("scaling", "--width", "64", "--repetitions", "2", "--min-time", "0.0005",
                      "--model", "lstm", "--length", "8,16", "--pass", "train", "--threads", "1",
                      "--block", "layer,block,model", "--layers", "3", "--match", "width,parameters",
                      "--no-progress", "--out", out)
        self.assertEqual(process.returncode, 0, process.stderr)
        rows = read_csv(out / "throughput.csv")
        told = {(row["model"], row["block"], row["layers"], row["match"]): row for row in rows}
        self.assertEqual(len(rows), 2 * 2 * 3 * 2)  # and attention
        for block, layers, weights in [("layer", "", (4, 8)), ("block", "", (12, 16)),
                                       ("model", "3", (36, 48))]:
            for model, count in zip(("attention", "lstm"), weights):
                wide = told[model, block, layers, "width"]
                self.assertEqual((wide["width"], wide["match_width"]), ("64", ""))
                # Beside the weights biases, norms and the table.
                self.assertAlmostEqual(float(wide["parameters"]) / 64**2, count, delta=0.09 * count)
            attention, lstm = (told[model, block, layers, "parameters"] for model in ("attention", "lstm"))
            self.assertEqual(lstm["match_width"], "64")
            self.assertLess(int(lstm["width"]), 64)
            self.assertAlmostEqual(float(lstm["parameters"]) / float(attention["parameters"]), 1, delta=0.03)
        speedups = read_csv(out / "speedup.csv")
        self.assertEqual(len(speedups), 2 * 3 * 2)
        self.assertEqual({row["width"] for row in speedups}, {"64"})
        process = run("throughput", "--layers", "3", "--out", self.folder / "no")
        self.assert_refused(process, 2, "--layers", "3", "--block model")

    def test_newton_tells_its_sweeps_by_start(self):
        out = self.folder / "run"
        process = run("throughput", *SMALL, "--model", "elman,gru,attention", "--kernel",
                      "newton,persistent", "--variant", "default,chrono", "--length", "40",
                      "--pass", "forward,train", "--threads", "1", "--out", out)
        self.assertEqual(process.returncode, 0, process.stderr)
        rows = read_csv(out / "throughput.csv")
        self.assertEqual(len(rows), 2 * (2 + 2 * 2 + 1))
        for row in rows:
            self.assertIn(row["status"], {"ok", "noisy"}, row["reason"])
            chrono = row["case_id"].endswith(":chrono")
            expected = "chrono" if chrono else "" if row["model"] == "attention" else "default"
            self.assertEqual(row["variant"], expected)
            if row["kernel"] == "newton":
                self.assertTrue(1 <= float(row["sweeps"]) <= 32)
                self.assertTrue(0 <= float(row["fallback_share"]) <= 1)
            else:
                self.assertEqual((row["sweeps"], row["fallback_share"]), ("", ""))
        self.assertEqual({row["model"] for row in rows if row["variant"] == "chrono"}, {"gru"})

    def test_scaling_takes_each_models_own_start(self):
        process = run("scaling", *SMALL, "--variant", "chrono", "--out", self.folder / "run")
        self.assertEqual(process.returncode, 2)
        self.assertIn("--variant: 'chrono'", process.stderr)

    def test_machine_json_tells_machine_probes_and_command(self):
        out = self.folder / "run"
        run("throughput", *SMALL, "--model", "elman", "--length", "4", "--threads", "1", "--out", out)
        machine = json.loads((out / "machine.json").read_text())
        self.assertTrue(machine["flush_subnormals"])
        self.assertEqual(machine["probes"][0]["threads"], 1)
        self.assertEqual(machine["commands"][0]["command"], "throughput")
        self.assertEqual(machine["commands"][0]["options"]["length"], "4")
        self.assertEqual(machine["commands"][0]["exit_code"], 0)

    def test_naive_attention_of_131072_tokens_is_skipped_with_what_it_needs(self):
        out = self.folder / "run"
        process = run("throughput", "--model", "attention", "--kernel", "naive", "--length", "131072",
                      "--pass", "forward", "--threads", "1", "--memory-limit", "4GiB", "--out", out)
        self.assertEqual(process.returncode, 0, process.stderr)
        (row,) = read_csv(out / "throughput.csv")
        self.assertEqual(row["status"], "skipped")
        self.assertEqual(row["seconds"], "")
        self.assertIn("256", row["reason"])
        self.assertIn("limit 4.0 GiB", row["reason"])

    def test_more_threads_than_cpus_are_marked(self):
        out = self.folder / "run"
        threads = 4 * os.cpu_count()
        run("throughput", *SMALL, "--model", "lstm", "--length", "4", "--threads", threads,
            "--pass", "forward", "--out", out)
        (row,) = read_csv(out / "throughput.csv")
        self.assertIn(f"{threads} threads on", row["reason"])

    def test_resume_takes_only_what_is_missing(self):
        out = self.folder / "run"
        command = ["throughput", *SMALL, "--threads", "1", "--length", "4,8", "--pass", "forward",
                   "--out", out]
        run(*command)
        lines = (out / "throughput.csv").read_bytes().splitlines(keepends=True)
        first_group = b"".join(lines[:1 + MODELS])
        (out / "throughput.csv").write_bytes(first_group)
        process = run(*command, "--resume", "--no-progress")
        self.assertEqual(process.returncode, 0, process.stderr)
        self.assertTrue((out / "throughput.csv").read_bytes().startswith(first_group))
        rows = read_csv(out / "throughput.csv")
        self.assertEqual(len({row["case_id"] for row in rows}), 2 * MODELS)
        self.assertEqual(len(rows), 2 * MODELS)
        self.assertEqual(len(read_csv(out / "samples.csv")), 3 * 2 * MODELS)

    def test_resume_drops_a_torn_line_and_an_unfinished_group(self):
        out = self.folder / "run"
        command = ["throughput", *SMALL, "--threads", "1", "--length", "4,8", "--pass", "forward",
                   "--out", out]
        run(*command)
        data = (out / "throughput.csv").read_bytes()
        (out / "throughput.csv").write_bytes(data[:-20])  # a writer killed in the last row
        process = run(*command, "--resume")
        self.assertEqual(process.returncode, 0, process.stderr)
        rows = read_csv(out / "throughput.csv")
        self.assertEqual(len({row["case_id"] for row in rows}), 2 * MODELS)
        self.assertEqual(len(rows), 2 * MODELS)
        self.assertEqual(len(read_csv(out / "samples.csv")), 3 * 2 * MODELS)

    def test_resume_refuses_another_run_and_lists_what_differs(self):
        out = self.folder / "run"
        command = ["throughput", *SMALL, "--model", "gru", "--threads", "1", "--pass", "forward",
                   "--out", out]
        run(*command, "--length", "4")
        before = {path.name: path.read_bytes() for path in out.iterdir()}
        for arguments, parts in [
            (["--length", "4,8"], ["--length", "'4' then", "'4,8' now"]),
            (["--length", "4", "--seed", "2", "--causal"], ["--seed", "'2' now", "--causal"]),
            (["--length", "4", "--processes", "2"], ["--processes", "'6' then", "'2' now"]),
            (["--length", "4", "--", "--benchmark_filter=x"], ["--benchmark_filter=x"]),
        ]:
            with self.subTest(arguments=arguments):
                process = run(*command, "--resume", *arguments)
                self.assert_refused(process, 2, "--resume", str(out), *parts)
        process = run("scaling", *command[1:], "--length", "4", "--resume")
        self.assert_refused(process, 2, "--resume", "'throughput' then", "'scaling' now")
        machine = json.loads((out / "machine.json").read_text())
        machine["build"]["git_commit"] = "another"
        machine["cpu"] = "abacus"
        (out / "machine.json").write_text(json.dumps(machine))
        self.assert_refused(run(*command, "--length", "4", "--resume"), 2, "--resume",
                            "build.git_commit: 'another' then", "cpu: 'abacus' then")
        for name in ["throughput.csv", "samples.csv"]:
            self.assertEqual((out / name).read_bytes(), before[name])

    def test_a_folder_has_one_writer(self):
        out = self.folder / "run"
        writer = subprocess.Popen(
            [PROGRAM, "throughput", "--model", "gru", "--width", "16", "--length", "8",
             "--repetitions", "1000", "--min-time", "0.05", "--out", out],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        samples = out / "samples.csv"
        deadline = time.time() + 60
        # A sample is on disk when it is taken, long before its group is finished.
        while not (samples.exists() and len(samples.read_bytes().splitlines()) > 2):
            self.assertLess(time.time(), deadline, "no sample in time")
            time.sleep(0.02)
        for command in (["throughput", *SMALL, "--resume"], ["recall", "--steps", "1"]):
            self.assert_refused(run(*command, "--out", out), 1, "--out", str(out), "another process")
        writer.send_signal(signal.SIGTERM)
        _, errors = writer.communicate(timeout=60)
        self.assertEqual(writer.returncode, 143, errors)
        self.assertFalse((out / "throughput.csv").exists())  # no group was finished

    def test_says_what_its_time_went_into_and_what_disturbed_it(self):
        out = self.folder / "run"
        process = run("throughput", *SMALL, "--model", "gru", "--length", "8", "--out", out)
        (record,) = json.loads((out / "machine.json").read_text())["commands"]
        self.assertEqual(set(record["wall_seconds"]),
                         {"passes", "probes", "checks", "set_up", "writing", "else"})
        self.assertGreater(record["wall_seconds"]["passes"], 0)
        self.assertIn("went into passes and probes", process.stdout)
        for sample in read_csv(out / "samples.csv"):
            self.assertGreaterEqual(int(sample["involuntary_switches"]), 0)
            self.assertGreaterEqual(int(sample["throttled"]), 0)

    @unittest.skipUnless(os.path.exists("/proc/self/schedstat"), "the kernel does not count waits")
    def test_a_busy_cpu_makes_its_rows_noisy(self):
        cpu = min(os.sched_getaffinity(0))
        loop = subprocess.Popen([sys.executable, "-c", "while True: pass"],
                                preexec_fn=lambda: os.sched_setaffinity(0, {cpu}))
        try:
            out = self.folder / "run"
            run("throughput", "--model", "gru", "--width", "32", "--length", "64", "--threads", "1",
                "--out", out, preexec_fn=lambda: os.sched_setaffinity(0, {cpu}))
        finally:
            loop.kill()
            loop.wait()
        for row in read_csv(out / "throughput.csv"):
            self.assertEqual(row["status"], "noisy", row)
            self.assertIn("something else had a CPU", row["reason"])
        for sample in read_csv(out / "samples.csv"):
            self.assertGreater(float(sample["wait_fraction"]), 0)

    def test_few_repetitions_do_not_pass_for_an_interval(self):
        out = self.folder / "run"
        run("throughput", *SMALL, "--model", "gru", "--length", "8", "--threads", "1", "--processes",
            "1", "--out", out)
        for row in read_csv(out / "throughput.csv"):
            self.assertEqual(row["status"], "noisy")
            self.assertIn("--repetitions", row["reason"])

    def test_precision_adds_repetitions_or_names_what_would_help(self):
        sweep = ["throughput", "--width", "16", "--heads", "2", "--min-time", "0.0005", "--model",
                 "gru,attention", "--length", "8", "--pass", "forward", "--threads", "1",
                 "--repetitions", "1"]
        for processes, fewest in [("1", 6), ("2", 2)]:
            out = self.folder / f"reached{processes}"
            process = run(*sweep, "--precision", "60%", "--processes", processes, "--out", out)
            self.assertEqual(process.returncode, 0, process.stderr)
            rows, samples = read_csv(out / "throughput.csv"), read_csv(out / "samples.csv")
            for row in rows:
                self.assertNotIn("asked", row["reason"])  # a busy machine may be noisy for other reasons
                self.assertGreaterEqual(int(row["repetitions"]), fewest)
                # Each repetition that was added is of a new process.
                of_process = {one["process"] for one in samples if one["case_id"] == row["case_id"]}
                self.assertEqual(len(of_process), 1 if processes == "1" else int(row["repetitions"]))
            self.assertEqual(len(samples), sum(int(row["repetitions"]) for row in rows))
        out = self.folder / "missed"
        run(*sweep, "--precision", "0.01%", "--precision-time", "0.5", "--out", out)
        for row in read_csv(out / "throughput.csv"):
            self.assertEqual(row["status"], "noisy")
            self.assertRegex(row["reason"], r"asked ±0\.01 %; .*--precision-time"
                                            r"|something else had a CPU")  # a busy machine

    def test_a_signal_keeps_the_finished_rows(self):
        for number, code in [(signal.SIGINT, 130), (signal.SIGTERM, 143)]:
            with self.subTest(signal=number):
                out = self.folder / f"run{code}"
                process = subprocess.Popen(
                    [PROGRAM, "throughput", "--model", "elman,lstm", "--length", "8,16,32,64",
                     "--width", "64", "--repetitions", "20", "--min-time", "0.02",
                     "--processes", "1", "--out", out],
                    stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
                table = out / "throughput.csv"
                deadline = time.time() + 60
                while not (table.exists() and len(table.read_bytes().splitlines()) > 1):
                    self.assertLess(time.time(), deadline, "no group finished in time")
                    time.sleep(0.02)
                process.send_signal(number)
                _, errors = process.communicate(timeout=60)
                self.assertEqual(process.returncode, code, errors)
                rows = read_csv(table)
                self.assertGreaterEqual(len(rows), 4)
                self.assertEqual(len(rows) % 4, 0)  # whole groups
                self.assertLess(len(rows), 2 * 4 * 4)


def children_of(parent):
    """The numbers of the processes that a process has started and that run."""
    children = []
    for entry in os.listdir("/proc"):
        try:
            with open(f"/proc/{entry}/stat", encoding="utf-8", errors="replace") as file:
                state, father = file.read().rpartition(")")[2].split()[:2]
        except (OSError, ValueError):
            continue
        if int(father) == parent and state != "Z":
            children.append(int(entry))
    return children


def runs(process):
    try:
        with open(f"/proc/{process}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class Processes(ProgramTest):
    """Repetitions that are spread over processes."""

    def test_share_the_repetitions_and_the_row_is_the_mean_of_their_logarithms(self):
        out = self.folder / "run"
        process = run("throughput", *SMALL[:4], "--model", "gru,attention", "--length", "8", "--pass",
                      "train,decode", "--threads", "1,2", "--repetitions", "5", "--processes", "2",
                      "--min-time", "0.0005", "--out", out)
        self.assertEqual(process.returncode, 0, process.stderr)
        self.assertEqual(process.stderr, "")
        samples = read_csv(out / "samples.csv")
        rows = read_csv(out / "throughput.csv")
        self.assertEqual(len(rows), 2 * 2 * 2)
        for row in rows:
            own = [one for one in samples if one["case_id"] == row["case_id"]]
            self.assertEqual([one["repetition"] for one in own], [*"01234"])
            self.assertEqual([one["process"] for one in own], [*"00011"])
            self.assertEqual((row["repetitions"], row["processes"]), ("5", "2"))
            medians = [statistics.median(float(one["seconds"]) for one in own
                                         if one["process"] == number) for number in "01"]
            self.assertTrue(math.isclose(float(row["seconds"]), statistics.geometric_mean(medians)))

    def test_take_their_repetitions_of_all_groups_one_after_the_other(self):
        out = self.folder / "run"
        run("throughput", *SMALL[:4], "--model", "gru", "--length", "8,16", "--pass", "forward",
            "--threads", "1", "--repetitions", "3", "--processes", "2", "--min-time", "0.0005",
            "--out", out)
        samples = read_csv(out / "samples.csv")
        length = {row["case_id"]: row["seq_len"] for row in read_csv(out / "throughput.csv")}
        self.assertEqual([(length[one["case_id"]], one["process"]) for one in samples],
                         [("8", "0")] * 2 + [("16", "0")] * 2 + [("8", "1"), ("16", "1")])

    def test_are_no_more_than_the_repetitions_and_one_is_this_process_alone(self):
        for options, expected in [(["--repetitions", "2"], "2"), (["--repetitions", "1"], "1"),
                                  (["--repetitions", "3", "--processes", "1"], "1")]:
            with self.subTest(options=options):
                out = self.folder / "-".join(options)
                run("throughput", *SMALL[:4], "--model", "gru", "--length", "8", "--pass", "forward",
                    "--threads", "1", *options, "--min-time", "0.0005", "--out", out)
                (row,) = read_csv(out / "throughput.csv")
                self.assertEqual(row["processes"], expected)

    def begin(self, out, *options):
        """A long sweep under way, and the processes of its repetitions."""
        sweep = subprocess.Popen(
            [PROGRAM, "throughput", "--model", "gru,lstm", "--width", "16", "--length", "8,16",
             "--pass", "forward", "--threads", "1", "--processes", "3", *options, "--out", out],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
        self.addCleanup(sweep.communicate)
        self.addCleanup(sweep.kill)
        samples = out / "samples.csv"
        deadline = time.time() + 120
        while not (samples.exists() and len(samples.read_bytes().splitlines()) > 2):
            self.assertLess(time.time(), deadline, "no sample in time")
            time.sleep(0.02)
        return sweep, children_of(sweep.pid)

    def test_die_with_the_sweep_however_it_ends(self):
        for number in (signal.SIGKILL, signal.SIGINT):
            with self.subTest(signal=number):
                sweep, workers = self.begin(self.folder / f"run{number}", "--repetitions", "1000",
                                            "--min-time", "0.5")
                self.assertEqual(len(workers), 3)
                if number == signal.SIGKILL:
                    sweep.kill()
                else:
                    os.killpg(sweep.pid, number)  # as a terminal does
                _, errors = sweep.communicate(timeout=60)
                self.assertEqual(sweep.returncode, -9 if number == signal.SIGKILL else 130)
                told = [line for line in errors.splitlines() if "left" not in line]
                self.assertEqual(len(told), 0 if number == signal.SIGKILL else 1, errors)
                deadline = time.time() + 30
                while any(map(runs, workers)):
                    self.assertLess(time.time(), deadline, "a process outlived its sweep")
                    time.sleep(0.02)

    def test_one_that_dies_makes_its_case_a_failed_row_and_the_rest_goes_on(self):
        out = self.folder / "run"
        sweep, workers = self.begin(out, "--repetitions", "30", "--min-time", "0.1")
        for worker in workers:
            os.kill(worker, signal.SIGKILL)
        output, errors = sweep.communicate(timeout=300)
        self.assertEqual(sweep.returncode, 1, errors)
        rows = read_csv(out / "throughput.csv")
        self.assertEqual(len(rows), 4)
        failed = [row for row in rows if row["status"] == "failed"]
        self.assertTrue(0 < len(failed) < 4, rows)
        for row in failed:
            self.assertRegex(row["reason"], "process [0-2] of the repetitions ended with signal 9")
            self.assertEqual((row["seconds"], row["repetitions"]), ("", "0"))
            self.assertIn(row["reason"], output)
        resumed = run("throughput", "--model", "gru,lstm", "--width", "16", "--length", "8,16",
                      "--pass", "forward", "--threads", "1", "--processes", "3", "--repetitions", "30",
                      "--min-time", "0.1", "--out", out, "--resume")
        self.assertEqual(resumed.returncode, 0, resumed.stderr)
        self.assertEqual(len(read_csv(out / "samples.csv")), 4 * 30)


class Scaling(ProgramTest):
    def test_fits_speedups_and_crossovers(self):
        out = self.folder / "run"
        process = run("scaling", *SMALL, "--model", "gru", "--length", "8..64", "--threads", "2",
                      "--pass", "train", "--out", out)
        self.assertEqual(process.returncode, 0, process.stderr)
        rows = read_csv(out / "throughput.csv")
        # One thread and attention were added.
        self.assertEqual({row["threads"] for row in rows}, {"1", "2"})
        self.assertEqual({row["model"] for row in rows}, {"gru", "attention"})
        speedups = read_csv(out / "speedup.csv")
        self.assertEqual(len(speedups), 4 * 2)
        for row in speedups:
            product = (float(row["work_ratio"]) * float(row["efficiency_ratio"])
                       * float(row["parallel_ratio"]))
            self.assertTrue(math.isclose(product, float(row["speedup"]), rel_tol=1e-9))
            self.assertLessEqual(float(row["speedup_low"]), float(row["speedup"]))
        fits = read_csv(out / "scaling.csv")
        keys = [tuple(row[key] for key in row if not key.startswith(("exponent", "r2")))
                for row in fits]
        self.assertEqual(len(set(keys)), len(keys))
        self.assertEqual({row["variable"] for row in fits}, {"seq_len", "threads"})
        self.assertEqual(len(read_csv(out / "crossover.csv")), 2)


class Others(ProgramTest):
    def test_every_command_has_help_with_examples(self):
        for command in ["throughput", "scaling", "crossover", "span", "recall", "attend", "compare", "conform", "machine", "list"]:
            process = run(command, "--help")
            self.assertEqual(process.returncode, 0, process.stderr)
            self.assertIn("Examples:", process.stdout)
            self.assertIn(f"seqbench {command}", process.stdout)

    def test_version(self):
        process = run("--version")
        self.assertEqual(process.returncode, 0)
        self.assertRegex(process.stdout, r"^seqbench \d+\.\d+\.\d+ \(")

    def test_machine_prints_json(self):
        process = run("machine", "--json", "--threads", "1")
        self.assertEqual(process.returncode, 0, process.stderr)
        machine = json.loads(process.stdout)
        self.assertGreater(machine["probes"][0]["peak_gflops"], 0)

    def test_list_names_models_kernels_tasks_and_costs(self):
        process = run("list", "--kernel", "naive", "--length", "131072", "--memory-limit", "1GiB")
        self.assertEqual(process.returncode, 0, process.stderr)
        for word in ["stepwise", "hoisted", "persistent", "naive", "fused", "first_token", "skipped"]:
            self.assertIn(word, process.stdout)


if __name__ == "__main__":
    unittest.main()
