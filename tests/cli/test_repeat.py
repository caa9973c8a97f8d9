"""`seqbench repeat`: the line protocol as another program speaks it."""

import json
import math
import os
import signal
import struct
import subprocess
import unittest

from program import PROGRAM, ProgramTest, read_csv, run

GRID = ["--width", "16", "--heads", "2", "--length", "8", "--threads", "1,2",
        "--kernel", "hoisted,fused"]
LSTM = "lstm:hoisted:forward:B1:T8:D16:H-:t1"


def talk(requests, *options):
    """The answers to `requests` (objects, or text as it is), which are sent at once."""
    lines = [r if isinstance(r, str) else json.dumps(r) for r in requests]
    process = run("repeat", *GRID, *options,
                  input="".join(line + "\n" for line in lines))
    assert process.returncode == 0, process.stderr
    return [json.loads(line) for line in process.stdout.splitlines()]


def sample(seconds, **others):
    """A repetition to judge; those of a quiet machine where `others` don't say otherwise."""
    return {"seconds": seconds, "peak_gflops": 100, "steal_fraction": 0, "wait_fraction": 0,
            "involuntary_switches": 0, "throttled": 0, "limit_seconds": 0.5, **others}


def judged(samples, **request):
    """The cells of the answer to a request to judge samples of LSTM."""
    (answer,) = talk([{"do": "judge", "case": LSTM, "samples": samples, **request}])
    assert answer["case"] == LSTM, answer
    return answer["cells"]


class Judge(ProgramTest):
    """Samples in, cells of throughput.csv out."""

    FLOPS = 4 * 4 * 8 * 16**2  # rnn/recurrent_buffers.h: 4·G·B·T·D²

    def test_cells_follow_from_the_samples(self):
        seconds = [9, 1.02, 1.01, 1.005, 1, 0.995, 0.99, 0.98, 0.97]
        limits = [0.7, 0.5, 0.5, 0.6, None, 0.4, 0.5, None, 0.3]
        cells = judged([sample(one, limit_seconds=limit)
                        for one, limit in zip(seconds, limits)])
        self.assertEqual(list(cells), [
            "repetitions", "seconds", "seconds_low", "seconds_high", "tokens_per_second", "gflops",
            "peak_gflops", "fraction_of_peak", "limit_seconds", "fraction_of_limit", "status",
            "reason", "outliers", "processes"])
        # Of nine, the interval leaves out the shortest and the longest.
        for column, expected in {"repetitions": 9, "seconds": 1, "seconds_low": 0.98,
                                 "seconds_high": 1.02, "tokens_per_second": 8, "peak_gflops": 100,
                                 "gflops": 1e-9 * self.FLOPS,
                                 "fraction_of_peak": 1e-11 * self.FLOPS, "limit_seconds": 0.5,
                                 "fraction_of_limit": 0.5}.items():
            self.assertTrue(math.isclose(float(cells[column]), expected), (column, cells[column]))
        self.assertEqual((cells["status"], cells["reason"], cells["outliers"]), ("ok", "", "0"))

    def test_cells_are_those_of_the_sweep_that_took_the_samples(self):
        out = self.folder / "run"
        run("throughput", *GRID, "--model", "lstm,attention", "--repetitions", "7", "--min-time",
            "0.0001", "--out", out)
        samples = {}
        for row in read_csv(out / "samples.csv"):
            samples.setdefault(row["case_id"], []).append(
                {name: json.loads(text) if text else None for name, text in list(row.items())[3:]})
        rows = read_csv(out / "throughput.csv")
        answers = talk([{"do": "judge", "case": row["case_id"],
                         "samples": [one | {"limit_seconds": float(row["limit_seconds"])}
                                     for one in samples[row["case_id"]]]} for row in rows])
        for row, answer in zip(rows, answers):
            self.assertEqual(answer["cells"], {name: row[name] for name in answer["cells"]})

    def test_waiting_is_noise_however_steady(self):
        quiet, waiting = sample(1), sample(1, wait_fraction=0.25)
        self.assertEqual(judged([quiet] * 4 + [waiting] * 3)["status"], "ok")
        cells = judged([quiet] * 3 + [waiting] * 4)
        self.assertEqual(cells["status"], "noisy")
        self.assertIn("25 % of the time", cells["reason"])
        # Of another library's process it is not known.
        for unknown in (sample(1, wait_fraction=None), {"seconds": 1, "peak_gflops": 100}):
            self.assertEqual(judged([unknown] + [waiting] * 6)["status"], "ok")

    def test_a_quota_that_was_used_up_is_noise(self):
        quiet, throttled = sample(1), sample(1, throttled=2)
        self.assertEqual(judged([quiet] * 4 + [throttled] * 3)["status"], "ok")
        cells = judged([quiet] * 3 + [throttled] * 4)
        self.assertEqual(cells["status"], "noisy")
        self.assertIn("4 of 7 repetitions", cells["reason"])
        self.assertEqual(judged([sample(1, throttled=None)] * 7)["status"], "ok")

    def test_few_or_unsteady_repetitions_are_noise_with_the_callers_remedy(self):
        few, unsteady = [sample(1)] * 5, [sample(one) for one in (1, 2) * 4]
        for samples, problem, remedy in [
            (few, "fewer than 6 repetitions", "raise --repetitions"),
            (unsteady, "seconds known to ±33.3 % only",
             "quieten the machine, raise --processes or ask for --precision"),
        ]:
            cells = judged(samples)
            self.assertEqual(cells["status"], "noisy")
            self.assertIn(problem, cells["reason"])
            self.assertTrue(cells["reason"].endswith("; " + remedy), cells["reason"])
            reason = judged(samples, remedy="raise --rounds")["reason"]
            self.assertIn(problem, reason)
            self.assertNotIn("--repetitions", reason)
            self.assertTrue(reason.endswith("raise --rounds"), reason)

    def test_answers_to_repeat_are_samples_as_they_are(self):
        (_, answer) = talk([{"do": what, "case": LSTM} for what in ("prepare", "repeat")],
                           "--min-time", "0.0001")
        self.assertEqual(judged([answer] * 3)["repetitions"], "3")

    def test_without_a_limit_its_cells_are_empty(self):
        cells = judged([sample(1, limit_seconds=None)] * 7)
        self.assertEqual((cells["limit_seconds"], cells["fraction_of_limit"]), ("", ""))

    def test_samples_that_cannot_be_judged_are_errors(self):
        good = sample(1)
        bad = [
            ({}, ["samples: 'null'", "array"]),
            ({"samples": []}, ["samples: '[]'"]),
            ({"samples": {"seconds": 1}}, ["samples: '{"]),
            ({"samples": [good, 7]}, ["samples[1]: '7'", "object"]),
            ({"samples": [good, sample(None)]}, ["samples[1].seconds: 'null'", "above 0"]),
            ({"samples": [sample(0)]}, ["samples[0].seconds: '0'", "above 0"]),
            ({"samples": [{"seconds": 1}]}, ["samples[0].peak_gflops: 'null'"]),
            ({"samples": [sample("1")]}, ["samples[0].seconds: '\"1\"'"]),
            ({"samples": [sample(1, wait_fraction=-0.5)]}, ["wait_fraction: '-0.5'", "null"]),
            ({"samples": [sample(1, throttled=0.5)]}, ["throttled: '0.5'", "integer"]),
            ({"samples": [sample(1, involuntary_switches="3")]}, ["involuntary_switches"]),
            ({"samples": [sample(1, limit_seconds=[])]}, ["samples[0].limit_seconds: '[]'"]),
            ({"samples": [good], "remedy": 7}, ["remedy: '7'", "text"]),
            ({"samples": [good, sample(1, second=2)]},
             ["samples[1].second: '2'", "the fields seconds, passes"]),
            ({"samples": [good], "remedies": "none"}, ["remedies: '\"none\"'", "samples, remedy"]),
            ({"samples": [good], "case": "gru:none"}, ["'gru:none'"]),
        ]
        answers = talk([{"do": "judge", "case": LSTM, **request} for request, _ in bad] +
                       [{"do": "list"}])
        self.assertEqual(len(answers), len(bad) + 1)
        for (request, parts), answer in zip(bad, answers):
            with self.subTest(request=request):
                self.assertEqual(list(answer), ["error"])
                for part in parts:
                    self.assertIn(part, answer["error"])
        self.assertIn("cases", answers[-1])


class Channels(ProgramTest):
    def test_an_input_that_cannot_be_read_is_no_end_of_it(self):
        folder = os.open(self.folder, os.O_RDONLY)
        self.addCleanup(os.close, folder)
        self.assert_refused(run("repeat", *GRID, stdin=folder), 1, "standard input", "directory")

    @unittest.skipUnless(os.path.exists("/dev/full"), "needs /dev/full")
    def test_an_answer_that_cannot_be_written_ends_it(self):
        with open("/dev/full", "w", encoding="ascii") as full:
            process = subprocess.run([PROGRAM, "repeat", *GRID], input='{"do":"list"}\n' * 2,
                                     stdout=full, stderr=subprocess.PIPE, text=True, timeout=60,
                                     check=False)
        self.assert_refused(process, 1, "standard output")


class Repeat(ProgramTest):
    def test_list_names_the_cases_in_the_order_of_the_options(self):
        (answer,) = talk([{"do": "list"}], "--model", "lstm,attention", "--pass", "train,forward",
                         "--causal")
        self.assertEqual(answer["cases"], [
            "lstm:hoisted:train:B1:T8:D16:H-:t1", "lstm:hoisted:train:B1:T8:D16:H-:t2",
            "attention:fused:train:B1:T8:D16:H2:causal:t1",
            "attention:fused:train:B1:T8:D16:H2:causal:t2",
            "lstm:hoisted:forward:B1:T8:D16:H-:t1", "lstm:hoisted:forward:B1:T8:D16:H-:t2",
            "attention:fused:forward:B1:T8:D16:H2:causal:t1",
            "attention:fused:forward:B1:T8:D16:H2:causal:t2"])

    def test_every_case_is_prepared_repeated_and_released(self):
        (listed,) = talk([{"do": "list"}])
        cases = listed["cases"]
        self.assertEqual(len(cases), 5 * 2 * 2)
        answers = talk([{"do": what, "case": case} for case in cases
                        for what in ("prepare", "repeat", "release")], "--min-time", "0.001")
        for case, prepared, sample, released in zip(cases, *[answers[i::3] for i in range(3)]):
            self.assertEqual((prepared["case"], prepared["status"]), (case, "ready"), prepared)
            self.assertGreaterEqual(prepared["peak_bytes"], 0)
            self.assertGreaterEqual(sample["passes"], 1)
            self.assertGreaterEqual(sample["passes"] * sample["seconds"], 0.001)
            self.assertLess(sample["seconds"], 1)
            self.assertGreater(sample["peak_gflops"], 0.1)
            self.assertGreaterEqual(sample["steal_fraction"], 0)
            self.assertGreater(sample["limit_seconds"], 0)
            self.assertEqual(released, {"case": case})

    def test_cells_are_those_of_throughput_csv(self):
        out = self.folder / "run"
        run("throughput", *GRID, "--model", "lstm,attention", "--repetitions", "1", "--min-time",
            "0.0001", "--out", out)
        for row in read_csv(out / "throughput.csv"):
            (answer,) = talk([{"do": "prepare", "case": row["case_id"]}])
            self.assertGreaterEqual(answer["cells"].items(),
                                    {name: row[name] for name in answer["cells"]}.items())
            known = [name for name in row
                     if row[name] and name in [*list(row)[2:15], "form", "predicted_bytes",
                                               "variant", "block", "match"]]
            self.assertEqual(list(answer["cells"]), known)

    def test_probe_answers_the_peak_of_so_many_threads(self):
        one, two = talk([{"do": "probe", "threads": 1}, {"do": "probe", "threads": 2}])
        self.assertGreater(one["peak_gflops"], 0.1)
        self.assertTrue(math.isfinite(two["peak_gflops"]))

    def test_a_case_above_the_memory_limit_is_skipped_with_its_cells(self):
        (answer,) = talk([{"do": "prepare", "case": LSTM}], "--memory-limit", "1K")
        self.assertEqual(answer["status"], "skipped")
        self.assertIn("limit 1.0 KiB", answer["reason"])
        self.assertIsNone(answer["peak_bytes"])
        self.assertEqual(answer["cells"]["model"], "lstm")

    def test_what_cannot_be_answered_is_an_error_and_the_rest_goes_on(self):
        bad = [
            ("no JSON", "'no JSON'"),
            ("[1]", "'[1]'"),
            ("", "''"),
            ('{"do": 7}', '{"do": 7}'),
            ({"do": "dance"}, "'dance'"),
            ({"do": "prepare"}, "case: 'null'"),
            ({"do": "prepare", "case": "gru:none"}, "'gru:none'"),
            ({"do": "prepare", "case": [LSTM]}, "case: '["),
            ({"do": "release", "case": 7}, "case: '7'"),
            ({"do": "repeat", "case": LSTM}, "prepare before repeat"),
            ({"do": "probe"}, "threads: 'null'"),
            ({"do": "probe", "threads": 0}, "threads: '0'"),
            ({"do": "probe", "threads": 4097}, "1 to 4096"),
            ({"do": "probe", "threads": 1.5}, "threads: '1.5'"),
            ({"do": "probe", "threads": "1"}, "threads: '\"1\"'"),
            ({"do": "list", "model": "lstm"}, "model: '\"lstm\"' is not allowed"),
            ({"do": "prepare", "case": LSTM, "again": 1}, "again: '1'"),
            ({"do": "prepare", "case": LSTM, "file": "x"}, "the fields do, case, again"),
            ({"do": "repeat", "case": LSTM, "least_secons": 3},
             "least_secons: '3' is not allowed; expected the fields do, case"),
            ({"do": "release", "case": LSTM, "all": True}, "all: 'true'"),
            ({"do": "probe", "threads": 1, "cpus": [0]}, "cpus: '[0]'"),
            ('{"do": "probe", "threads": 1, "threads": 2}', "'threads' is there twice"),
        ]
        answers = talk([request for request, _ in bad] + [{"do": "list"}])
        self.assertEqual(len(answers), len(bad) + 1)
        for (request, part), answer in zip(bad, answers):
            with self.subTest(request=request):
                self.assertEqual(list(answer), ["error"])
                self.assertIn(part, answer["error"])
        self.assertEqual(len(answers[-1]["cases"]), 20)

    def test_a_request_that_is_no_utf8_is_an_error(self):
        process = subprocess.run([PROGRAM, "repeat"], input=b'{"do":"\xff"}\n{"do":"list"}\n',
                                 capture_output=True, timeout=60)
        answers = [json.loads(line) for line in process.stdout.decode().splitlines()]
        self.assertIn(r'{"do":"\xff"}', answers[0]["error"])
        self.assertIn("cases", answers[1])

    def test_a_released_case_is_gone(self):
        answers = talk([{"do": what, "case": LSTM} for what in ("prepare", "release", "repeat")])
        self.assertIn("prepare before repeat", answers[2]["error"])

    def test_signals_end_the_wait_for_a_request(self):
        for number, code in [(signal.SIGINT, 130), (signal.SIGTERM, 143)]:
            with self.subTest(signal=number):
                process = subprocess.Popen([PROGRAM, "repeat"], stdin=subprocess.PIPE, text=True,
                                           stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                process.stdin.write('{"do":"list"}\n')
                process.stdin.flush()
                process.stdout.readline()  # it is up and waits
                process.send_signal(number)
                self.assertEqual(process.wait(timeout=10), code)
                process.communicate()

    def test_steps_of_a_training_are_prepared_repeated_and_released(self):
        file = self.folder / "training.safetensors"
        case = "mqar:attention:seqbench:B4:T32:D16:t1"
        requests = [{"do": "list"}, {"do": "repeat", "case": case},
                    {"do": "prepare", "case": case, "file": str(file)},
                    {"do": "repeat", "case": case}, {"do": "release", "case": case},
                    {"do": "repeat", "case": case}, {"do": "prepare", "case": "mqar"},
                    {"do": "prepare", "case": case, "file": "/nowhere/file"}, {"do": "dance"},
                    {"do": "judge", "case": case}, {"do": "prepare", "case": case},
                    {"do": "prepare", "case": case, "file": 7},
                    {"do": "prepare", "case": case, "file": str(file), "again": True}]
        process = run("repeat", "--task", "mqar", "--model", "attention,lstm", "--length", "32",
                      "--batch", "4", "--width", "16", "--min-time", "0.001",
                      input="".join(json.dumps(request) + "\n" for request in requests))
        self.assertEqual(process.returncode, 0, process.stderr)
        listed, early, prepared, sample, released, *errors = [
            json.loads(line) for line in process.stdout.splitlines()]
        self.assertEqual(listed["cases"], [case, case.replace("attention", "lstm")])
        self.assertIn("prepare before repeat", early["error"])
        self.assertEqual((prepared["case"], prepared["status"]), (case, "ready"))
        # Embedding, which is the readout too, positions, two blocks of 4·D² + 4·D with a norm of
        # 2·D, final norm.
        parameters = 256 * 16 + 32 * 16 + 2 * (4 * 16**2 + 6 * 16) + 2 * 16
        self.assertEqual(prepared["cells"], {
            "task": "mqar", "model": "attention", "variant": "learned", "batch": "4",
            "seq_len": "32", "width": "16", "layers": "2", "heads": "1", "threads": "1",
            "parameters": str(parameters)})
        self.assertGreaterEqual(sample["passes"] * sample["seconds"], 0.001)
        self.assertGreater(sample["peak_gflops"], 0.1)
        self.assertEqual(released, {"case": case})
        for answer, part in zip(errors, ["prepare before repeat", "'mqar'", "/nowhere", "'dance'",
                                         "samples: 'null'", "file: 'null'", "file: '7'",
                                         "again: 'true'"], strict=True):
            self.assertIn(part, answer["error"])
        # The file: parameters before the first step, the batch, and losses that fall from chance.
        content = file.read_bytes()
        size = int.from_bytes(content[:8], "little")
        header = json.loads(content[8:8 + size])
        self.assertEqual(header["tokens"]["shape"], [4, 32])
        self.assertEqual(header["targets"]["shape"], [8])
        self.assertEqual(header["blocks.1.in_proj_weight"]["shape"], [48, 16])
        self.assertEqual(header["__metadata__"]["learning_rate"], "0.003")
        begin, end = header["losses"]["data_offsets"]
        losses = struct.unpack("<3f", content[8 + size + begin:8 + size + end])
        self.assertAlmostEqual(losses[0], math.log(256), delta=1)
        self.assertLess(losses[2], losses[0])

    def test_samples_of_steps_are_judged_by_the_same_rules(self):
        case = "mqar:lstm:seqbench:B4:T32:D16:t1"
        seconds = [9, 1.02, 1.01, 1.005, 1, 0.995, 0.99, 0.98, 0.97]
        requests = [{"do": "judge", "case": case, "samples": samples, "remedy": "raise --rounds"}
                    for samples in ([sample(2 * one) for one in seconds],
                                    [sample(1, wait_fraction=0.25)] * 7, [sample(1)] * 5)]
        process = run("repeat", "--task", "mqar", "--model", "lstm", "--length", "32", "--batch",
                      "4", "--width", "16",
                      input="".join(json.dumps(request) + "\n" for request in requests))
        self.assertEqual(process.returncode, 0, process.stderr)
        steady, waiting, few = [json.loads(line)["cells"] for line in process.stdout.splitlines()]
        self.assertEqual(steady, {
            "rounds": "9", "seconds": "2", "seconds_low": "1.96", "seconds_high": "2.04",
            "steps_per_second": "0.5", "peak_gflops": "100", "status": "ok", "reason": ""})
        self.assertEqual(waiting["status"], "noisy")
        self.assertIn("25 % of the time", waiting["reason"])
        self.assertTrue(few["reason"].endswith("raise --rounds"), few["reason"])

    def test_wrong_options_of_steps_are_usage_errors(self):
        for option, value, part in [("length", "8", "at least 32"), ("heads", "2", "--task"),
                                    ("threads", "2", "--task")]:
            self.assert_refused(run("repeat", "--task", "mqar", f"--{option}", value), 2,
                                f"--{option}", value, part)
        self.assert_refused(run("repeat", "--task", "chess"), 2, "--task", "chess", "mqar")
        self.assert_refused(run("repeat", "--task", "mqar", "--causal"), 2, "--causal", "--task")
        self.assert_refused(run("repeat", "--task", "first_token", "--width", "3", "--model",
                                "attention"), 2, "--width", "3", "4")

    def test_wrong_options_are_usage_errors(self):
        self.assert_refused(run("repeat", "--heads", "3"), 2, "--heads", "3", "256")
        self.assert_refused(run("repeat", "--min-time", "0"), 2, "min-time", "0")
        self.assert_refused(run("repeat", "--", "--benchmark_filter=x"), 2, "nothing behind --")


if __name__ == "__main__":
    unittest.main()
