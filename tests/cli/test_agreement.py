"""What scripts/plot says of several runs together, and its map of crossovers."""

import contextlib
import importlib.util
import io
import sys
import unittest
from pathlib import Path

from program import ProgramTest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
sys.dont_write_bytecode = True

INSTALLED = all(importlib.util.find_spec(name) for name in ("pandas", "altair", "vl_convert"))
if INSTALLED:
    from plotting import agreement, claims, precision, race
    from plotting.__main__ import main
    from plotting.reading import read_run

SPEEDUP = ("run_id,pass,kernel,baseline_model,baseline_kernel,batch,seq_len,width,heads,causal,threads,"
           "speedup,speedup_low,speedup_high,status")
CROSSOVER = ("run_id,pass,kernel,baseline_model,baseline_kernel,batch,width,heads,causal,threads,"
             "crossover_seq_len,status,crossover_low,crossover_high,predicted,reason,dtype")
THROUGHPUT = ("run_id,case_id,model,kernel,pass,batch,seq_len,width,heads,threads,causal,seconds,"
              "seconds_low,seconds_high,tokens_per_second,status,reason")


def speedup(baseline, length, threads, value, half=0.1):
    return (f"r,train,fused,{baseline},persistent,1,{length},256,4,false,{threads},{value},"
            f"{value - half},{value + half},ok")


def crossing(baseline, threads, length, *, batch=1, width=256, low="", high="", status="ok",
             dtype="float32"):
    return (f"r,train,fused,{baseline},persistent,{batch},{width},4,false,{threads},{length},{status},"
            f"{low},{high},{2 * width},,{dtype}")


def time(model, kernel, threads, seconds):
    heads, causal = ("4", "false") if model == "attention" else ("", "")
    return (f"r,{model}:t{threads},{model},{kernel},train,1,64,256,{heads},{threads},{causal},{seconds},"
            f"{seconds},{seconds},{64 / seconds},ok,")


@unittest.skipUnless(INSTALLED, "needs the Python of scripts/bootstrap")
class Agreement(ProgramTest):
    def run_of(self, name, **tables):
        headers = {"speedup": SPEEDUP, "crossover": CROSSOVER, "throughput": THROUGHPUT}
        folder = self.folder / name
        folder.mkdir()
        for table, rows in tables.items():
            (folder / f"{table}.csv").write_text("\n".join([headers[table], *rows]) + "\n")
        return read_run(folder)

    def text(self, *runs):
        return " ".join(agreement.agreement_text(list(runs)).split())

    def test_of_one_run_there_is_nothing_to_say(self):
        self.assertEqual(self.text(self.run_of("a", speedup=[speedup("lstm", 64, 1, 2)])), "")

    def test_who_is_ahead_is_compared_where_every_run_decides(self):
        one = self.run_of("a", speedup=[speedup("lstm", 64, 1, 2), speedup("lstm", 128, 1, 1.5),
                                        speedup("lstm", 256, 1, 1.05), speedup("lstm", 512, 1, 2)])
        other = self.run_of("b", speedup=[speedup("lstm", 64, 1, 1.9), speedup("lstm", 128, 1, 0.5),
                                          speedup("lstm", 256, 1, 0.5)])
        text = self.text(one, other)
        self.assertIn("3 cases that all runs have: in 2 all decide, and 1 of these the same way", text)
        self.assertIn("÷ LSTM, batch 1, width 256, 1 thread, length 128: ahead, behind", text)
        self.assertNotIn("length 64:", text)

    def test_all_threads_of_one_machine_are_those_of_another(self):
        one = self.run_of("a", speedup=[speedup("gru", 64, 1, 2), speedup("gru", 64, 2, 2)])
        other = self.run_of("b", speedup=[speedup("gru", 64, 1, 2), speedup("gru", 64, 8, 0.5)])
        text = self.text(one, other)
        self.assertIn("2 cases that all runs have", text)
        self.assertIn("all threads, length 64: ahead, behind", text)

    def test_crossovers_agree_within_the_intervals_of_all_runs(self):
        def crossovers(*lengths):
            return [crossing(model, 1, length, low=0.9 * length, high=1.1 * length)
                    for model, length in zip(("lstm", "gru"), lengths)]
        runs = [self.run_of("a", crossover=crossovers(700, 400)),
                self.run_of("b", crossover=crossovers(750, 600)),
                self.run_of("c", crossover=crossovers(720, 410))]
        text = self.text(*runs)
        self.assertIn("in 1 of 2 cases within the intervals of all runs", text)
        self.assertIn("÷ GRU, batch 1, width 256, 1 thread: 400 (360 to 440), 600 (540 to 660),"
                      " 410 (369 to 451)", text)
        self.assertNotIn("÷ LSTM", text)

    def test_a_lead_that_is_not_lost_agrees_with_none_that_is(self):
        kept = crossing("lstm", 1, "", status="always_ahead")
        lost = crossing("lstm", 1, 700, low=650, high=750)
        text = self.text(self.run_of("a", crossover=[kept]), self.run_of("b", crossover=[lost]))
        self.assertIn("in 0 of 1 cases", text)
        self.assertIn("not lost, 700 (650 to 750)", text)

    def test_who_gains_more_from_threads(self):
        def times(attention, lstm):
            return [time("attention", "fused", 1, 1), time("attention", "fused", 2, 1 / attention),
                    time("lstm", "persistent", 1, 1), time("lstm", "persistent", 2, 1 / lstm)]
        one = self.run_of("a", throughput=times(1.9, 1.8))
        text = self.text(one, self.run_of("b", throughput=times(1.95, 1.5)))
        self.assertIn("×1.90 and ×1.80; ×1.95 and ×1.50: attention gains more in all", text)
        text = self.text(one, self.run_of("c", throughput=times(1.5, 1.6)))
        self.assertIn("the runs differ", text)

    def test_the_words_stand_at_the_end_of_claims_and_are_printed(self):
        for name in ("a", "b"):
            self.run_of(name, speedup=[speedup("lstm", 64, 1, 2)])
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            code = main([str(self.folder / "a"), str(self.folder / "b"), "--out",
                         str(self.folder / "both")])
        self.assertEqual(code, 0)
        sentence = "1 cases that all runs have: in 1 all decide, and 1 of these the same way"
        self.assertIn(sentence, printed.getvalue())
        self.assertIn(sentence, (self.folder / "both/claims-details.txt").read_text(encoding="utf-8"))

    def test_the_map_has_a_cell_for_each_width_and_batch(self):
        rows = [crossing("lstm", threads, 2.5 * width / batch, batch=batch, width=width)
                for width in (64, 128) for batch in (1, 4) for threads in (1, 2)]
        rows += [crossing("gru", 1, "", width=64, status="never_ahead"),
                 crossing("gru", 1, "", width=128, status="always_ahead")]
        run = self.run_of("a", crossover=rows)
        chart = race.crossover_map([run]).to_dict()
        (cells,) = chart["datasets"].values()
        self.assertEqual(len(cells), 10)
        told = {(cell["row_panel"], cell["column_panel"], cell["width"], cell["batch"]): cell["told"]
                for cell in cells}
        self.assertEqual(told[("train, ÷ LSTM", "2 threads", 128, 4)], "80")
        self.assertEqual(told[("train, ÷ GRU", "1 thread", 64, 1)], "none")
        self.assertEqual(told[("train, ÷ GRU", "1 thread", 128, 1)], ">")

    def test_one_width_is_no_map(self):
        run = self.run_of("a", crossover=[crossing("lstm", 1, 700)])
        self.assertIsNone(race.crossover_map([run]))

    def test_the_map_has_a_panel_for_each_precision(self):
        rows = [crossing("lstm", threads, 700 if dtype == "float32" else 1050, dtype=dtype)
                for threads in (1, 2) for dtype in ("bfloat16", "float32")]
        chart = race.crossover_map([self.run_of("a", crossover=rows)]).to_dict()
        self.assertEqual(chart["facet"]["column"]["sort"],
                         [f"{threads}, {dtype}" for threads in ("1 thread", "2 threads")
                          for dtype in ("float32", "bfloat16")])
        (cells,) = chart["datasets"].values()
        told = {cell["column_panel"]: cell["told"] for cell in cells}
        self.assertEqual(told["1 thread, float32"], "700")
        self.assertEqual(told["2 threads, bfloat16"], "1050")

    def test_how_the_crossing_moves_with_the_precision(self):
        def both(model, one, other):
            return [crossing(model, 1, one), crossing(model, 1, other, dtype="bfloat16")]
        rows = [*both("lstm", 700, 1050), *both("gru", 400, 300),
                crossing("elman", 1, "", status="never_ahead"),
                crossing("elman", 1, "", status="never_ahead", dtype="bfloat16"),
                crossing("mingru", 1, 90), crossing("mingru", 1, "", status="always_ahead",
                                                    dtype="bfloat16"),
                crossing("lstm", 2, 900)]
        lines = precision.figures(self.run_of("a", crossover=rows))
        self.assertEqual(lines, (
            "train, ÷ LSTM, batch 1, 1 thread: lead lost at 700 in float32, lost at 1050 in bfloat16 (×1.50)",
            "train, ÷ GRU, batch 1, 1 thread: lead lost at 400 in float32, lost at 300 in bfloat16 (×0.75)",
            "train, ÷ minGRU, batch 1, 1 thread: lead lost at 90 in float32, not lost in bfloat16",
            "train, ÷ Elman RNN, batch 1, 1 thread: lead never there in float32, never there in"
            " bfloat16",
            "in bfloat16 attention's lead lasts longer in 2 of 4 cases, less long in 1: the length at"
            " which it is lost ×1.12 (median of 2, 0.75 to 1.50) (width 256, 4 heads, full attention)"))
        one = self.run_of("b", crossover=[crossing("lstm", 1, 700)])
        self.assertEqual(precision.figures(one), ())

    def test_claims_say_how_the_crossing_moves_and_are_else_about_float32(self):
        cells = [crossing("lstm", 1, 700), crossing("lstm", 1, 1050, dtype="bfloat16")]
        run = self.run_of("a", crossover=cells, speedup=[speedup("lstm", 64, 1, 2)])
        text = claims.as_text(claims.claims_of(run), run)
        self.assertIn("lead lost at 700\n", text)
        self.assertIn("at 1050 in bfloat16", text)


if __name__ == "__main__":
    unittest.main()
