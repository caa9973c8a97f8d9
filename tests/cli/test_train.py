"""`seqbench train` and `seqbench sample`: tables, resuming, errors, and text that comes out."""

import json
import math
import os
import random
import shutil
import subprocess
import time
import unittest

from program import PROGRAM, ProgramTest, read_csv, run

# A training of a moment.
TINY = ["--width", "8", "--heads", "2", "--layers", "1", "--length", "8", "--batch", "8",
        "--steps", "100", "--no-progress"]

TRAINING = ("run_id preset model variant match seed width layers length batch parameters threads "
            "dtype step tokens seconds learning_rate train_loss valid_loss bits_per_byte "
            "tokens_per_second stateful").split()
CONTEXT = "run_id model variant seed length position loss dtype".split()

SAMPLES = "run_id model variant seed prompt temperature text dtype".split()

# How often a training is killed: a few times in every run of the tests, more with all.
KILLS = 20 if os.environ.get("SEQBENCH_LONG_TESTS") else 4

# Columns that no two runs share.
OF_TIME = {"run_id", "seconds", "tokens_per_second"}


def without_time(rows):
    return [{name: cell for name, cell in row.items() if name not in OF_TIME} for row in rows]


class TextTest(ProgramTest):
    def setUp(self):
        super().setUp()
        draw = random.Random(1)
        words = ["the", "cat", "sat", "on", "mat", "it", "was", "not", "there", "again"]
        text = " ".join(draw.choice(words) for _ in range(800)) + "\n"
        self.text = self.folder / "text"
        self.text.write_text(text)
        self.out = self.folder / "run"

    def train(self, *arguments, out=None):
        return run("train", "--text", self.text, "--out", out or self.out, *arguments)


class Train(TextTest):
    def test_tables(self):
        process = self.train(*TINY, "--model", "attention,lstm", "--seeds", "2")
        self.assertEqual(process.returncode, 0, process.stderr)
        rows, context = read_csv(self.out / "training.csv"), read_csv(self.out / "context.csv")
        self.assertEqual(list(rows[0]), TRAINING)
        self.assertEqual(list(context[0]), CONTEXT)
        self.assertEqual({(row["model"], row["variant"], row["seed"]) for row in rows},
                         {("lstm", "default", "1"), ("lstm", "default", "2"),
                          ("attention", "rotary", "1"), ("attention", "rotary", "2")})
        one = [row for row in rows if row["model"] == "lstm" and row["seed"] == "2"]
        self.assertEqual([int(row["step"]) for row in one], list(range(1, 101)))
        self.assertEqual(sum(row["valid_loss"] != "" for row in one), 10)
        self.assertEqual(one[-1]["tokens"], str(100 * 64))
        self.assertAlmostEqual(float(one[-1]["bits_per_byte"]),
                               float(one[-1]["valid_loss"]) / math.log(2))
        self.assertLess(float(one[-1]["valid_loss"]), float(one[9]["valid_loss"]))
        self.assertEqual(len(context), 4 * (8 + 16 + 32))
        samples = read_csv(self.out / "text-samples.csv")
        self.assertEqual(list(samples[0]), SAMPLES)
        self.assertEqual([(row["model"], row["seed"]) for row in samples],
                         [("attention", "1"), ("attention", "2"), ("lstm", "1"), ("lstm", "2")])
        for row in samples:
            self.assertEqual((row["prompt"], row["temperature"]), ("\n", "0.8"))
            self.assertEqual(len(row["text"]), 500)
            self.assertLessEqual(set(row["text"]), set(self.text.read_text()))
        self.assertEqual(len({row["text"] for row in samples}), 4)
        machine = json.loads((self.out / "machine.json").read_text())
        self.assertEqual(machine["commands"][-1]["exit_code"], 0)

    def test_both_precisions_see_the_same_windows(self):
        process = self.train(*TINY, "--model", "gru,attention", "--dtype", "float32,bfloat16")
        self.assertEqual(process.returncode, 0, process.stderr)
        rows, context = read_csv(self.out / "training.csv"), read_csv(self.out / "context.csv")
        self.assertEqual(len(rows), 4 * 100)
        self.assertEqual(len(context), 4 * (8 + 16 + 32))
        for model in ("gru", "attention"):
            exact, rounded = ([float(row["train_loss"]) for row in rows
                               if (row["model"], row["dtype"]) == (model, dtype)]
                              for dtype in ("float32", "bfloat16"))
            self.assertEqual(len(exact), len(rounded))
            self.assertNotEqual(exact, rounded)
            # The first losses are of the same weights and windows but for rounding; later ones of
            # weights that have drifted apart by it.
            self.assertLess(abs(exact[0] / rounded[0] - 1), 2**-8)
            self.assertLess(max(abs(a / b - 1) for a, b in zip(exact, rounded)), 0.05)
        files = sorted(os.listdir(self.out / "models"))
        self.assertEqual(files, [f"{name}-seed1{end}.safetensors" for name in
                                 ("attention-rotary", "gru-default") for end in ("-bfloat16", "")])
        again = self.train(*TINY, "--model", "gru,attention", "--dtype", "float32,bfloat16", "--resume")
        self.assertEqual(again.returncode, 0, again.stderr)
        self.assertEqual(read_csv(self.out / "training.csv"), rows)
        written = run("sample", "--model-file", self.out / "models" / files[0], "--prompt", "the",
                      "--tokens", "5")
        self.assertEqual(written.returncode, 0, written.stderr)
        refused = self.train(*TINY, "--model", "attention", "--variant", "window8", "--dtype",
                             "bfloat16", out=self.folder / "refused")
        self.assert_refused(refused, 2, "--dtype", "window8", "naive")

    def test_threads_change_no_loss(self):
        for threads in (1, 3):
            process = self.train(*TINY, "--model", "gru", "--threads", threads,
                                 out=self.folder / str(threads))
            self.assertEqual(process.returncode, 0, process.stderr)
        one, three = (without_time(read_csv(self.folder / name / "training.csv"))
                      for name in ("1", "3"))
        for row in three:
            row["threads"] = "1"
        self.assertEqual(one, three)

    def test_budgets(self):
        for budget, last in ((["--tokens", "1000"], 16), (["--budget", "0.5s"], None)):
            out = self.folder / budget[0].strip("-")
            arguments = [word for word in TINY if word not in ("--steps", "100")]
            process = self.train(*arguments, "--model", "elman", *budget, out=out)
            self.assertEqual(process.returncode, 0, process.stderr)
            row = read_csv(out / "training.csv")[-1]
            if last:
                self.assertEqual(row["step"], str(last))
            else:
                self.assertGreaterEqual(float(row["seconds"]), 0.5)
                self.assertLess(float(row["seconds"]), 5)
            self.assertNotEqual(row["valid_loss"], "")
        self.assert_refused(self.train(*TINY, "--budget", "1s"), 2, "--budget", "--steps")

    def test_tune(self):
        arguments = [word if word != "100" else "20" for word in TINY] + [
            "--tune", "--model", "gru,attention", "--seeds", "2"]
        process = self.train(*arguments)
        self.assertEqual(process.returncode, 0, process.stderr)
        rows = read_csv(self.out / "text-tuning.csv")
        for model in ("gru", "attention"):
            of_model = [row for row in rows if row["model"] == model]
            rates = sorted({float(row["learning_rate"]) for row in of_model})
            self.assertLessEqual({3e-4, 1e-3, 3e-3, 1e-2}, set(rates))
            self.assertEqual(len(of_model), 2 * len(rates))
            self.assertEqual({row["seed"] for row in of_model}, {"1000", "1001"})
            medians = {rate: sum(float(row["valid_loss"]) for row in of_model
                                 if float(row["learning_rate"]) == rate) for rate in rates}
            # Twenty steps are so few that the best lies beyond the first rates, and not at the edge.
            best = min(medians, key=medians.get)
            self.assertLess(best, max(rates))
            (line,) = (line for line in process.stdout.splitlines()
                       if line.startswith(model) and line.endswith("best"))
            self.assertEqual(float(line.split()[2]), best)
        self.assertEqual({row["status"] for row in rows}, {"ok"})
        self.assertFalse((self.out / "training.csv").exists())
        # What is there is not taken anew.
        lines = (self.out / "text-tuning.csv").read_bytes().splitlines(keepends=True)
        (self.out / "text-tuning.csv").write_bytes(b"".join(lines[:-1]))
        self.assertEqual(self.train(*arguments, "--resume").returncode, 0)
        again = read_csv(self.out / "text-tuning.csv")
        self.assertEqual(without_time(again), without_time(rows))
        self.assertEqual([row["seconds"] for row in again[:-1]],
                         [row["seconds"] for row in rows[:-1]])
        self.assert_refused(self.train(*TINY, "--tune", "--learning-rate", "1e-3"), 2,
                            "--learning-rate", "--tune")

    def test_a_learning_rate_of_each_model(self):
        process = self.train(*TINY, "--model", "gru,lstm,elman", "--learning-rate",
                             "lstm=3e-3,2e-3,gru=1e-2")
        self.assertEqual(process.returncode, 0, process.stderr)
        peaks = {}
        for row in read_csv(self.out / "training.csv"):
            peaks[row["model"]] = max(peaks.get(row["model"], 0), float(row["learning_rate"]))
        self.assertEqual(peaks, {"lstm": 3e-3, "elman": 2e-3, "gru": 1e-2})
        for wrong in ("mamba=1e-3", "lstm=", "lstm=0", "1e-3,", "=1e-3"):
            self.assert_refused(self.train(*TINY, "--learning-rate", wrong), 2, "--learning-rate",
                                f"'{wrong}'", "lstm=3e-3")

    def test_stateful(self):
        process = self.train(*TINY, "--stateful", "--model", "lstm,mingru")
        self.assertEqual(process.returncode, 0, process.stderr)
        process = self.train(*TINY, "--model", "lstm", out=self.folder / "alone")
        self.assertEqual(process.returncode, 0, process.stderr)
        rows, alone = (read_csv(out / "training.csv") for out in (self.out, self.folder / "alone"))
        self.assertEqual({row["model"] for row in rows}, {"lstm", "mingru"})
        self.assertEqual({row["stateful"] for row in rows}, {"true"})
        self.assertEqual({row["stateful"] for row in alone}, {"false"})
        self.assertNotEqual(rows[-1]["valid_loss"], alone[-1]["valid_loss"])
        # Positions count from the start of a window.
        self.assertEqual(len(read_csv(self.out / "context.csv")), 2 * (8 + 16 + 32))
        for arguments, parts in [
                (["--model", "lstm,attention"], ["--stateful", "--model elman,lstm,gru,mingru"]),
                (["--model", "gru", "--variant", "default+conv3"], ["--stateful", "default+conv3"]),
                (["--batch", "800"], ["--text", "--stateful", "--batch"])]:
            tiny = TINY[:TINY.index("--batch")] + TINY[TINY.index("--batch") + 2:]
            process = self.train(*tiny, "--stateful", *arguments, out=self.folder / "refused")
            self.assert_refused(process, 2, *parts)
            self.assertFalse((self.folder / "refused").exists())
        # Without names all that can.
        process = self.train(*TINY[:-3], "--steps", "1", "--no-progress", "--stateful",
                             out=self.folder / "all")
        self.assertEqual(process.returncode, 0, process.stderr)
        self.assertEqual(len({row["model"] for row in read_csv(self.folder / "all/training.csv")}), 4)

    def test_preset_warns_of_another_text(self):
        process = self.train("--preset", "nanogpt-shakespeare", "--model", "mingru", "--steps", "2",
                             "--no-progress")
        self.assertEqual(process.returncode, 0, process.stderr)
        self.assertIn("sha256", process.stderr)
        row = read_csv(self.out / "training.csv")[-1]
        self.assertEqual((row["preset"], row["width"], row["layers"], row["length"], row["batch"]),
                         ("nanogpt-shakespeare", "128", "4", "64", "12"))
        self.assert_refused(self.train("--preset", "nanogpt-shakespeare", "--width", "64"), 2,
                            "--width", "--preset")

    def test_wrong_texts(self):
        cases = {"empty": b"", "short": b"a few words"}
        for name, content in cases.items():
            path = self.folder / name
            path.write_bytes(content)
            process = run("train", "--text", path, "--out", self.out, *TINY)
            self.assert_refused(process, 2, "--text", name)
        self.assert_refused(run("train", "--text", self.folder, *TINY), 2, "--text", "regular")
        self.assert_refused(run("train", *TINY, cwd=self.folder), 2, "--text")
        binary = self.folder / "binary"
        binary.write_bytes(bytes(range(256)) * 8)
        process = run("train", "--text", binary, "--vocabulary", "characters", *TINY)
        self.assert_refused(process, 2, "--vocabulary", "UTF-8")
        self.assertFalse(self.out.exists())
        process = run("train", "--text", binary, "--model", "gru", "--out", self.out, *TINY)
        self.assertEqual(process.returncode, 0, process.stderr)
        (row,) = read_csv(self.out / "text-samples.csv")
        self.assertIn("\\x", row["text"])

    def test_a_text_that_shrinks(self):
        arguments = [word for word in TINY if word not in ("--steps", "100")]
        process = subprocess.Popen(
            [PROGRAM, "train", "--text", self.text, "--out", self.out, *arguments, "--model", "gru",
             "--budget", "60s"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        while not (self.out / "training.csv").exists() or not read_csv(self.out / "training.csv"):
            self.assertIsNone(process.poll())
            time.sleep(0.05)
        os.truncate(self.text, 100)
        _, errors = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 1)
        self.assertEqual(len(errors.splitlines()), 1, errors)
        self.assertIn("shorter", errors)


class Resume(TextTest):
    ARGUMENTS = [word if word != "100" else "1500" for word in TINY] + ["--model", "gru,attention"]
    STATEFUL = [word if word != "100" else "1000" for word in TINY] + [
        "--model", "lstm,mingru", "--stateful"]

    def test_a_killed_run_ends_as_one_that_was_not(self):
        for arguments in (self.ARGUMENTS, self.STATEFUL):
            with self.subTest(arguments=arguments):
                self.kill_and_resume(arguments)

    def kill_and_resume(self, arguments):
        """Kills runs at moments drawn over all of their time, until there were KILLS."""
        whole = self.folder / "whole"
        shutil.rmtree(whole, ignore_errors=True)
        start = time.time()
        process = self.train(*arguments, out=whole)
        self.assertEqual(process.returncode, 0, process.stderr)
        seconds = time.time() - start
        models = sorted(path.name for path in (whole / "models").iterdir())
        self.assertEqual(len(models), 2)
        draw = random.Random(7)
        kills = runs = 0
        while kills < KILLS:
            out = self.folder / f"run{len(arguments)}-{runs}"
            runs += 1
            kills += self.finish_with_kills(arguments, out, lambda: draw.uniform(0, 1.1 * seconds))
            for name in ("training.csv", "context.csv", "text-samples.csv"):
                self.assertEqual(without_time(read_csv(out / name)),
                                 without_time(read_csv(whole / name)), name)
            for model in models:
                ours, theirs = (_tensors(folder / "models" / model) for folder in (out, whole))
                self.assertEqual(ours, theirs)
        print(f"killed {kills} times over {runs} runs of {seconds:.2f} s")

    def finish_with_kills(self, arguments, out, moment):
        """How often it was killed until it ended."""
        kills = 0
        while True:
            process = subprocess.Popen(
                [PROGRAM, "train", "--text", self.text, "--out", out, *arguments, "--resume"],
                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            try:
                _, errors = process.communicate(timeout=moment())
                self.assertEqual(process.returncode, 0, errors)
                return kills
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
                kills += 1

    def test_wrong_checkpoints(self):
        self.assertEqual(self.train(*TINY, "--model", "gru").returncode, 0)
        (self.out / "context.csv").unlink()
        file = self.out / "models/gru-default-seed1.safetensors"
        content = file.read_bytes()
        again = [*TINY, "--model", "gru", "--resume"]
        for wrong, part in ((content[:-4], "gru-default"), (b"x" * 100, "gru-default"),
                            (content.replace(b'"seqbench_text_model":"2"',
                                             b'"seqbench_text_model":"9"'), "newer"),
                            (content.replace(b'"seed":"1"', b'"seed":"7"'), "seed")):
            self.assertNotEqual(wrong, content)
            file.write_bytes(wrong)
            self.assert_refused(self.train(*again), 1, part)
            self.assertEqual(file.read_bytes(), wrong)
            self.assertEqual(len(read_csv(self.out / "training.csv")), 100)
        file.write_bytes(content)
        self.assertEqual(self.train(*again).returncode, 0)
        self.assert_refused(self.train(*TINY, "--model", "gru"), 2, "already holds")
        self.assert_refused(self.train(*TINY, "--model", "lstm", "--resume"), 2, "model")

    def test_another_text_of_that_name(self):
        self.assertEqual(self.train(*TINY, "--model", "gru").returncode, 0)
        (self.out / "context.csv").unlink()
        text = self.text.read_text()
        self.text.write_text(text[::-1])
        self.assert_refused(self.train(*TINY, "--model", "gru", "--resume"), 1, "text_sha256")
        self.text.write_text(text)
        self.assertEqual(self.train(*TINY, "--model", "gru", "--resume").returncode, 0)


def _tensors(path):
    """The bytes behind the header."""
    content = path.read_bytes()
    return content[8 + int.from_bytes(content[:8], "little"):]


class Sample(TextTest):
    def sample(self, model, *arguments):
        return run("sample", "--model-file", self.out / f"models/{model}-seed1.safetensors",
                   *arguments)

    def test_each_model_writes_words_of_its_text(self):
        process = self.train(*TINY[:-3], "--steps", "400", "--learning-rate", "2e-2",
                             "--no-progress")
        self.assertEqual(process.returncode, 0, process.stderr)
        for model in ("elman-default", "lstm-default", "gru-default", "mingru-default",
                      "attention-rotary"):
            arguments = ["--prompt", "the cat", "--tokens", "200", "--temperature", "0.5"]
            process = self.sample(model, *arguments)
            self.assertEqual(process.returncode, 0, process.stderr)
            self.assertTrue(process.stdout.startswith("the cat"), process.stdout)
            self.assertEqual(len(process.stdout), 7 + 200 + 1)
            self.assertIn("tokens/s", process.stderr)
            self.assertIn("bytes", process.stderr)
            self.assertEqual(self.sample(model, *arguments).stdout, process.stdout)
            (row,) = (row for row in read_csv(self.out / "text-samples.csv")
                      if model == f"{row['model']}-{row['variant']}")
            self.assertEqual(self.sample(model).stdout, row["prompt"] + row["text"] + "\n")
            self.assertNotEqual(self.sample(model, *arguments, "--seed", "2").stdout,
                                process.stdout)

    def test_what_cannot_be_written_with(self):
        self.assertEqual(self.train(*TINY, "--model", "gru").returncode, 0)
        self.assert_refused(self.sample("gru-default", "--prompt", "QX"), 2, "--prompt", "'QX'")
        self.assert_refused(self.sample("lstm-default"), 2, "--model-file")
        self.assert_refused(run("sample", "--model-file", self.text), 2, "--model-file")
        self.assert_refused(run("sample", "--model-file", self.folder), 2, "--model-file")
        file = self.out / "models/gru-default-seed1.safetensors"
        content = file.read_bytes()
        for wrong, part in ((content[:len(content) // 2], "gru-default"),
                            (content[:4], "gru-default"), (b"", "gru-default"),
                            (content.replace(b'"seqbench_text_model":"2"',
                                             b'"seqbench_text_model":"9"'), "newer")):
            file.write_bytes(wrong)
            self.assert_refused(self.sample("gru-default"), 2, "--model-file", part)


class Steps(TextTest):
    def test_prepared_steps_have_windows_rates_and_losses(self):
        file = self.folder / "steps.safetensors"
        case = "nanogpt-shakespeare:mingru:seqbench:B12:T64:D128:t1"
        requests = [{"do": "list"}, {"do": "prepare", "case": case, "file": str(file)},
                    {"do": "repeat", "case": case}]
        process = run("repeat", "--text", self.text, "--model", "mingru", "--threads", "1",
                      "--min-time", "0.001", input="".join(json.dumps(r) + "\n" for r in requests))
        answers = [json.loads(line) for line in process.stdout.splitlines()]
        self.assertEqual(answers[0], {"cases": [case]})
        self.assertEqual(answers[1]["status"], "ready", answers)
        self.assertEqual(answers[1]["cells"]["threads"], "1")
        self.assertGreater(answers[2]["seconds"], 0)
        content = file.read_bytes()
        header = json.loads(content[8:8 + int.from_bytes(content[:8], "little")])
        self.assertEqual(header["tokens"]["shape"], [100, 12, 64])
        self.assertEqual(header["losses"]["shape"], [100])
        self.assert_refused(run("repeat", "--text", self.text, "--batch", "3", input=""), 2, "--batch")


if __name__ == "__main__":
    unittest.main()
