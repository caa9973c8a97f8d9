"""Prints the versions of what the workers import, as JSON; run by the Python that has it."""

import importlib.metadata
import json
import platform

from peer_runs.environment import PACKAGES

if __name__ == "__main__":
    print(json.dumps({"python": platform.python_version()} |
                     {name: importlib.metadata.version(name) for name in PACKAGES}))
