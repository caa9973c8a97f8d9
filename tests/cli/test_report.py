"""What report.html says, without a browser: runs that lack files, hold other things than expected, or
names that look like code; Table 1, the questions' answers and the commands, by hand-made rows."""

import importlib.util
import re
import shutil
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "results/reference"
sys.path.insert(0, str(ROOT / "scripts"))
sys.dont_write_bytecode = True

INSTALLED = all(importlib.util.find_spec(name) for name in ("pandas", "altair", "vl_convert"))
if INSTALLED:
    import pandas as pd

    from plotting import claims, report, verdict
    from plotting.figures import figures_of
    from plotting.naming import MODELS
    from plotting.page import chart, commands, learning_charts, markup, questions, table_one, text_charts
    from plotting.reading import COLUMNS, NEEDED, TEXT_COLUMNS, read_run

# Of each file enough rows for its charts, so that a page takes little time.
KEPT = {
    "throughput": lambda rows: rows[(rows["batch"] == "1") & (rows["pass"] == "train")],
    "speedup": lambda rows: rows[(rows["batch"] == "1") & (rows["pass"] == "train")],
    "attention": lambda rows: rows[rows["sentence"].str.contains("cat")],
    "learning": lambda rows: rows.head(50),
    "context": lambda rows: rows[rows["position"].str.len() < 2],
    "gradient": lambda rows: rows[rows["seed"] == "1"],
}
# What a cell may hold that is no number.
NO_NUMBERS = ("", "nan", "inf", "-inf", "-1", "0")
# How much of a file is there (bytes, or a share of its rows; None for no file), and what the page says.
STATES = ((None, "not in this run"), (0, "holds no rows"), (9, "holds no rows"), (0.5, ""))
HOSTILE = ("</script><script>alert(1)</script>", "=cmd()", "--><!--", "\"'&`\\", "\u2028\n")


def page_of(*runs):
    return report.report_html(
        runs, [], {run.name: verdict.verdicts_of(run) for run in runs},
        {run.name: claims.claims_of(run) for run in runs},
    )  # fmt: skip


def text_of(page):
    """What a reader sees, without scripts."""
    return re.sub(r"<[^>]+>", " ", re.sub(r"<script.*?</script>|<style.*?</style>", "", page, flags=re.S))


class RunFolder(unittest.TestCase):
    """A folder with parts of the reference run's files."""

    @classmethod
    def setUpClass(cls):
        if not INSTALLED:
            raise unittest.SkipTest("needs the venv of scripts/bootstrap")
        cls.parts = Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        for path in REFERENCE.glob("*.csv"):
            rows = pd.read_csv(path, dtype="string", keep_default_na=False)
            rows = KEPT.get(path.stem, lambda rows: rows)(rows)
            rows.to_csv(cls.parts / path.name, index=False)
        shutil.copy(REFERENCE / "machine.json", cls.parts)

    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = Path(scratch.name) / "run"
        shutil.copytree(self.parts, self.folder)

    def change(self, name, change):
        path = self.folder / name
        rows = change(pd.read_csv(path, dtype="string", keep_default_na=False))
        rows.to_csv(path, index=False)

    def restore(self, name):
        shutil.copy(self.parts / name, self.folder)

    def page(self):
        return page_of(read_run(self.folder))


class Robust(RunFolder):
    """The page is made of what is there, and names what is not."""

    def names(self):
        return sorted(path.name for path in self.folder.glob("*.csv") if path.stem in COLUMNS)

    def test_files_that_are_absent_empty_or_torn_are_named(self):
        # In each round every file is in another state than in the others.
        for turn in range(len(STATES)):
            with self.subTest(turn=turn):
                expected = []
                for place, name in enumerate(self.names()):
                    keeps, told = STATES[(place + turn) % len(STATES)]
                    path = self.folder / name
                    whole = path.read_bytes()
                    if keeps is None:
                        path.unlink()
                    else:
                        header = whole.index(b"\n") + 1
                        path.write_bytes(whole[:keeps if keeps >= 1 or keeps == 0
                                               else header + int(keeps * (len(whole) - header))])
                    expected += [f"run: {name} {told}"] if told else []
                text = text_of(self.page())
                for words in expected:
                    self.assertIn(words, text)
                for path in self.parts.glob("*.csv"):
                    self.restore(path.name)

    def test_numbers_that_are_none_cost_their_rows_alone(self):
        def spoiled(table):
            table = table.copy()
            for place, column in enumerate(column for column in table if column not in TEXT_COLUMNS):
                table.loc[table.index[place::11], column] = NO_NUMBERS[place % len(NO_NUMBERS)]
            return table

        for turn in range(3):
            with self.subTest(turn=turn):
                names = self.names()[turn::3]
                for name in names:
                    self.change(name, spoiled)
                text = text_of(self.page())
                figures_of([read_run(self.folder)])  # the plots that stand beside the page
                for name in names:
                    if NEEDED.get(name.removesuffix(".csv")):
                        self.assertRegex(text, rf"run: \d+ of \d+ rows of {name} left out")
                    self.restore(name)

    def test_files_without_any_number_leave_a_page(self):
        for name in self.names():
            self.change(name, lambda rows: rows.assign(**{
                column: "" for column in rows if column not in ("run_id", "model", "status", "task")}))
        text = text_of(self.page())
        self.assertIn("not measured in this run", text)

    def test_unknown_models_kernels_and_tasks_are_shown(self):
        def other(rows):
            for column in ("model", "baseline_model", "kernel", "baseline_kernel", "variant", "task"):
                if column in rows:
                    rows = rows.assign(**{column: rows[column].mask(rows.index % 3 == 0, f"new_{column}")})
            return rows

        for name in self.names():
            self.change(name, other)
        self.assertIn("new_model", self.page())

    def test_names_that_look_like_code_end_nothing(self):
        for hostile in HOSTILE:
            with self.subTest(hostile):
                for name in ("throughput.csv", "recall.csv", "speedup.csv", "training.csv"):
                    column = "baseline_model" if name == "speedup.csv" else "variant" if name == "training.csv" \
                        else "model"  # fmt: skip
                    self.change(name, lambda rows, column=column: rows.assign(
                        **{column: rows[column].mask(rows.index % 2 == 0, hostile)}))
                page = self.page()
                self.assertEqual(page.count("<script"), page.count("</script"))
                self.assertNotIn("<script>alert", page)
                self.assertNotIn("--><!--", page)
                for name in self.names():
                    self.restore(name)


class Says(RunFolder):
    def test_verdicts_are_the_first_table(self):
        page = self.page()
        first = text_of(page[page.index("<main>"):page.index("</table>")])
        for one in verdict.verdicts_of(read_run(self.folder)):
            self.assertIn(markup.escape(one.verdict), first)
        for number in range(1, 8):
            self.assertIn(f'<section id="claim-{number}"', page)

    def test_table_one_has_theory_and_measurement_side_by_side(self):
        for name in self.folder.glob("*.csv"):
            name.unlink()
        (self.folder / "scaling.csv").write_text(
            "model,kernel,pass,batch,width,heads,causal,threads,variable,from,to,exponent,exponent_low,"
            "exponent_high,r2\n"
            "attention,fused,train,1,256,4,false,1,seq_len,64,8192,1.5,1.4,1.6,0.99\n"
            "attention,fused,train,1,256,4,false,1,seq_len,1024,8192,1.85,1.74,1.96,0.99\n"
            "attention,fused,train,1,256,4,false,2,seq_len,1024,8192,1.7,1.6,1.8,0.99\n"
            "attention,fused,train,1,,4,false,1,width,64,512,1.2,,,1\n"
            "lstm,persistent,train,1,256,,,1,seq_len,1024,8192,1.02,1.00,1.04,0.99\n"
        )
        (self.folder / "span.csv").write_text(
            "model,kernel,pass,batch,seq_len,width,causal,variant,processors,steps,parallelism,status\n"
            "attention,fused,train,1,512,256,false,,2,0,9,ok\n"
            "lstm,persistent,train,1,512,256,,default,2,1024,9,ok\n"
            "lstm,persistent,train,1,8192,256,,default,2,16384,9,ok\n"
        )
        (self.folder / "decay.csv").write_text(
            "task,setup,regime,preset,model,variant,layers,train_distance,stage,seed,decades_per_step,decades_low,decades_high\n"
            "first_token,causal,single,,lstm,default,1,64,init,1,-0.3,-0.31,-0.29\n"
            "first_token,causal,single,,lstm,default,1,64,init,2,-0.2,-0.21,-0.19\n"
            "first_token,causal,single,,lstm,default,1,64,init,3,-0.25,-0.26,-0.24\n"
            "first_token,causal,single,,lstm,default,1,64,trained,1,-0.01,-0.02,0\n"
        )
        page = table_one.html([read_run(self.folder)])
        rows = re.findall(r"<tr><th scope=\"row\">(.*?)</th>(.*?)</tr>", page)
        cells = {name: re.findall(r"<td>(.*?)</td>", row) for name, row in rows}
        self.assertEqual(list(cells), ["attention", "LSTM"])
        self.assertEqual(cells["attention"], [
            "Self-attention", "O(n²·d)",
            "n to the power 1.85 [1.74 to 1.96], n = 1024 to 8192; d to the power 1.20, d = 64 to 512",
            "O(1)", "0 at n = 512 (train)", "O(1)", "not measured"])  # fmt: skip
        self.assertEqual(cells["LSTM"], [
            "Recurrent", "O(n·d²)", "n to the power 1.02 [1.00 to 1.04], n = 1024 to 8192", "O(n)",
            "1024 at n = 512, 16384 at n = 8192 (train)", "O(n)",
            "before: 0.25 decades [0.19 to 0.31]; after: 0.01 decades [0 to 0.02]"])  # fmt: skip

    def test_ten_questions_are_answered_by_the_rows(self):
        run = read_run(REFERENCE)
        rows = pd.read_csv(REFERENCE / "throughput.csv")
        rows = rows[(rows["pass"] == "train") & (rows["batch"] == 1) & (rows["seq_len"] == 512)
                    & (rows["threads"] == 1)].set_index("model")  # fmt: skip
        answers = {one.text: one.answer(run) for one in questions.QUESTIONS}
        self.assertEqual(len(answers), 10)
        self.assertIn(f"LSTM {rows.loc['lstm', 'tokens_per_second']:,.0f}",
                      answers["Which is faster at 512 tokens?"])  # fmt: skip
        crossing = pd.read_csv(REFERENCE / "crossover.csv")
        crossing = crossing[(crossing["pass"] == "train") & (crossing["batch"] == 1)
                            & (crossing["threads"] == 1) & (crossing["baseline_model"] == "lstm")]  # fmt: skip
        self.assertIn(f"from {crossing['crossover_seq_len'].iloc[0]:.0f} tokens on",
                      answers["From which length on is the LSTM faster?"])  # fmt: skip
        self.assertRegex(answers["Does my second core help?"], r"2 threads.*attention ×1\.\d\d")
        self.assertIn("this run tests 64 at most", answers["Does the GRU remember 100 words?"])
        self.assertIn("animal", answers["What does “it” look at?"])
        self.assertIn("(work) ×", answers["Is it due to fewer FLOPs?"])
        self.assertIn("--dtype float32,bfloat16", answers["What with bfloat16?"])
        self.assertRegex(answers["How sure are you?"], r"± \d+\.\d %")
        self.assertIn("AMD EPYC, 2 CPUs", answers["What machine?"])

    def test_bfloat16_is_told_where_it_was_measured(self):
        self.change("throughput.csv", lambda rows: pd.concat([rows, rows.assign(
            dtype="bfloat16", seconds=(rows["seconds"].astype(float) / 2).astype("string"))]))
        run = read_run(self.folder)
        self.assertRegex(questions.bfloat16(run), "attention ×2.00, LSTM ×2.00")
        # Claims and plots compare models in float32.
        self.assertEqual(set(run.table("throughput")["dtype"]), {"float32"})

    def test_commands_name_what_the_rows_are_of_and_quote_it(self):
        command = commands.html("x", "recall", [("task", "a b'c", None), ("batch", "1,16", "batch"),
                                                ("causal", None, None), ("none", "", None)])  # fmt: skip
        text = re.sub(r"<[^>]+>", "", command)
        self.assertIn("build/release/seqbench recall --task &#x27;a b&#x27;&quot;&#x27;&quot;&#x27;c&#x27;"
                      " --batch 1,16 --causal --out results/again-x", text)  # fmt: skip
        self.assertIn('<span data-column="batch">1,16</span>', command)
        page = self.page()
        text = text_of(page)
        self.assertIn("seqbench scaling --model attention,lstm,gru,elman --pass", text)
        # The attended sentences as machine.json has them.
        self.assertIn("seqbench attend --sentence", text)
        self.assertIn("seqbench train --text bible", text)

    def test_every_model_has_a_colour_in_light_and_dark(self):
        for model in MODELS:
            self.assertEqual(report.part("page.css").count(f"--{model}: #"), 2, model)

    def test_rows_that_are_too_many_are_left_out_and_counted(self):
        self.change("throughput.csv", lambda rows: pd.concat(
            [rows.assign(width=str(width)) for width in range(8, 8 + 6000 // len(rows) * 8, 8)]))
        text = text_of(self.page())
        self.assertRegex(text, r"\d+ of \d+ rows are left out: too many for one page")

    def test_gradients_are_those_of_positions_that_training_had(self):
        (self.folder / "gradient.csv").write_text(
            "task,model,variant,stage,seed,distance,gradient_norm,relative_gradient_norm,log10_gradient_norm,"
            "train_distance\n" + "".join(
                f"first_token,{model},{stage},1,{distance},0.1,1,-1,4\n"
                for model in ("attention,learned", "lstm,default")
                for stage in ("init", "early", "trained") for distance in (2, 8))
        )  # fmt: skip
        rows = learning_charts.gradients([read_run(self.folder)]).rows
        learned = rows[rows["model"] == "attention"]
        self.assertEqual(sorted(zip(learned["stage"], learned["distance"])),
                         [("after 100 steps", 2), ("after training", 2), ("before training", 2),
                          ("before training", 8)])  # fmt: skip
        self.assertEqual(len(rows[rows["model"] == "lstm"]), 6)

    def test_precisions_of_a_text_are_no_seeds_of_one_another(self):
        (self.folder / "context.csv").write_text(
            "run_id,model,variant,seed,length,position,loss,dtype\n"
            "r,lstm,default,1,64,1,2,float32\nr,lstm,default,1,64,1,4,bfloat16\n"
        )
        rows = text_charts.by_position([read_run(self.folder)]).rows
        self.assertEqual(dict(zip(rows["dtype"], rows["median"])), {"float32": 2, "bfloat16": 4})

    def test_samples_are_shown_as_they_are(self):
        (self.folder / "text-samples.csv").write_text(
            "run_id,model,variant,seed,prompt,temperature,text,dtype\n"
            'r,lstm,default,1,"\n",0.8,"In the <b>beginning\n""God\ncreated\n",float32\n'
            "r,lstm,default,2,a,0.8,of-seed-two,float32\n"
            'r,gru,default,1,"\n",0.8,"torn\nafter a line'
        )
        page = self.page()
        self.assertIn("In the &lt;b&gt;beginning\n&quot;God\ncreated</pre>", page)
        self.assertNotIn("of-seed-two", page)
        self.assertNotIn("after a line", page)

    def test_a_number_that_json_has_not_is_null(self):
        cells = [chart.cell(value) for value in (float("nan"), float("inf"), pd.NA, None, 2.0, 1 / 3, True)]
        self.assertEqual(cells, [None, None, None, None, 2, 0.33333, "true"])


if __name__ == "__main__":
    unittest.main()
