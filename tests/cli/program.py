"""Running the program as a user does."""

import csv
import os
import pathlib
import subprocess
import tempfile
import unittest

PROGRAM = os.path.abspath(os.environ.get("SEQBENCH", "build/release/seqbench"))


# Options of a sweep of one case, done in a moment; its --length is the test's.
TINY_SWEEP = ["--width", "8", "--heads", "1", "--model", "gru", "--threads", "1", "--pass", "forward",
              "--repetitions", "3", "--min-time", "0.001", "--no-progress"]


def run(*arguments, timeout=300, **options):
    """The finished process of `seqbench ARGUMENTS`, its output as text."""
    return subprocess.run(
        [PROGRAM, *map(str, arguments)], capture_output=True, text=True, timeout=timeout, **options
    )


# Stands before a command whose first argument is a shell's line that mounts what it is to see.
OTHER_MOUNTS = ["unshare", "--mount", "sh", "-c"]


def can_mount():
    """May this process give a program of its own files below /proc and /sys?"""
    try:
        return subprocess.run([*OTHER_MOUNTS, "mount -t tmpfs none /tmp"], capture_output=True,
                              check=False).returncode == 0
    except FileNotFoundError:
        return False


def run_where(files, *arguments, **options):
    """run() on a machine where `files`, {path: a file with the other content}, are other than here;
    None for the content is an empty folder in the place of one. "/proc/self" is the program's."""
    mounts = []
    for path, content in files.items():
        path = path.replace("/proc/self", "/proc/$$")  # that of the shell, which becomes the program
        mounts.append(f"mount -t tmpfs none {path}" if content is None else
                      f"mount --bind '{content}' {path}")
    line = " && ".join([*mounts, 'exec "$0" "$@"'])
    return subprocess.run([*OTHER_MOUNTS, line, PROGRAM, *map(str, arguments)], capture_output=True,
                          text=True, timeout=300, check=False, **options)


def read_csv(path):
    """The rows of a CSV file as dictionaries; checks that every row has every column."""
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, strict=True))
    for row in rows:
        assert None not in row and None not in row.values(), f"{path}: ragged row {row}"
    return rows


class ProgramTest(unittest.TestCase):
    """A test with a folder of its own, `self.folder`."""

    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = pathlib.Path(scratch.name)

    def assert_refused(self, process, code, *parts):
        """Exit code, one line on stderr, and that the line names what it should."""
        self.assertEqual(process.returncode, code, process.stderr)
        self.assertEqual(len(process.stderr.strip().splitlines()), 1, process.stderr)
        for part in parts:
            self.assertIn(part, process.stderr)
