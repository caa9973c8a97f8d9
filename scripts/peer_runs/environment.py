"""The Python environment that holds the other libraries."""

import fcntl
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = ROOT / "scripts/peers-requirements.txt"
VENV = ROOT / ".venv-peers"
VARIABLE = "SEQBENCH_PEERS_PYTHON"

PACKAGES = ("torch", "onnxruntime", "onnx", "numpy", "safetensors")
_VERSIONS = ("import importlib.metadata, json, platform;"
             "print(json.dumps({'python': platform.python_version()} |"
             f" {{name: importlib.metadata.version(name) for name in {PACKAGES}}}))")


class PythonError(Exception):
    """There is no usable Python; the message names it and says why."""


def chosen_python(option):
    """The Python of --python, of the variable, or of .venv-peers/, which is made when needed."""
    if option:
        return option
    return os.environ.get(VARIABLE) or str(venv_python())


def versions(python):
    """{package: version} of what the workers import. Raises PythonError."""
    try:
        process = subprocess.run([python, "-c", _VERSIONS], capture_output=True, text=True)
    except OSError as error:
        raise PythonError(f"--python: '{python}' cannot be run: {error.strerror}") from error
    if process.returncode != 0:
        problem = (process.stderr.strip().splitlines() or ["no output"])[-1]
        raise PythonError(f"--python: '{python}' is not allowed; expected a Python with "
                                f"{', '.join(PACKAGES)} ({problem})")
    return json.loads(process.stdout)


def venv_python():
    """Makes .venv-peers/ when it is missing or its requirements have changed."""
    stamp_file = VENV / "seqbench-stamp"
    stamp = sys.version + hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
    with open(REQUIREMENTS, "rb") as lock:  # one run at a time; the others wait
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp_file.exists() or stamp_file.read_text() != stamp:
            install()
            stamp_file.write_text(stamp)
    return VENV / "bin/python"


def install():
    pins = [line for line in REQUIREMENTS.read_text().splitlines() if "==" in line]
    print(f"peers: installing into {VENV} (some 6 GB, once): {' '.join(pins)}", file=sys.stderr)
    try:
        subprocess.run([sys.executable, "-m", "venv", "--clear", VENV], check=True)
        subprocess.run([VENV / "bin/python", "-m", "pip", "install", "--quiet", "--no-input",
                        "--disable-pip-version-check", "--only-binary", ":all:",
                        "--requirement", REQUIREMENTS], check=True)
    except subprocess.CalledProcessError as error:
        raise PythonError(f"{VENV} cannot be made: {' '.join(map(str, error.cmd))} ended with "
                                f"exit code {error.returncode}") from error
