"""The Python environment that holds the other libraries."""

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

import python_venv

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = ROOT / "scripts/peers-requirements.txt"
VENV = ROOT / ".venv-peers"
VARIABLE = "SEQBENCH_PEERS_PYTHON"

PACKAGES = ("torch", "onnxruntime", "onnx", "numpy", "safetensors")
# The -E leaves a Python of the user's choice the user's own packages, which -I would not.
LAUNCHER = ("-E", "-X", "utf8", "-B", str(ROOT / "scripts/isolated.py"), "peers")


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
        process = subprocess.run([python, *LAUNCHER, "peer_runs.versions"], capture_output=True,
                                 text=True)
    except OSError as error:
        raise PythonError(f"--python: '{python}' cannot be run: {error.strerror}") from error
    if process.returncode != 0:
        problem = (process.stderr.strip().splitlines() or ["no output"])[-1]
        raise PythonError(f"--python: '{python}' is not allowed; expected a Python with "
                                f"{', '.join(PACKAGES)} ({problem})")
    return json.loads(process.stdout)


def venv_python():
    """Makes .venv-peers/ when it is not whole or its requirements have changed."""
    with open(REQUIREMENTS, "rb") as lock:  # one run at a time; the others wait
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not python_venv.is_whole(VENV, REQUIREMENTS):
            install()
    return VENV / "bin/python"


def install():
    pins = [line for line in REQUIREMENTS.read_text().splitlines() if "==" in line]
    print(f"peers: installing into {VENV} (some 6 GB, once): {' '.join(pins)}", file=sys.stderr)
    try:
        python_venv.install(VENV, REQUIREMENTS, [], PACKAGES)
    except (python_venv.VenvError, OSError) as error:
        raise PythonError(f"{VENV} cannot be made: {error}") from error
