"""--shard: shares of one sweep, and what scripts/plot makes of their folders."""

import importlib.util
import json
import shutil
import subprocess
import sys
import unittest
from pathlib import Path

from program import ProgramTest, read_csv, run

ROOT = Path(__file__).resolve().parents[2]
INSTALLED = all(importlib.util.find_spec(name) for name in ("pandas", "altair", "vl_convert"))

SWEEP = ["--model", "lstm,attention", "--length", "4..16", "--width", "8", "--heads", "2", "--pass",
         "forward,train", "--threads", "1", "--repetitions", "1", "--processes", "1", "--min-time",
         "0.0002", "--no-progress"]  # fmt: skip


class Shares(ProgramTest):
    def share(self, text, *options, command="scaling", name=None):
        out = self.folder / (name or text.replace("/", "-of-"))
        process = run(command, *SWEEP, "--shard", text, *options, "--out", out)
        self.assertEqual((process.returncode, process.stderr), (0, ""))
        return out, process.stdout

    def plot(self, *folders):
        out = self.folder / "plots"
        code = "import sys; sys.path.insert(0, sys.argv.pop(1)); from plotting.__main__ import main; sys.exit(main())"
        process = subprocess.run(
            [sys.executable, "-E", "-B", "-c", code, str(ROOT / "scripts"), *map(str, folders), "--out", str(out)],
            capture_output=True, text=True, timeout=300)  # fmt: skip
        return process, out

    def test_shares_have_every_case_of_the_sweep_once(self):
        rows = [read_csv(self.share(f"{index}/3")[0] / "throughput.csv") for index in (1, 2, 3)]
        self.assertEqual(sum(map(len, rows)), 2 * 3 * 2)
        ids = {row["case_id"] for share in rows for row in share}
        self.assertEqual(len(ids), 2 * 3 * 2)
        for share in rows:  # whole groups: both models of each shape
            shapes = [(row["pass"], row["seq_len"]) for row in share]
            self.assertEqual({shapes.count(shape) for shape in shapes}, {2})

    def test_a_share_leaves_to_the_whole_what_needs_every_length(self):
        out, printed = self.share("2/2")
        names = sorted(path.name for path in out.iterdir())
        self.assertEqual(names, ["machine.json", "samples.csv", "speedup.csv", "throughput.csv"])
        self.assertIn("scripts/plot", printed)
        whole, printed = self.share("1/1")
        self.assertTrue((whole / "crossover.csv").exists())
        self.assertIn("Growth", printed)

    def test_throughput_and_list_take_their_share_too(self):
        out, _ = self.share("1/2", command="throughput")
        listed = run("list", *SWEEP, "--shard", "1/2").stdout
        for row in read_csv(out / "throughput.csv"):
            self.assertIn(row["case_id"], listed)
        self.assertEqual(listed.count(":t1"), len(read_csv(out / "throughput.csv")))

    def test_more_shares_than_groups_are_refused(self):
        for command in ("scaling", "throughput", "list"):
            process = run(command, *SWEEP, "--shard", "7/7", cwd=self.folder)
            self.assert_refused(process, 2, "--shard", "'7/7'", "6")

    def test_a_folder_goes_on_with_its_own_share_alone(self):
        out, _ = self.share("1/2")
        process = run("scaling", *SWEEP, "--shard", "2/2", "--resume", "--out", out)
        self.assert_refused(process, 2, "--shard", "'1/2'", "'2/2'")

    @unittest.skipUnless(INSTALLED, "needs pandas, altair and vl-convert")
    def test_plot_merges_the_shares_of_a_sweep(self):
        folders = [self.share(f"{index}/2")[0] for index in (2, 1)]
        process, out = self.plot(*folders)
        self.assertEqual(process.returncode, 0, process.stderr)
        details = (out / "claims-details.txt").read_text(encoding="utf-8")
        self.assertIn("2 of 2 shares (1-of-2, 2-of-2)", details)
        self.assertNotIn("What the runs agree on", details)  # they are one
        svg = (out / "throughput-vs-length.svg").read_text(encoding="utf-8")
        for length in ("4", "8", "16"):
            self.assertIn(f"sequence length (tokens): {length};", svg)

    @unittest.skipUnless(INSTALLED, "needs pandas, altair and vl-convert")
    def test_plot_refuses_what_is_no_share_of_the_sweep(self):
        first, second = (self.share(f"{index}/2")[0] for index in (1, 2))
        whole, _ = self.share("1/1", name="whole")
        third, _ = self.share("1/3")
        seed, _ = self.share("2/2", "--seed", "2", name="seed")
        again = self.folder / "again"
        shutil.copytree(first, again)
        other = self.folder / "other"
        shutil.copytree(second, other)
        machine = json.loads((other / "machine.json").read_text(encoding="utf-8"))
        machine["build"]["git_commit"] = "0123456789ab"
        (other / "machine.json").write_text(json.dumps(machine), encoding="utf-8")
        for folder, parts in [(whole, ["no share of a sweep"]), (third, ["N of --shard", "3", "2"]),
                              (seed, ["--seed", "'2'", "'1'"]), (again, ["share 1"]),
                              (other, ["git_commit", "0123456789ab"])]:  # fmt: skip
            with self.subTest(folder=folder.name):
                process, out = self.plot(first, folder)
                self.assertEqual(process.returncode, 1)
                self.assertEqual(process.stderr.count("\n"), 1, process.stderr)
                for part in [str(folder), *parts]:
                    self.assertIn(part, process.stderr)
                self.assertFalse(out.exists())

    @unittest.skipUnless(INSTALLED, "needs pandas, altair and vl-convert")
    def test_crossovers_of_the_whole_are_those_of_scaling(self):
        """Found again from the committed run's speed-ups."""
        sys.path.insert(0, str(ROOT / "scripts"))
        from plotting import shards
        from plotting.reading import read_run

        reference = read_run(ROOT / "results" / "reference")
        both = reference.table("crossover").merge(
            shards.crossings(reference.table("speedup")), on=shards.CURVE, suffixes=("", "_found"))  # fmt: skip
        self.assertEqual(len(both), len(reference.table("crossover")))
        self.assertGreater(len(both), 0)
        self.assertTrue((both["status"] == both["status_found"]).all())
        for name in ("crossover_seq_len", "crossover_low", "crossover_high", "predicted"):
            self.assertTrue((both[name].isna() == both[f"{name}_found"].isna()).all(), name)
            # A few logarithms and powers, each right to a rounding or two.
            self.assertLess((both[name] / both[f"{name}_found"] - 1).abs().max(), 1e-14, name)


if __name__ == "__main__":
    unittest.main()
