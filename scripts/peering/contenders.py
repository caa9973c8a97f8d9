"""The table of peers: how the worker of each is started."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from peering.contender import Contender

SCRIPTS = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Peer:
    module: str  # of its worker, run by the Python that has the libraries
    environment: dict = field(default_factory=dict)


PEERS = {
    # PyTorch takes the memory of every result from malloc, which by default maps and unmaps large
    # blocks and so pays for page faults in each pass: kept, and in huge pages, attention trains 1.1
    # to 1.3 × as fast (2-CPU Sapphire Rapids, B=1 and 16, T=512).
    "pytorch": Peer("peering.pytorch", {
        "GLIBC_TUNABLES": "glibc.malloc.mmap_threshold=4294967296:"
                          "glibc.malloc.trim_threshold=17179869184:glibc.malloc.hugetlb=1"}),
    "onnxruntime": Peer("peering.onnx"),  # has an arena of its own
}


def start_peer(name, python, threads, cpus, min_time):
    """The worker of one library for one number of threads, on the first usable CPUs."""
    peer = PEERS[name]
    command = [python, "-W", "ignore", "-B", "-m", peer.module,
               "--threads", threads, "--min-time", min_time]
    path = os.pathsep.join(filter(None, [str(SCRIPTS), os.environ.get("PYTHONPATH")]))
    return Contender(name, command, cpus=cpus[:threads],
                     environment=peer.environment | {"PYTHONPATH": path})


def start_seqbench(program, grid_arguments):
    """seqbench itself, which pins its threads."""
    return Contender("seqbench", [program, "repeat", *grid_arguments])
