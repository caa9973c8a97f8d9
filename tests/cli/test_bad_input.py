"""Bad input: exit code, one clear line, nothing written over."""

import errno
import json
import os
import re
import subprocess
import unittest

from program import PROGRAM, ProgramTest, read_csv, run

FAULTS = os.environ.get("SEQBENCH_FAULTS", "")

# What no option of a kind takes.
WRONG = {
    "integers": ["0", "-1", "1e9", "18446744073709551616", "7x", "", "nan", "99999999999", "8\n9"],
    "integers from 0": ["-1", "1e9", "18446744073709551616", "7x", "", "nan", "99999999999"],
    "number from 0": ["-1", "1e9", "18446744073709551616", "7x", "", "nan", "inf"],
    "number": ["0", "-1", "1e9", "18446744073709551616", "7x", "", "nan", "inf"],
    "number from 0": ["-1", "1e9", "18446744073709551616", "7x", "", "nan", "inf"],
    "share of groups": ["0", "-1", "1e9", "7x", "", "nan", "1", "0/2", "3/2", "1/0", "1/", "/2", "1/2/3", "1/x", "1 /2", "-1/2",
                        "1/99999999999"],
    "share": ["-1", "2", "1e9", "18446744073709551616", "7x", "", "nan", "101%"],
    "bytes": ["0", "-1", "1e9", "18446744073709551616", "7x", "", "nan", "lots", "2GB"],
    "names": ["0", "mamba", "", "mamba,", ",", "nan", "LSTM"],
    "file to read": ["", "/nonexistent.cfg", "/dev/null"],
    "file to write": [""],
    "text": [""],
}
GRID = {"model": "names", "kernel": "names", "variant": "names", "pass": "names", "batch": "integers",
        "length": "integers", "width": "integers", "heads": "integers", "threads": "integers",
        "max-tokens": "integers", "dtype": "names", "min-time": "number", "seed": "integers from 0",
        "memory-limit": "bytes"}
SCOPED = GRID | {"block": "names", "layers": "integers", "match": "names"}
SWEEP = SCOPED | {"repetitions": "integers", "processes": "integers", "precision": "share", "precision-time": "number", "shard": "share of groups",
                "config": "file to read", "out": "file to write"}
# Every option with a value, of every command.
OPTIONS = {
    "throughput": SWEEP | {"strategy": "names"},
    "scaling": SWEEP,
    "list": SWEEP,
    "crossover": SCOPED | {"processes": "integers", "config": "file to read", "out": "file to write"},
    "span": GRID | {"processors": "integers", "repetitions": "integers", "config": "file to read",
                    "out": "file to write"},
    "repeat": SCOPED | {"task": "names", "text": "file to read"},
    "recall": {"task": "names", "group": "names", "setup": "names", "model": "names", "variant": "names",
               "distance": "integers", "test-distance": "integers", "regime": "names", "match": "names", "preset": "names",
               "gradient-steps": "integers", "pairs": "integers", "seeds": "integers", "seed": "integers from 0",
               "steps": "integers", "batch": "integers", "width": "integers",
               "layers": "integers", "block": "names", "heads": "integers", "learning-rate": "number",
               "threads": "integers", "memory-limit": "bytes", "config": "file to read",
               "out": "file to write"},
    "train": {"text": "file to read", "vocabulary": "names", "model": "names", "variant": "names",
              "preset": "names", "layers": "integers", "width": "integers", "heads": "integers",
              "match": "names", "dtype": "names", "length": "integers", "batch": "integers", "steps": "integers",
              "tokens": "integers", "budget": "number", "learning-rate": "number",
              "validations": "integers", "seeds": "integers", "seed": "integers from 0", "threads": "integers",
              "config": "file to read", "out": "file to write"},
    "sample": {"model-file": "file to read", "prompt": "text", "tokens": "integers",
               "temperature": "number from 0", "seed": "integers from 0", "threads": "integers",
               "config": "file to read"},
    "attend": {"sentence": "names", "model-file": "file to read", "seeds": "integers",
               "seed": "integers from 0", "layers": "integers", "steps": "integers",
               "learning-rate": "number", "weight-decay": "number from 0",
               "mlp": "integers from 0",
               "explain": "names", "test-sentences": "integers", "threads": "integers",
               "config": "file to read", "out": "file to write"},
    "compare": {"alpha": "share", "threshold": "share", "csv": "file to write"},
    "conform": {"out": "file to write"},
    "machine": {"threads": "integers"},
}
ARGUMENTS = {"compare": ["a", "b"], "conform": ["a"]}


class BadOptions(ProgramTest):
    def test_wrong_values(self):
        for command, options in OPTIONS.items():
            for option, kind in options.items():
                for value in WRONG[kind]:
                    with self.subTest(command=command, option=option, value=value):
                        process = run(command, *ARGUMENTS.get(command, []), f"--{option}={value}",
                                      cwd=self.folder)
                        self.assert_refused(process, 2, option)
                        self.assertEqual(os.listdir(self.folder), [])

    def test_the_table_has_every_option(self):
        """Of every command that the program knows, each option that takes a value."""
        commands = re.findall(r"^  (\w+) ", run("--help").stdout, re.MULTILINE)
        self.assertEqual(sorted(commands), sorted(OPTIONS))
        for command in commands:
            with self.subTest(command=command):
                text = run(command, "--help").stdout
                self.assertEqual(set(re.findall(r"^  --([\w-]+) arg", text, re.MULTILINE)),
                                 set(OPTIONS[command]))

    def test_values_as_separate_words(self):
        self.assert_refused(run("throughput", "--batch", "-1"), 2, "--batch", "'-1'")
        self.assert_refused(run("throughput", "--batch", ""), 2, "batch")

    def test_the_line_names_option_value_and_what_is_allowed(self):
        for command, option, value, allowed in [
            ("throughput", "min-time", "nan", "1e-06 to 3600"),
            ("throughput", "memory-limit", "lots", "500M"),
            ("throughput", "precision", "2", "100%"),
            ("throughput", "model", "mamba", "gru"),
            ("throughput", "model", "lstm,", "gru"),
            ("throughput", "kernel", "quick", "hoisted"),
            ("throughput", "pass", "backward", "train"),
            ("span", "processors", "0", "1 to"),
            ("span", "kernel", "quick", "persistent"),
            ("throughput", "dtype", "float16", "bfloat16"),
            ("scaling", "dtype", "half", "bfloat16"),
            ("span", "dtype", "bfloat16", "float32"),
            ("crossover", "dtype", "half", "bfloat16"),
            ("train", "dtype", "half", "bfloat16"),
            ("recall", "task", "chess", "mqar"),
            ("recall", "model", "mamba", "gru"),
            ("recall", "variant", "huge", "chrono"),
            ("recall", "distance", "1", "2"),
        ]:
            with self.subTest(command=command, option=option, value=value):
                process = run(command, f"--{option}", value, cwd=self.folder)
                self.assert_refused(process, 2, f"--{option}", value.strip(","), allowed)

    def test_control_characters_do_not_reach_the_terminal(self):
        process = run("throughput", "--model", "lstm\x1b[2J\ngru")
        self.assert_refused(process, 2, r"lstm\x1b[2J\x0agru")

    def test_what_a_recall_task_has_no_room_for(self):
        for options, parts in [
            (["--task", "first_token", "--distance", "1"], ["--distance", "'1'", "at least 2"]),
            (["--task", "adding", "--distance", "1"], ["--distance", "'1'", "adding"]),
            (["--regime", "triple"], ["--regime", "'triple'", "single, mixed"]),
            (["--match", "flops"], ["--match", "'flops'", "parameters"]),
            (["--preset", "table1"], ["--preset", "'table1'", "first-token"]),
            (["--preset", "first-token", "--steps", "9"], ["--steps", "'9'", "--preset"]),
            (["--preset", "copy-1000", "--model", "gru"], ["--model", "'gru'", "lstm"]),
            (["--gradient-steps", "0"], ["--gradient-steps", "'0'"]),
            (["--task", "parity", "--distance", "64,1"], ["--distance", "'1'", "parity"]),
            (["--task", "copy", "--distance", "0"], ["--distance", "'0'"]),
            (["--task", "mqar", "--distance", "31"], ["--distance", "'31'", "at least 32", "mqar"]),
            (["--task", "mqar", "--pairs", "8", "--distance", "23"],
             ["--distance", "'23'", "at least 24", "8 pairs"]),
            (["--task", "mqar", "--pairs", "128"], ["--pairs", "'128'", "127"]),
            (["--task", "copy", "--pairs", "4"], ["--pairs", "'4'", "copy"]),
            (["--task", "copy,chess"], ["--task", "'chess'", "mqar"]),
            (["--variant", "conv3+conv3"], ["--variant", "'conv3+conv3'", "learned+conv3"]),
            (["--task", "mqar_8k", "--model", "gru"],
             ["--model", "'gru'", "mqar_8k has: attention"]),
            (["--model", "elman", "--variant", "chrono+conv3"],
             ["--variant", "'chrono+conv3'", "orthogonal"]),
        ]:
            with self.subTest(options=options):
                process = run("recall", *options, cwd=self.folder)
                self.assert_refused(process, 2, *parts)
                self.assertEqual(os.listdir(self.folder), [])

    def test_a_number_format_that_the_kernels_lack(self):
        process = run("throughput", "--dtype", "bfloat16", "--kernel", "naive", "--model", "attention",
                      cwd=self.folder)
        self.assert_refused(process, 2, "--dtype", "'bfloat16'", "fused")
        process = run("crossover", "--dtype", "bfloat16", "--kernel", "naive", cwd=self.folder)
        self.assert_refused(process, 2, "--dtype", "'bfloat16'", "--kernel")

    def test_heads_that_do_not_divide_the_width(self):
        process = run("throughput", "--width", "256", "--heads", "3")
        self.assert_refused(process, 2, "--heads", "'3'", "256")
        process = run("scaling", "--model", "lstm", "--width", "256", "--heads", "3")
        self.assert_refused(process, 2, "--heads", "'3'", "256")
        process = run("recall", "--heads", "3")
        self.assert_refused(process, 2, "--heads: '3'", "a divisor of the width, 64")
        process = run("recall", "--width", "63")
        self.assert_refused(process, 2, "--width: '63'", "a multiple of attention's heads, 4")

    def test_unknown_command_and_option(self):
        self.assert_refused(run("fly"), 2, "fly", "throughput")
        self.assert_refused(run("throughput", "--lenght", "3"), 2, "lenght")
        self.assertEqual(run().returncode, 2)
        self.assert_refused(run("throughput", "--", "--benchmark_nonsense"), 2, "benchmark_nonsense")

    def test_config_files(self):
        config = self.folder / "sweep.cfg"
        config.write_text("lenght=64\n")
        process = run("throughput", "--config", config)
        self.assert_refused(process, 2, str(config), "lenght")
        config.write_text("length=7x\n")
        self.assert_refused(run("throughput", "--config", config), 2, "length", "7x")
        self.assert_refused(run("throughput", "--config", "/nonexistent.cfg"), 2, "/nonexistent.cfg")


    def test_config_lines_that_would_be_passed_over(self):
        config = self.folder / "sweep.cfg"
        for text, part in [("causal=\n", "--causal: ''"), ("[length]\n", "'[length]'"),
                           ("length=8\n[]\n", "'[]'"), ("config=other.cfg\n", "'config'"),
                           ("help=1\n", "'help'"), ("length=8\nlength=8\n", "more than once")]:
            with self.subTest(text):
                config.write_text(text)
                process = run("list", "--config", config)
                self.assert_refused(process, 2, "--config", str(config), part)
        self.assert_refused(run("list", "--causal="), 2, "--causal")
        self.assert_refused(run("list", "--length=8", "--length=9"), 2, "--length", "once")


class NoUtf8(ProgramTest):
    """Text that is no UTF-8 cannot stand in a run's files: refused before anything is made."""

    CASE = ["throughput", "--model", "elman", "--length", "4", "--width", "4", "--heads", "2",
            "--threads", "1", "--pass", "forward", "--repetitions", "1", "--min-time", "0.0001",
            "--no-progress"]
    # Latin-1, an overlong '/', a surrogate, U+110000, a character that is cut off.
    BYTES = [b"caf\xe9", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82"]

    def assert_escaped(self, process, code, text, *parts):
        shown = "".join(chr(byte) if byte < 128 else rf"\x{byte:02x}" for byte in text)
        self.assert_refused(process, code, shown, *parts)

    def test_values_of_every_option(self):
        for command, options in OPTIONS.items():
            for option in options:
                with self.subTest(command=command, option=option):
                    process = run(command, *ARGUMENTS.get(command, []),
                                  f"--{option}=" + os.fsdecode(b"caf\xe9"), cwd=self.folder)
                    self.assert_escaped(process, 2, b"caf\xe9", f"--{option}")
                    self.assertEqual(os.listdir(self.folder), [])

    def test_every_kind_of_bytes_that_is_none(self):
        for text in self.BYTES:
            with self.subTest(text=text):
                process = run(*self.CASE, "--out", os.fsdecode(text), cwd=self.folder)
                self.assert_escaped(process, 2, text, "--out", "UTF-8")
                self.assertEqual(os.listdir(self.folder), [])

    def test_other_arguments(self):
        text = os.fsdecode(b"\xe9")
        for arguments in [[text], ["list", f"--{text}=1"], ["list", "-" + text],
                          ["conform", text, "--out", "r"], ["compare", "a", text],
                          ["throughput", "--", text],
                          ["throughput", "--", "--benchmark_x=" + text]]:
            with self.subTest(arguments=arguments):
                self.assert_escaped(run(*arguments, cwd=self.folder), 2, b"\xe9")
                self.assertEqual(os.listdir(self.folder), [])

    def test_config_files(self):
        named, inside = self.folder / os.fsdecode(b"\xe9.cfg"), self.folder / "inside.cfg"
        named.write_text("length=4\n")
        out = self.folder / "run"
        process = run(*self.CASE, "--config", named, "--out", out)
        self.assert_escaped(process, 2, b"\xe9.cfg", "--config")
        inside.write_bytes(b"seed=caf\xe9\n")
        process = run(*self.CASE, "--config", inside, "--out", out)
        self.assert_escaped(process, 2, b"caf\xe9", "--seed")
        self.assertFalse(out.exists())
        inside.write_bytes(b"# caf\xe9\nseed=3\n")
        process = run(*self.CASE, "--config", inside, "--out", out)
        self.assertEqual(process.returncode, 0, process.stderr)

    def test_folders(self):
        named, link = self.folder / os.fsdecode(b"caf\xe9"), self.folder / "link"
        named.mkdir()
        link.symlink_to(named)
        for out, folder in [(".", named), (link, self.folder), ("../link", named)]:
            with self.subTest(out=out):
                process = run(*self.CASE, "--out", out, cwd=folder)
                self.assert_escaped(process, 2, b"caf\xe9", "--out", "UTF-8")
                self.assertEqual(list(named.iterdir()), [])
        # The name of a folder around it stands in no file.
        for options in (["--out", "inner"], []):
            process = subprocess.run([PROGRAM, *self.CASE, *options], cwd=named, capture_output=True,
                                     timeout=300)
            self.assertEqual(process.returncode, 0, process.stderr)

    def test_characters_of_utf8_are_kept(self):
        out = self.folder / "café ÷ 10⁹ 🙂"
        process = run(*self.CASE, "--out", out)
        self.assertEqual(process.returncode, 0, process.stderr)
        self.assertEqual(json.loads((out / "machine.json").read_text())["run_id"], out.name)
        self.assertEqual(read_csv(out / "throughput.csv")[0]["run_id"], out.name)
        self.assert_refused(run(*self.CASE, "--out", out), 2, str(out))


@unittest.skipUnless(FAULTS, "SEQBENCH_FAULTS does not name the library of tests/cli/faults.cc")
class FailedStarts(ProgramTest):
    """A run that fails before its first row leaves nothing that blocks the next try."""

    COMMANDS = {
        "throughput": NoUtf8.CASE,
        "span": ["span", *NoUtf8.CASE[1:], "--processors", "1,2"],
        "recall": ["recall", "--task", "parity", "--model", "elman", "--distance", "8", "--seeds",
                   "1", "--steps", "2", "--batch", "2", "--no-progress"],
        "attend": ["attend", "--steps", "2", "--test-sentences", "2", "--layers", "1",
                   "--no-progress"],
    }

    def test_files_of_rows_are_taken_back(self):
        for name, command in self.COMMANDS.items():
            # machine.json cannot get its name; the disk is full; a folder cannot be flushed.
            for kind, at, code in [("rename", 1, errno.EIO), ("write", 1, errno.ENOSPC),
                                   ("write", 2, errno.ENOSPC), ("sync", 1, errno.EIO)]:
                with self.subTest(command=name, kind=kind, at=at):
                    out = self.folder / f"{name}-{kind}-{at}"
                    process = run(*command, "--out", out, env=os.environ | {
                        "LD_PRELOAD": FAULTS, "SEQBENCH_FAULT_UNDER": str(out.resolve()),
                        "SEQBENCH_FAULT_KIND": kind, "SEQBENCH_FAULT_AT": str(at),
                        "SEQBENCH_FAULT_ERRNO": str(code), "SEQBENCH_FAULT_STAYS": "0",
                        "SEQBENCH_FAULT_MARK": str(self.folder / "mark")})
                    self.assertEqual(process.returncode, 1, process.stderr)
                    self.assertEqual([file for file in os.listdir(out) if file.endswith(".csv")],
                                     [])
                    process = run(*command, "--out", out)
                    self.assertEqual(process.returncode, 0, process.stderr)


class BadDirectories(ProgramTest):
    CASE = ["--model", "elman", "--length", "4", "--width", "4", "--heads", "2", "--threads", "1"]

    def test_a_used_directory_is_left_alone(self):
        used = self.folder / "used"
        used.mkdir()
        (used / "throughput.csv").write_text("precious\n")
        process = run("throughput", *self.CASE, "--out", used)
        self.assert_refused(process, 2, "--out", str(used), "throughput.csv")
        self.assertEqual((used / "throughput.csv").read_text(), "precious\n")
        self.assertEqual(os.listdir(used), ["throughput.csv"])

    def test_a_directory_that_cannot_be_made(self):
        blocker = self.folder / "file"
        blocker.write_text("in the way")
        process = run("throughput", *self.CASE, "--out", blocker / "run")
        self.assert_refused(process, 1, "--out", str(blocker))
        self.assertEqual(blocker.read_text(), "in the way")

    def test_a_file_system_that_cannot_be_written(self):
        process = run("throughput", *self.CASE, "--out", "/proc/seqbench-run")
        self.assert_refused(process, 1, "--out", "/proc/seqbench-run")

    def test_resuming_a_file_of_other_columns(self):
        used = self.folder / "used"
        used.mkdir()
        (used / "throughput.csv").write_text("case_id\r\n")
        process = run("throughput", *self.CASE, "--out", used, "--resume")
        self.assertEqual(process.returncode, 1, process.stderr)
        self.assertIn("columns", process.stderr)
        self.assertEqual((used / "throughput.csv").read_bytes(), b"case_id\r\n")


if __name__ == "__main__":
    unittest.main()
