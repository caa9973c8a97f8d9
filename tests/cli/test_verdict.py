"""scripts/plotting/verdict.py on tiny hand-made runs: which word the rows of each claim allow."""

import csv
import importlib.util
import io
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
sys.dont_write_bytecode = True

INSTALLED = all(importlib.util.find_spec(name) for name in ("pandas", "altair", "vl_convert"))
if INSTALLED:
    from plotting import verdict
    from plotting.reading import read_run


def text_of(rows):
    """CSV of dicts with the same keys."""
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0].keys(), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def timed(model, threads, seconds, length=64, status="ok"):
    """A training case of batch 1, width 8, known to a hundredth."""
    heads, causal = (2, "false") if model == "attention" else ("", "")
    kernel = "fused" if model == "attention" else "persistent"
    return {
        "run_id": "r", "case_id": f"{model}:{length}:{threads}", "model": model, "kernel": kernel,
        "pass": "train", "batch": 1, "seq_len": length, "width": 8, "heads": heads,
        "threads": threads, "causal": causal, "seconds": seconds, "seconds_low": seconds * 0.99,
        "seconds_high": seconds * 1.01, "tokens_per_second": length / seconds, "status": status,
        "reason": "",
    }  # fmt: skip


def crossover(baseline, batch, length, status="ok"):
    return {
        "run_id": "r", "pass": "train", "kernel": "fused", "baseline_model": baseline,
        "baseline_kernel": "persistent", "batch": batch, "width": 8, "heads": 2, "causal": "false",
        "threads": 1, "crossover_seq_len": length, "status": status,
    }  # fmt: skip


def trained(task, model, variant, outcomes, distance=64, accuracy=None, chance=0.25):
    """A row a seed: "s" solved, "g" guessing."""
    return [
        {
            "run_id": "r", "task": task, "setup": "causal", "regime": "single", "model": model,
            "variant": variant, "layers": 1, "train_distance": distance, "distance": distance,
            "seed": seed, "accuracy": (1 if word == "s" else chance) if accuracy is None else accuracy,
            "chance": chance, "status": "ok", "reason": "", "solved": "true" if word == "s" else "false",
            "outcome": "solved" if word == "s" else "guessing",
        }
        for seed, word in enumerate(outcomes, 1)
    ]  # fmt: skip


def watched(rate, weight, accuracy_when_cut, seeds=5):
    """Models of one setting: nothing hidden, and the right noun hidden from "it"."""
    rows = []
    for seed in range(1, seeds + 1):
        for hidden, origin, accuracy in (("nothing", "", 1), ("right noun", "it", accuracy_when_cut)):
            told = hidden == "nothing"
            rows.append({
                "run_id": "r", "task": "coreference", "setup": "encoder", "seed": seed, "layers": 2,
                "heads": 1, "distance": 0, "learning_rate": rate, "weight_decay": 0,
                "mlp_expansion": 1, "sentences": 500, "hidden": hidden, "key_index": "",
                "hidden_from": origin, "accuracy": accuracy, "noun_weight": weight if told else "",
                "other_noun_weight": 0 if told else "", "largest_share": 1 if told else "",
                "outweighs_share": 1 if told else "",
            })  # fmt: skip
    return rows


@unittest.skipUnless(INSTALLED, "needs the venv of scripts/bootstrap")
class Verdicts(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = Path(temporary.name) / "run"
        self.folder.mkdir()

    def judge(self, number, **tables):
        """The verdict on claim `number` of a run with these tables."""
        for old in self.folder.iterdir():
            old.unlink()
        for name, rows in tables.items():
            (self.folder / f"{name}.csv").write_text(text_of(rows), encoding="utf-8")
        self.run_read = read_run(self.folder)
        return verdict.verdicts_of(self.run_read)[number - 1]

    def word(self, number, **tables):
        return self.judge(number, **tables).verdict

    def race(self, threads, **seconds):
        return [row for model, (one, all_) in seconds.items() for length in (64, 128)
                for row in (timed(model, 1, one, length), timed(model, threads, all_, length))]

    def test_parallel_gain(self):
        serial = {"attention": (8, 1), "lstm": (8, 8)}
        alike = {"attention": (8, 1), "lstm": (8, 1.1), "gru": (8, 1.05)}
        self.assertEqual(self.word(1, throughput=self.race(8, **serial)), "holds")
        self.assertEqual(self.word(1, throughput=self.race(8, **alike)), "does not hold here")
        self.assertEqual(self.word(1, throughput=self.race(2, **serial)), "not settled: 2 threads only")
        one = self.judge(1, throughput=self.race(8, **alike))
        # The model that gains least decides.
        self.assertAlmostEqual(one.figure, 1.1)
        self.assertEqual(one.unit, "attention's gain ÷ LSTM's")
        noisy = [row | {"status": "noisy"} for row in self.race(8, **serial)]
        self.assertEqual(self.word(1, throughput=noisy), "not settled: 4 of 4 rows are noisy")
        self.assertEqual(self.word(1, recall=trained("adding", "lstm", "default", "s")),
                         verdict.NOT_MEASURED)  # fmt: skip

    def test_parallel_gain_that_differs_between_lengths(self):
        rows = [timed(model, threads, seconds, length)
                for length, gained in ((64, 8), (128, 4), (256, 7))
                for model, threads, seconds in (("attention", 1, 8), ("attention", 8, 1),
                                                ("lstm", 1, 8), ("lstm", 8, 8 / gained))]  # fmt: skip
        self.assertEqual(self.word(1, throughput=rows), "does not hold here")
        rows = [timed(model, threads, seconds, length)
                for length, gained in ((64, 8), (128, 4), (256, 4))
                for model, threads, seconds in (("attention", 1, 8), ("attention", 8, 1),
                                                ("lstm", 1, 8), ("lstm", 8, 8 / gained))]  # fmt: skip
        self.assertEqual(self.word(1, throughput=rows), "depends on the model: the LSTM gains least")

    def test_lead_in_training(self):
        race = self.race(2, attention=(1, 1), lstm=(2, 2), elman=(0.5, 0.5))
        lost = self.judge(2, throughput=race, crossover=[
            crossover("elman", 1, "", "never_ahead"), crossover("lstm", 16, 437.2),
            crossover("lstm", 1, 697.4)])  # fmt: skip
        self.assertEqual(lost.verdict, "depends on length and model")
        self.assertEqual(lost.figure, 697.4)
        self.assertIn("faster than LSTM below 697 tokens (batch 1), 437 (batch 16); Elman RNN never",
                      lost.text)  # fmt: skip
        for status, word in (("always_ahead", "holds"), ("never_ahead", "does not hold here")):
            rows = [crossover(model, 1, "", status) for model in ("lstm", "elman")]
            self.assertEqual(self.word(2, throughput=race, crossover=rows), word)
        noisy = [row | {"status": "noisy"} for row in race]
        self.assertIn("rows are noisy",
                      self.word(2, throughput=noisy, crossover=[crossover("lstm", 1, 697)]))  # fmt: skip

    def test_memory(self):
        def word(**starts):
            rows = trained("first_token", "attention", "learned", "sssss")
            for name, seeds in starts.items():
                rows += trained("first_token", "lstm", name, seeds)
            return self.word(3, recall=rows)

        self.assertEqual(word(default="ggggg", chrono="sssss"), "depends on the start")
        self.assertEqual(word(default="ggggg", chrono="ggggg"), "holds")
        self.assertEqual(word(default="sssss", chrono="sssss"), "does not hold here")
        self.assertEqual(word(default="ggg", chrono="sss"), "not settled: 3 seeds, 5 needed")
        self.assertEqual(word(default="ggggg", chrono="ssggg"), "not settled: 2 of 5 seeds solve")

    def test_memory_is_judged_at_the_longest_distance(self):
        rows = [row for distance, seeds in ((8, "sssss"), (64, "ggggg"))
                for model, variant in (("attention", "learned"), ("lstm", "default"))
                for row in trained("first_token", model, variant,
                                   "sssss" if model == "attention" else seeds, distance)]  # fmt: skip
        judged = self.judge(3, recall=rows)
        self.assertEqual((judged.verdict, judged.figure), ("holds", 0))
        self.assertEqual(judged.condition, "first_token, 64 tokens")

    def test_pairing(self):
        def judged(seeds="sssss", meanpool=0.25):
            return self.judge(4, recall=[
                *trained("mqar", "attention", "learned+conv3", seeds),
                *trained("mqar", "gru", "conv3", "ggg", accuracy=0.3),
                *trained("mqar", "attention", "meanpool+conv3", "g", accuracy=meanpool)])  # fmt: skip

        self.assertEqual(judged().verdict, "holds up to 64 tokens")
        self.assertIn("best recurrent 30 % (GRU conv3), control meanpool+conv3 25 %, guessing 25 %",
                      judged().text)  # fmt: skip
        self.assertEqual(judged("ggggg").verdict, "does not hold here")
        self.assertEqual(judged("sss").verdict, "not settled: 3 seeds, 5 needed")
        self.assertEqual(judged(meanpool=0.36).verdict,
                         "not settled: the control meanpool+conv3 solves it too")  # fmt: skip

    def test_weights(self):
        def word(*settings, **options):
            rows = [row for rate, (weight, cut) in enumerate(settings, 1)
                    for row in watched(rate, weight, cut, **options)]  # fmt: skip
            return self.word(5, interventions=rows)

        shown, unused, elsewhere = (0.9, 0.1), (0.9, 0.9), (0.1, 0.9)
        self.assertEqual(word(*[shown] * 8), "holds")
        self.assertEqual(word(*[unused] * 8), "does not hold here")
        self.assertEqual(word(*[shown] * 4, *[elsewhere] * 4), "depends on how it is trained")
        self.assertEqual(word(shown), "not settled: 1 setting of training")
        self.assertEqual(word(*[shown] * 8, seeds=2), "not settled: 2 seeds, 5 needed")

    def test_formula(self):
        rows = self.race(2, attention=(1, 1), lstm=(2, 2))
        self.assertEqual(self.word(6, throughput=rows), "holds")
        rows[0] = rows[0] | {"status": "failed", "seconds": ""}
        judged = self.judge(6, throughput=rows)
        self.assertEqual((judged.verdict, judged.figure), ("does not hold here", 0.75))

    def test_surprise(self):
        race = self.race(2, attention=(1, 1), lstm=(2, 1.1))
        self.assertEqual(self.word(7, throughput=race), "a recurrent step runs in parallel too")
        state = [*trained("parity", "attention", "learned", "ggggg"),
                 *trained("parity", "gru", "default", "sssss")]  # fmt: skip
        self.assertEqual(self.word(7, throughput=race, recall=state),
                         "recurrence tracks state, attention does not")  # fmt: skip

    def full(self):
        rows = [*trained("first_token", "lstm", "default", "ggggg"),
                *trained("first_token", "attention", "learned", "sssss")]  # fmt: skip
        self.judge(1, throughput=self.race(2, attention=(1, 1), lstm=(2, 2), gru=(3, 2)),
                   crossover=[crossover("lstm", batch, 1234.5) for batch in (1, 16)],
                   recall=rows, interventions=watched(0.1, 0.9, 0.1))  # fmt: skip
        return verdict.verdicts_of(self.run_read)

    def test_the_table_is_short_and_narrow(self):
        for verdicts in (self.full(), [verdict.Verdict(number, verdict.NOT_MEASURED, text="x " * 500)
                                       for number in range(1, 8)]):  # fmt: skip
            lines = verdict.as_text(verdicts, "run (a machine)").splitlines()
            self.assertLessEqual(len(lines), verdict.MOST_LINES)
            self.assertLessEqual(max(map(len, lines)), verdict.WIDTH)
            for number in range(1, 8):
                self.assertTrue(any(line.startswith(f"{number} ") for line in lines))
        self.assertIn("  NOT SETTLED: not measured in this run", "\n".join(lines))

    def test_the_file_has_a_row_a_claim_and_numbers_that_read_back(self):
        verdicts = self.full()
        rows = list(csv.DictReader(io.StringIO(verdict.as_csv({"r": verdicts}))))
        self.assertEqual([row["claim"] for row in rows], [str(number) for number in range(1, 8)])
        self.assertEqual(list(rows[0]), list(verdict.COLUMNS))
        for row, one in zip(rows, verdicts):
            self.assertEqual(row["verdict"], one.verdict)
            self.assertEqual(float(row["figure"] or "nan") if one.figure == one.figure else "",
                             one.figure if one.figure == one.figure else row["figure"])  # fmt: skip
            if one.source_file:
                self.assertIn(one.source_file.removesuffix(".csv"), self.run_read.tables)

    def test_agreement_names_the_claims_that_differ(self):
        verdicts = self.full()
        other = [*verdicts[:-1], verdict.Verdict(7, "holds up to 8 tokens")]
        text = verdict.agreement({"a": verdicts, "b": other})
        self.assertIn("6 of 7 verdicts are the same in all runs", text)
        self.assertIn("b: HOLDS up to 8 tokens", text)


if __name__ == "__main__":
    unittest.main()
