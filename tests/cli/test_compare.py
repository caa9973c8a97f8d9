"""compare as a user runs it: two run folders, and two builds of which one pretends to be slower."""

import csv
import json
import sys
import unittest

from program import PROGRAM, ProgramTest, read_csv, run

SMALL = ["--model", "gru,lstm", "--length", "8", "--pass", "forward", "--width", "16", "--threads",
         "1", "--min-time", "0.0005"]

# A build of seqbench whose repetitions of one model take so many ms, those of others 1 ms, beside a
# constant peak: on a busy machine no measured time tells one build from another.
FAKE_BUILD = """#!{python}
import json, subprocess, sys
child = subprocess.Popen([{program!r}, *sys.argv[1:]], stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, text=True)
count = 0
for line in sys.stdin:
    child.stdin.write(line)
    child.stdin.flush()
    answer = child.stdout.readline()
    if not answer:
        break
    answer = json.loads(answer)
    if "seconds" in answer:
        count += 1
        milliseconds = {factor} if {model!r} in json.loads(line)["case"] else 1
        answer["seconds"] = milliseconds * (1e-3 + 1e-5 * (count % 3))
        answer["peak_gflops"] = 100
    print(json.dumps(answer), flush=True)
child.stdin.close()
sys.exit(child.wait())
"""


class Runs(ProgramTest):
    def setUp(self):
        super().setUp()
        self.old, self.new = self.folder / "old", self.folder / "new"
        run("throughput", *SMALL, "--repetitions", "9", "--processes", "1", "--out", self.old)
        self.copy_with_times_of("lstm", 1)

    def copy_with_times_of(self, model, factor, machine=None):
        """`new` is `old` but for the seconds of a model and keys of its machine.json."""
        self.new.mkdir(exist_ok=True)
        (self.new / "throughput.csv").write_bytes((self.old / "throughput.csv").read_bytes())
        samples = read_csv(self.old / "samples.csv")
        for sample in samples:
            if sample["case_id"].startswith(model):
                sample["seconds"] = repr(float(sample["seconds"]) * factor)
        with open(self.new / "samples.csv", "w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, samples[0])
            writer.writeheader()
            writer.writerows(samples)
        content = json.loads((self.old / "machine.json").read_text())
        (self.new / "machine.json").write_text(json.dumps(content | (machine or {})))

    def test_of_equal_speed_show_no_regression(self):
        process = run("compare", self.old, self.new)
        self.assertEqual(process.returncode, 0, process.stderr)
        self.assertIn("2 same", process.stdout)
        self.assertNotIn(" then", process.stdout)

    def test_a_slower_case_is_named_and_exits_with_3(self):
        self.copy_with_times_of("lstm", 1000)  # more than a busy machine does
        table = self.folder / "table.csv"
        process = run("compare", self.old, self.new, "--csv", table)
        self.assertEqual(process.returncode, 3, process.stderr)
        rows = {row["case_id"].split(":")[0]: row for row in read_csv(table)}
        self.assertEqual(rows["gru"]["verdict"], "same")
        self.assertEqual(rows["lstm"]["verdict"], "slower")
        self.assertLess(float(rows["lstm"]["ratio_high"]), 0.5)
        self.assertLess(float(rows["lstm"]["p_value"]), 0.001)
        self.assertEqual(rows["lstm"]["old_repetitions"], "9")
        self.assertEqual(run("compare", self.new, self.old).returncode, 0)  # faster
        process = run("compare", self.old, self.new, "--csv", table)
        self.assert_refused(process, 1, str(table), "exists already")

    def test_repetitions_of_one_of_several_processes_count_as_one(self):
        out, table = self.folder / "several", self.folder / "table.csv"
        run("throughput", *SMALL, "--repetitions", "6", "--processes", "3", "--out", out)
        process = run("compare", out, out, "--csv", table)
        self.assertEqual(process.returncode, 0, process.stderr)
        for row in read_csv(table):
            self.assertEqual((row["old_repetitions"], row["new_repetitions"]), ("3", "3"))
            self.assertEqual(row["verdict"], "undecided")  # three against three cannot differ

    def test_of_different_machines_are_refused_unless_told(self):
        self.copy_with_times_of("lstm", 1, machine={"cpu": "abacus", "memory_bytes": 1,
                                                    "build": {"git_commit": "another"}})
        process = run("compare", self.old, self.new)
        self.assert_refused(process, 2, "'abacus' new", "--any-machine")
        self.assertNotIn("memory", process.stderr)
        self.assertNotIn("another", process.stderr)  # builds may differ
        process = run("compare", self.old, self.new, "--any-machine")
        self.assertEqual(process.returncode, 0, process.stderr)
        for difference in ("cpu: ", "'abacus' new", "build.git_commit: ", "'another' new"):
            self.assertIn(difference, process.stdout)

    def test_a_case_of_one_run_alone_is_missing(self):
        lines = (self.new / "throughput.csv").read_bytes().splitlines(keepends=True)
        (self.new / "throughput.csv").write_bytes(b"".join(lines[:-1]))
        process = run("compare", self.old, self.new)
        self.assertEqual(process.returncode, 0, process.stderr)
        self.assertIn("1 same, 1 missing", process.stdout)

    def test_a_case_of_the_new_run_alone_is_missing_too(self):
        lines = (self.old / "throughput.csv").read_bytes().splitlines(keepends=True)
        (self.old / "throughput.csv").write_bytes(b"".join(lines[:-1]))
        process = run("compare", self.old, self.new)
        self.assertEqual(process.returncode, 0, process.stderr)
        self.assertIn("1 same, 1 missing", process.stdout)

    def test_options_that_differ_are_listed(self):
        machine = json.loads((self.new / "machine.json").read_text())
        machine["commands"][0]["options"]["length"] = "77"
        self.copy_with_times_of("lstm", 1, machine=machine)
        self.assertIn("--length: '8' old, '77' new", run("compare", self.old, self.new).stdout)

    def test_files_that_cannot_be_read_are_told(self):
        self.assert_refused(run("compare", self.old, self.folder / "nowhere"), 1, "nowhere",
                            "No such file")
        text = (self.new / "samples.csv").read_text()
        (self.new / "samples.csv").write_text(text.replace(",0,", ",0,x", 1))
        self.assert_refused(run("compare", self.old, self.new), 1, "samples.csv", "seconds", "x")
        for number in ["", "0", "-1", "nan", "1e-3 "]:
            rows = read_csv(self.old / "samples.csv")
            rows[0]["seconds"] = number
            with open(self.new / "samples.csv", "w", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, rows[0])
                writer.writeheader()
                writer.writerows(rows)
            self.assert_refused(run("compare", self.old, self.new), 1, "samples.csv", "seconds",
                                f"'{number}'")
        (self.new / "samples.csv").write_text("case_id\r\nx\r\n")
        text = (self.new / "throughput.csv").read_text()
        (self.new / "throughput.csv").write_text(text.replace("status", "state", 1))
        self.assert_refused(run("compare", self.old, self.new), 1, "throughput.csv", "no column",
                            "status")

    def test_tables_whose_meaning_is_not_that_of_the_others_are_refused(self):
        table = self.new / "throughput.csv"
        whole = table.read_bytes()
        lines = whole.splitlines(keepends=True)
        for content, parts in [
            (whole.replace(b"float32", b"float64", 1), ["dtype", "'float32' old, 'float64' new"]),
            (whole + lines[-1], ["throughput.csv", "twice", "one row of a case"]),
            (whole.replace(b"case_id", b"status", 1), ["throughput.csv", "'status' twice"]),
            (whole.replace(b"gru:", b"gr\xfc:", 1), ["throughput.csv", "row 2", r"gr\xfc", "UTF-8"]),
        ]:
            with self.subTest(parts=parts):
                table.write_bytes(content)
                self.assert_refused(run("compare", self.old, self.new), 1, *parts)
        row = next(csv.DictReader([line.decode() for line in lines]))
        table.write_bytes(whole.replace(b"," + row["flops"].encode() + b",", b",7,", 1))
        self.assert_refused(run("compare", self.old, self.new), 1, "flops", "'7' new")

    def test_text_of_a_table_does_nothing_to_the_terminal(self):
        table = self.new / "throughput.csv"
        table.write_bytes(table.read_bytes().replace(b"gru:", b"\x1b[2Jgru:", 1))
        process = run("compare", self.old, self.new)
        self.assertEqual(process.returncode, 0, process.stderr)
        self.assertIn(r"\x1b[2Jgru:", process.stdout)
        self.assertNotIn("\x1b", process.stdout)

    def test_wrong_use_is_refused(self):
        self.assert_refused(run("compare", self.old), 2, "OLD and NEW")
        self.assert_refused(run("compare", self.old, self.new, "--", "--length", "8"), 2, "--")
        self.assert_refused(run("compare", self.old, self.new, "--alpha", "1"), 2, "--alpha", "'1'")
        self.assert_refused(run("compare", self.old, self.new, "--threshold", "70%"), 2,
                            "--threshold", "'70%'")


class Binaries(ProgramTest):
    def fake_build(self, model, factor):
        path = self.folder / f"fake{factor}"
        path.write_text(FAKE_BUILD.format(python=sys.executable, program=PROGRAM, model=model,
                                          factor=factor))
        path.chmod(0o755)
        return path

    def test_a_slower_build_is_found_and_the_same_case_is_not(self):
        table = self.folder / "table.csv"
        process = run("compare", "--binaries", self.fake_build("lstm", 1), self.fake_build("lstm", 3),
                      "--threshold", "50%", "--csv", table, "--", *SMALL, "--repetitions", "8")
        self.assertEqual(process.returncode, 3, process.stderr)
        self.assertEqual(process.stderr, "")
        rows = {row["case_id"].split(":")[0]: row for row in read_csv(table)}
        self.assertEqual(rows["lstm"]["verdict"], "slower")
        self.assertAlmostEqual(float(rows["lstm"]["ratio"]), 1 / 3, delta=0.01)
        self.assertEqual(rows["gru"]["verdict"], "same")
        self.assertEqual(rows["gru"]["new_repetitions"], "8")

    def test_options_of_throughput_are_checked_once(self):
        for arguments, part in [(["--length", "0"], "--length"), (["--nonsense"], "nonsense"),
                                (["--repetitions", "0"], "--repetitions")]:
            process = run("compare", "--binaries", PROGRAM, PROGRAM, "--", *arguments)
            self.assert_refused(process, 2, part)

    def test_cases_of_one_build_alone_or_that_fail_are_told(self):
        def with_answers(change):
            path = self.folder / "changed"
            path.write_text(FAKE_BUILD.format(python=sys.executable, program=PROGRAM, model="lstm",
                                              factor=1).replace("    print(json", change + "    print(json"))
            path.chmod(0o755)
            return path

        fewer = with_answers("    if 'cases' in answer: answer['cases'].pop()\n")
        for builds in [(PROGRAM, fewer), (fewer, PROGRAM)]:
            process = run("compare", "--binaries", *builds, "--", *SMALL, "--repetitions", "2")
            self.assertEqual(process.returncode, 0, process.stderr)
            self.assertIn("1 missing", process.stdout)
        failing = with_answers("    if 'status' in answer: answer['status'] = 'failed'\n")
        process = run("compare", "--binaries", PROGRAM, failing, "--", *SMALL)
        self.assertEqual(process.returncode, 3, process.stderr)
        self.assertIn("2 failed", process.stdout)
        for change, part in [("    answer = {'error': 'out of order'}\n", "out of order"),
                             ("    if 'status' in answer: answer = {'error': 'torn'}\n", "torn"),
                             ("    answer = 5\n", "5"), ("    break\n", "repeat")]:
            table = self.folder / "table.csv"
            process = run("compare", "--binaries", PROGRAM, with_answers(change), "--csv", table,
                          "--", *SMALL)
            self.assertEqual(process.returncode, 1, process.stderr)
            self.assertIn(part, process.stderr)
            self.assertFalse(table.exists())  # it would be in the way of the next try

    def test_a_program_that_is_no_seqbench_is_told(self):
        process = run("compare", "--binaries", PROGRAM, "/nowhere", "--", *SMALL)
        self.assert_refused(process, 1, "'/nowhere'", "No such file")
        process = run("compare", "--binaries", "/bin/true", PROGRAM, "--", *SMALL)
        self.assert_refused(process, 1, "'/bin/true'", "repeat")


if __name__ == "__main__":
    unittest.main()
