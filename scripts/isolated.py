"""Starts a module of scripts/: python -I -X utf8 -B scripts/isolated.py NAME MODULE ARGUMENT...

NAME is what the module's messages begin with. Imports come from scripts/ and from the Python's own
folders, whatever the caller's folder and PYTHON... variables hold (-I). Names of files keep their
bytes (-X utf8). Standard output that cannot be written is one line on stderr and exit code 1.
"""

import io
import os
import runpy
import sys


class OutputFailed(BaseException):
    """Standard output cannot be written. No OSError, which modules expect of their own files."""


class CheckedOutput(io.FileIO):
    def write(self, data):
        try:
            return super().write(data)
        except OSError as error:
            raise OutputFailed(error.strerror) from error


class LossyOutput(io.FileIO):
    """Drops what cannot be written: a message that nobody sees changes no exit code."""

    def write(self, data):
        try:
            return super().write(data)
        except OSError:
            return len(data)


def lossy_stderr():
    if sys.stderr is None:  # closed: files must not get its number, nor messages go to stdout
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    file = io.BufferedWriter(LossyOutput(2, "w", closefd=False))
    return io.TextIOWrapper(file, encoding="utf-8", errors="backslashreplace", line_buffering=True)


def checked_stdout():
    """Standard output as text. Raises OutputFailed when it is closed."""
    if sys.stdout is None:
        raise OutputFailed("it is closed")
    file = io.BufferedWriter(CheckedOutput(1, "w", closefd=False))
    return io.TextIOWrapper(file, encoding="utf-8", errors="surrogateescape",
                            line_buffering=sys.stdout.isatty())


def run(name, module, arguments):
    """Runs the module as a program, which may end with SystemExit. Raises OutputFailed."""
    sys.argv = [name, *arguments]
    sys.stdout = checked_stdout()
    try:
        runpy.run_module(module, run_name="__main__")
    finally:
        sys.stdout.flush()


def main():
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    name, module, *arguments = sys.argv[1:]
    sys.stderr = lossy_stderr()
    try:
        run(name, module, arguments)
    except OutputFailed as problem:
        # What is still in the buffer must not fail once more at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(f"{name}: standard output cannot be written: {problem}")


if __name__ == "__main__":
    main()
