"""The folder of a run: CSV files that are appended to, machine.json and peers.json."""

import csv
import fcntl
import io
import json
import os
import socket
import subprocess
import weakref
from datetime import datetime, timezone
from pathlib import Path

from peer_runs import rows, step_rows
from utf8 import is_utf8, shown


class RunDirectoryError(Exception):
    """The folder or a file in it cannot be used; the message names it and says why."""


TABLES = {"throughput.csv": rows.THROUGHPUT, "samples.csv": rows.SAMPLES, "peers.csv": rows.PEERS,
          "steps.csv": step_rows.STEPS}


def default_path():
    now = datetime.now(timezone.utc)
    return Path("results") / f"{now:%Y%m%d-%H%M%S}-{socket.gethostname()}"


def utc_now():
    return f"{datetime.now(timezone.utc):%Y-%m-%dT%H:%M:%SZ}"


class RunDirectory:
    def __init__(self, path, case_ids):
        """Creates the folder, or takes one that holds none of `case_ids` yet, and is its only writer
        while it lives. Raises RunDirectoryError."""
        self.path = Path(path).resolve()
        if not is_utf8(self.run_id):
            raise RunDirectoryError(f"--out: '{shown(str(path))}' is not allowed; expected a name "
                                    "in UTF-8, since every row holds it")
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunDirectoryError(f"--out: '{path}' cannot be created: {error.strerror}") from error
        weakref.finalize(self, os.close, lock_folder(self.path, path))
        held = {row["case_id"] for name, columns in TABLES.items()
                for row in read_table(self.path / name, columns)}
        for case_id in case_ids:
            if case_id in held:
                raise RunDirectoryError(f"--out: '{path}' already holds the case {case_id}; "
                                        "expected another folder")
        self._peers = read_json(self.path / "peers.json")
        self._machine = read_json(self.path / "machine.json")

    @property
    def run_id(self):
        return self.path.name

    def append(self, name, new_rows):
        """Appends whole rows; the header when the file is new."""
        path = self.path / name
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, TABLES[name])  # RFC 4180's line ends
        if not path.exists():
            writer.writeheader()
        writer.writerows(new_rows)
        with open(path, "a", encoding="utf-8", newline="") as file:
            file.write(text.getvalue())
            file.flush()
            os.fsync(file.fileno())

    def record_peers(self, facts, cases):
        """peers.json: the libraries, and of each case what its peers chose from."""
        self._peers = facts | {"cases": self._peers.get("cases", {}) | cases}
        write_json(self.path / "peers.json", self._peers)

    def record_command(self, options, machine):
        """Adds this command to machine.json, which is made from seqbench's `machine` unless another
        command has left one."""
        if not self._machine:
            self._machine = machine | {"run_id": self.run_id}
        self._machine.setdefault("commands", []).append(
            {"command": "peers", "options": options, "started": utc_now()})
        write_json(self.path / "machine.json", self._machine)

    def record_end(self, exit_code):
        self._machine["commands"][-1] |= {"ended": utc_now(), "exit_code": exit_code}
        write_json(self.path / "machine.json", self._machine)


def lock_folder(folder, shown):
    """A descriptor that holds the lock of seqbench's own commands (harness/files/run_directory.cc) until it
    is closed."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise RunDirectoryError(f"--out: '{shown}' is being written by another process; wait for its "
                                "end or choose another folder") from error
    return descriptor


def read_table(path, columns):
    """The rows of a CSV file, none where there is no file. Raises RunDirectoryError when it has
    other columns or ends within a row."""
    if not path.exists():
        return []
    with open(path, encoding="utf-8", newline="") as file:
        text = file.read()
    reader = csv.DictReader(io.StringIO(text, newline=""))
    if reader.fieldnames != columns:
        raise RunDirectoryError(f"{path}: has other columns than expected: {','.join(columns)}")
    if not text.endswith("\n"):
        raise RunDirectoryError(f"{path}: ends within a row; repair it or choose another --out")
    return list(reader)


def read_json(path):
    """The object in a file, empty where there is no file."""
    if not path.exists():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise RunDirectoryError(f"{path}: is no JSON: {error}") from error
    if not isinstance(content, dict):
        raise RunDirectoryError(f"{path}: expected a JSON object")
    return content


def write_json(path, content):
    """Replaces the file in one step."""
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    draft.replace(path)


def describe_machine(seqbench_program, threads):
    """What `seqbench machine --json` says."""
    command = [str(seqbench_program), "machine", "--json"]
    if threads:
        command += ["--threads", threads]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
