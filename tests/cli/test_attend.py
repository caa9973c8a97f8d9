"""attend as a user runs it: trained and loaded models, its CSV read back, bad input."""

import math
import unittest

from program import ProgramTest, read_csv, run
from tensor_file import read_header, with_tensor, write_file

TIRED = "The animal didn't cross the street because it was too tired"
SAT = "The cat sat on the mat"
TINY = ["attend", "--steps", "20", "--test-sentences", "20"]


class Attend(ProgramTest):
    def test_every_model_layer_and_pair_of_words_has_its_row(self):
        out = self.folder / "run"
        process = run(*TINY, "--sentence", f"{TIRED}; {SAT}", "--layers", "1,2", "--seeds", "2",
                      "--seed", "5", "--out", out)
        self.assertEqual(process.returncode, 0, process.stderr)
        rows = read_csv(out / "attention.csv")
        self.assertEqual(len(rows), 2 * (1 + 2) * (11 * 11 + 6 * 6))
        self.assertEqual({row["seed"] for row in rows}, {"5", "6"})
        sums = {}
        for row in rows:
            key = (row["sentence"], row["seed"], row["layers"], row["layer"], row["head"],
                   row["query_index"])
            sums[key] = sums.get(key, 0) + float(row["weight"])
            self.assertEqual(row["query_token"],
                             row["sentence"].split()[int(row["query_index"])])
        for total in sums.values():
            self.assertAlmostEqual(total, 1)
        # A weight is the softmax of its row's scores.
        first = [row for row in rows[:11]]
        scores = [math.exp(float(row["score"])) for row in first]
        for score, row in zip(scores, first):
            self.assertAlmostEqual(score / sum(scores), float(row["weight"]))
        verbs = {row["query_token"] for row in rows if row["sentence"] == SAT}
        self.assertIn("sat", verbs)  # the hidden verb as its own word
        for part in ("layer 2, head 1", "animal", "right noun", "first noun", "░"):
            self.assertIn(part, process.stdout)
        interventions = read_csv(out / "interventions.csv")
        self.assertEqual({row["hidden"] for row in interventions if row["task"] == "coreference"},
                         {"nothing", "right noun", "other noun", "the", "didn't", "verb",
                          "because", "it", "was", "too", "adjective"})
        for row in interventions:
            self.assertTrue(0 <= float(row["accuracy"]) <= 1)
            self.assertEqual(row["sentences"], "20")
            self.assertEqual(row["largest_share"] == "", row["hidden"] != "nothing")

    def test_a_saved_model_reads_as_the_one_it_was(self):
        trained, saved, loaded = (self.folder / name for name in ("trained", "saved", "loaded"))
        process = run(*TINY, "--layers", "2", "--seed", "3", "--out", trained)
        self.assertEqual(process.returncode, 0, process.stderr)
        process = run("recall", "--task", "coreference", "--setup", "encoder", "--model",
                      "attention", "--distance", "0", "--seed", "3", "--seeds", "1", "--steps",
                      "20", "--save-models", "--out", saved)
        self.assertEqual(process.returncode, 0, process.stderr)
        row = read_csv(saved / "recall.csv")[0]
        self.assertTrue(float(row["pair_accuracy"]) <= float(row["accuracy"]))
        file = saved / "models/coreference-encoder-attention-learned-layers2-distance0-seed3.safetensors"
        process = run("attend", "--model-file", file, "--test-sentences", "20", "--explain", "IT",
                      "--out", loaded)
        self.assertEqual(process.returncode, 0, process.stderr)
        self.assertIn("query, key and value of \"it\"", process.stdout)
        for name in ("attention.csv", "interventions.csv"):
            # A model's file does not say how it was trained.
            unknown = {"run_id": "", "learning_rate": "", "weight_decay": ""}
            rows = [[row | unknown for row in read_csv(out / name)] for out in (trained, loaded)]
            self.assertEqual(rows[0], rows[1])
            self.assertEqual({row["learning_rate"] for row in read_csv(loaded / name)}, {""})

    def test_a_mixture_of_distances_reads_each_of_them(self):
        saved, out = self.folder / "saved", self.folder / "run"
        run("recall", "--task", "hidden_verb", "--model", "attention", "--regime", "mixed",
            "--distance", "0,8", "--seeds", "1", "--steps", "2", "--save-models", "--out", saved)
        [file] = (saved / "models").iterdir()
        process = run("attend", "--model-file", file, "--sentence", SAT, "--test-sentences", "20",
                      "--out", out)
        self.assertEqual(process.returncode, 0, process.stderr)
        self.assertEqual({row["sentence"] for row in read_csv(out / "attention.csv")}, {SAT})
        process = run("attend", "--model-file", file, "--sentence",
                      "The cat sat on the mat yesterday today", cwd=self.folder)
        self.assert_refused(process, 2, "--model-file", "2 filler words")

    # Without dropout the first two seeds lose a quarter and an eighth of the answers with "on".
    def test_the_hidden_verb_rests_on_its_two_nouns(self):
        out = self.folder / "run"
        process = run("attend", "--sentence", SAT, "--seeds", "2", "--out", out)
        self.assertEqual(process.returncode, 0, process.stderr)
        for row in read_csv(out / "interventions.csv"):
            accuracy = float(row["accuracy"])
            if row["hidden"] in ("first noun", "second noun"):
                self.assertLessEqual(accuracy, 0.35)
            else:
                self.assertGreaterEqual(accuracy, 0.95, row["hidden"])
            if row["hidden"] == "nothing":
                weight = float(row["noun_weight"]) + float(row["other_noun_weight"])
                self.assertGreaterEqual(weight, 0.6)

    def test_results_do_not_depend_on_threads(self):
        tables = []
        for threads in (1, 2):
            out = self.folder / f"run{threads}"
            run(*TINY, "--seeds", "2", "--threads", threads, "--out", out)
            tables.append(sorted(str({**row, "run_id": ""})
                                 for row in read_csv(out / "attention.csv")))
        self.assertEqual(tables[0], tables[1])
        self.assertEqual(len(tables[0]), 2 * (2 + 1) * 121)

    def test_settings_are_compared_each_with_its_rows(self):
        out = self.folder / "run"
        options = [*TINY, "--layers", "1", "--seeds", "2", "--learning-rate", "1e-3,1e-2",
                   "--weight-decay", "0,1", "--mlp", "0,4", "--out", out]
        process = run(*options)
        self.assertEqual(process.returncode, 0, process.stderr)
        self.assertIn("learning rate 0.001, weight decay 0, MLP × 4", process.stdout)
        self.assertIn("right noun from it alone", process.stdout)
        rows = read_csv(out / "interventions.csv")
        whole = [row for row in rows if row["hidden"] == "nothing"]
        told = {(row["learning_rate"], row["weight_decay"], row["mlp_expansion"], row["seed"])
                for row in whole}
        self.assertEqual(told, {(rate, decay, mlp, seed) for rate in ("0.001", "0.01")
                                for decay in ("0", "1") for mlp in ("0", "4")
                                for seed in ("1", "2")})
        self.assertEqual(len(whole), 16)
        # Eight settings, one seed: other weights each.
        self.assertEqual(len({row["noun_weight"] for row in whole if row["seed"] == "1"}), 8)
        self.assertEqual({row["hidden_from"] for row in rows}, {"", "all", "it"})
        self.assertEqual(len(read_csv(out / "attention.csv")), 16 * 11 * 11)
        run(*options, "--resume")
        self.assertEqual(read_csv(out / "interventions.csv"), rows)

    def test_a_sentence_that_is_given_twice_has_its_rows_once(self):
        out = self.folder / "run"
        process = run(*TINY, "--sentence", f"{SAT}; {SAT};", "--layers", "1", "--out", out)
        self.assertEqual(process.returncode, 0, process.stderr)
        self.assertEqual(len(read_csv(out / "attention.csv")), 6 * 6)

    def test_resume_adds_nothing_twice_and_refuses_other_options(self):
        out = self.folder / "run"
        run(*TINY, "--out", out)
        first = read_csv(out / "attention.csv")
        self.assert_refused(run(*TINY, "--out", out), 2, "attention.csv", "--out")
        process = run(*TINY, "--out", out, "--resume")
        self.assertEqual(process.returncode, 0, process.stderr)
        self.assertEqual(read_csv(out / "attention.csv"), first)
        # A run that was killed between the two files.
        (out / "interventions.csv").unlink()
        process = run(*TINY, "--out", out, "--resume")
        self.assertEqual(process.returncode, 0, process.stderr)
        self.assertEqual(read_csv(out / "attention.csv"), first)
        self.assertGreater(len(read_csv(out / "interventions.csv")), 0)
        self.assert_refused(run(*TINY, "--seeds", "2", "--out", out, "--resume"), 2, "seeds")


class BadInput(ProgramTest):
    def test_sentences_and_words(self):
        for options, parts in [
            (["--sentence", "The unicorn sat on the mat"], ["'unicorn'", "animal", "slept"]),
            (["--sentence", "The cat sat"], ["3 words"]),
            (["--sentence", " ; "], ["--sentence"]),
            (["--sentence", "The mat cat on the sat"], ["word 3", "'cat'"]),
            (["--explain", "cat"], ["--explain", "'cat'"]),
            (["--layers", "0"], ["--layers"]),
            (["--test-sentences", "0"], ["--test-sentences"]),
            (["--model-file", "/nonexistent.safetensors"], ["--model-file", "/nonexistent"]),
            (["--model-file", "x.safetensors", "--seeds", "2"], ["--seeds", "--model-file"]),
            (["--model-file", "x.safetensors", "--mlp", "2"], ["--mlp", "--model-file"]),
            (["--weight-decay", "0,-1"], ["--weight-decay", "'-1'"]),
        ]:
            with self.subTest(options=options):
                process = run("attend", *options, cwd=self.folder)
                self.assert_refused(process, 2, *parts)
                self.assertEqual(list(self.folder.iterdir()), [])

    def test_model_files_of_something_else(self):
        saved = self.folder / "saved"
        run("recall", "--task", "coreference,hidden_verb,first_token", "--model", "attention,lstm",
            "--distance", "2", "--seeds", "1", "--steps", "1", "--batch", "4", "--save-models",
            "--out", saved)
        names = sorted(path.name for path in (saved / "models").iterdir())
        self.assertEqual(len(names), 9)
        for name, parts in [
            ("coreference-causal-attention-learned-layers2-distance2-seed1", ["causal", "encoder"]),
            ("coreference-encoder-lstm-default-layers2-distance2-seed1", ["lstm", "attention"]),
            ("first_token-causal-attention-learned-layers2-distance2-seed1", ["first_token"]),
            ("coreference-encoder-attention-learned-layers2-distance2-seed1", ["0 filler words"]),
            ("hidden_verb-encoder-attention-learned-layers1-distance2-seed1", ["coreference"]),
        ]:
            with self.subTest(name=name):
                file = saved / f"models/{name}.safetensors"
                self.assertTrue(file.exists(), names)
                process = run("attend", "--model-file", file, cwd=self.folder)
                self.assert_refused(process, 2, "--model-file", *parts)
        name = "coreference-encoder-attention-learned-layers2-distance2-seed1"
        whole, other = saved / f"models/{name}.safetensors", self.folder / "other.safetensors"
        header, data = read_header(whole)
        for metadata, tensor, part in [
            ({"rotary": "true"}, None, 'metadata "rotary" is not allowed'),
            ({"heads": "3"}, None, 'metadata "heads" is "3"'),
            ({}, "blocks.0.bias_k", 'tensor "blocks.0.bias_k" is not allowed'),
        ]:
            with self.subTest(part):
                changed = header | {"__metadata__": header["__metadata__"] | metadata}
                entries = with_tensor(changed, data, tensor) if tensor else (changed, data)
                write_file(other, *entries)
                self.assert_refused(run("attend", "--model-file", other, cwd=self.folder), 2,
                                    "--model-file", str(other), part)
        process = run("attend", "--model-file", f"{whole},{whole}", cwd=self.folder)
        self.assert_refused(process, 2, "--model-file", whole.name, "told apart")
        torn = self.folder / "torn.safetensors"
        torn.write_bytes(file.read_bytes()[:-4])
        self.assert_refused(run("attend", "--model-file", torn), 2, "--model-file", str(torn))


if __name__ == "__main__":
    unittest.main()
