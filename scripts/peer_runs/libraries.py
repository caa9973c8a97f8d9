"""The table of the other libraries, the peers: how the worker of each is started."""

import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from peer_runs.server_process import ServerProcess
from peer_runs.environment import LAUNCHER, ROOT


class BuildError(Exception):
    """A worker in C++ cannot be built; the message says why."""


@dataclass(frozen=True)
class Peer:
    module: str = ""  # of its worker, run by the Python that has the libraries; "": a program
    environment: dict = field(default_factory=dict)


PEERS = {
    # PyTorch takes the memory of every result from malloc, which by default maps and unmaps large
    # blocks and so pays for page faults in each pass: kept, and in huge pages, attention trains 1.1
    # to 1.3 × as fast (2-CPU Sapphire Rapids, B=1 and 16, T=512).
    "pytorch": Peer("peer_runs.pytorch", {
        "GLIBC_TUNABLES": "glibc.malloc.mmap_threshold=4294967296:"
                          "glibc.malloc.trim_threshold=17179869184:glibc.malloc.hugetlb=1"}),
    "onnxruntime": Peer("peer_runs.onnx"),  # has an arena of its own
    "onednn": Peer(),
}


# Those that take training steps (--task); tuned: as who knows the task could write them.
STEP_PEERS = {name: Peer("peer_runs.pytorch_steps", PEERS["pytorch"].environment)
              for name in ("pytorch", "pytorch-tuned")}


# Those that take training steps on a text (--text).
TEXT_PEERS = {"pytorch": Peer("peer_runs.pytorch_text", PEERS["pytorch"].environment)}


@dataclass(frozen=True)
class Launch:
    """What the workers of a run have in common. `grid` are seqbench's options of the cases."""

    python: str
    min_time: str
    grid: list
    cpus: list
    onednn_program: Path | None = None
    peers: dict = field(default_factory=lambda: PEERS)

    def start(self, name, threads, is_tuned=True):
        """The worker of one library for one number of threads, on the first usable CPUs; as the
        library is when nobody tunes it, or in the environment that makes it fast."""
        peer = self.peers[name]
        common = ["--threads", threads, "--min-time", self.min_time]
        if peer.module:
            command = [self.python, "-W", "ignore", *LAUNCHER, peer.module, *common]
        else:
            command = [self.onednn_program, *self.grid, *common]
        environment = peer.environment if is_tuned else None
        return ServerProcess(name, command, cpus=self.cpus[:threads], environment=environment)


def start_seqbench(program, grid, threads, min_time):
    """seqbench itself, which pins its threads."""
    counts = ["--threads", threads] if threads else []
    return ServerProcess("seqbench", [program, "repeat", *grid, *counts, "--min-time", min_time])


def build_onednn():
    """The program of oneDNN's worker, built when it is not up to date. Raises BuildError."""
    program = ROOT / "build/peers/peer_onednn"
    if not program.exists():
        print("peers: building oneDNN's worker in build/peers, which takes minutes, once",
              file=sys.stderr)
    for command in (["cmake", "--preset", "peers", "--log-level=WARNING"],
                    ["cmake", "--build", "--preset", "peers"]):
        process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        if process.returncode != 0:
            output = (process.stderr + process.stdout).strip()
            raise BuildError(f"--peers: 'onednn' cannot be built; it needs libdnnl-dev: "
                             f"{' '.join(command)} said\n{output}")
    return program
