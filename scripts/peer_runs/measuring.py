"""The rounds of one case: every library once in each, in a new random order."""

import os
import time
from dataclasses import asdict, dataclass, field, fields

from peer_runs import memory
from peer_runs.server_process import ServerError

# Pools that spin after their work would take time from the next library. On a 2-CPU Sapphire
# Rapids, OpenMP's threads (seqbench, PyTorch) burn 4 ms before they sleep, ONNX Runtime's 26 ms.
PAUSE_SECONDS = 0.04


# What helps when there are too few samples or they are too unsteady, for the reason of a noisy row.
REMEDY = "raise --rounds"


def pause_for(threads):
    """Seconds between libraries. One thread is no pool: there, without a pause, the probes are
    closest to what they stand for."""
    return PAUSE_SECONDS if threads > 1 else 0.0


@dataclass
class Sample:
    seconds: float  # of one pass over the batch
    peak_gflops: float
    steal_fraction: float
    # What is not known is None.
    wait_fraction: float | None = None
    involuntary_switches: int | None = None
    throttled: int | None = None
    unpinned_threads: int | None = None
    limit_seconds: float | None = None  # of a layer


@dataclass
class Outcome:
    """What became of one library on one case."""

    case: object  # its own, by its kernel
    prepared: dict  # the answer to prepare
    samples: list = field(default_factory=list)  # one a round, unless it failed
    problem: str = ""  # why it failed
    judged: dict = field(default_factory=dict)  # texts of its row's cells that follow from samples
    process_bytes: int | None = None  # peak of a process of its own; None where it was not taken

    @property
    def status(self):
        """"ready", "failed" or "skipped"."""
        return "failed" if self.problem else self.prepared["status"]

    @property
    def reason(self):
        return self.problem or self.prepared.get("reason", "")


class StealClock:
    """Seconds that the hypervisor has taken from some CPUs (/proc/stat), as a share of time."""

    def __init__(self, cpus):
        self._names = {f"cpu{cpu}" for cpu in cpus}
        self._stolen, self._start = self._stolen_ticks(), time.monotonic()

    def fraction(self):
        """Since the construction."""
        ticks = self._stolen_ticks() - self._stolen
        seconds = ticks / os.sysconf("SC_CLK_TCK")
        return seconds / (time.monotonic() - self._start) / len(self._names)

    def _stolen_ticks(self):
        with open("/proc/stat", encoding="ascii") as file:
            rows = [line.split() for line in file]
        return sum(int(row[8]) for row in rows if row[0] in self._names)


class WaitClock:
    """What a process's threads wait for their CPU, as harness/machine/disturbance.h counts it."""

    def __init__(self, pid):
        self._pid = pid
        self._before, self._start = self._counts(), time.monotonic()

    def since_start(self):
        """(share of the time that the thread waited which waited longest, times that a thread had to
        leave its CPU); None for what the kernel does not tell."""
        elapsed = time.monotonic() - self._start
        now = self._counts()
        if not now:
            return None, None
        none = (0, 0)
        waits = [count[0] - self._before.get(thread, none)[0] for thread, count in now.items()]
        leaves = [count[1] - self._before.get(thread, none)[1] for thread, count in now.items()]
        return max(waits) * 1e-9 / elapsed, max(0, sum(leaves))

    def _counts(self):
        """{thread: (nanoseconds of waiting, involuntary switches)}; empty where one is not known."""
        counts = {}
        try:
            for thread in os.listdir(f"/proc/{self._pid}/task"):
                counts[thread] = self._of_thread(f"/proc/{self._pid}/task/{thread}")
        except (OSError, ValueError, IndexError):
            return {}
        return counts

    @staticmethod
    def _of_thread(folder):
        with open(f"{folder}/schedstat", encoding="ascii") as file:
            waiting = int(file.read().split()[1])
        with open(f"{folder}/status", encoding="ascii", errors="replace") as file:
            leaves = [line for line in file if line.startswith("nonvoluntary_ctxt_switches:")]
        return waiting, int(leaves[0].split()[1])


def increase(before, now):
    """None where a count is not known, or went back: then it is another's."""
    return now - before if before is not None and now is not None and now >= before else None


def prepare_peer(peer, case, details):
    """The peer's outcome, so far without samples."""
    try:
        return Outcome(case, peer.ask({"do": "prepare", "case": case.id, **details}))
    except ServerError as error:
        return Outcome(case, {}, problem=str(error))


def sample_of_seqbench(seqbench, case):
    """seqbench probes the peak around its passes itself."""
    answer = seqbench.ask({"do": "repeat", "case": case.id})
    return Sample(**{one.name: answer.get(one.name) for one in fields(Sample)})


def take_sample_of_peer(peer, outcome, *, seqbench, cpus, pause):
    """One repetition between two of seqbench's probes on the same number of threads."""
    threads = outcome.case.threads
    probe = {"do": "probe", "threads": threads}
    if getattr(outcome.case, "dtype", "float32") != "float32":  # steps of trainings have none
        probe["dtype"] = outcome.case.dtype
    steal = StealClock(cpus[:threads])
    before = seqbench.ask(probe)
    time.sleep(pause)
    waiting = WaitClock(peer.pid)
    try:
        seconds = peer.ask({"do": "repeat", "case": outcome.case.id})["seconds"]
    except ServerError as error:
        outcome.samples.clear()
        outcome.problem = str(error)
        return
    wait_fraction, switches = waiting.since_start()
    time.sleep(pause)
    after = seqbench.ask(probe)
    throttled = increase(before.get("throttled_so_far"), after.get("throttled_so_far"))
    outcome.samples.append(Sample(seconds, (before["peak_gflops"] + after["peak_gflops"]) / 2,
                                  steal.fraction(), wait_fraction, switches, throttled))


def measure_case(case, seqbench, peers, *, cpus, rounds, random, details=None, peer_details=None):
    """{library's name: Outcome} of seqbench's `case`, seqbench first; `peers` are {name:
    ServerProcess}; `details` stand in every request to prepare, `peer_details` in those to peers. What
    goes wrong with a peer is in its outcome. Raises ServerError when seqbench itself cannot go on."""
    details, peer_details = details or {}, peer_details or {}
    prepared = seqbench.ask({"do": "prepare", "case": case.id, **details})
    outcomes = {"seqbench": Outcome(case, prepared)}
    for name, peer in peers.items():
        outcomes[name] = prepare_peer(peer, case.by(name), details | peer_details)
    pause = pause_for(case.threads)
    for _ in range(rounds):
        order = [name for name, outcome in outcomes.items() if outcome.status == "ready"]
        random.shuffle(order)
        for name in order:
            time.sleep(pause)
            outcome = outcomes[name]
            if name == "seqbench":
                outcome.samples.append(sample_of_seqbench(seqbench, case))
            else:
                take_sample_of_peer(peers[name], outcome, seqbench=seqbench, cpus=cpus, pause=pause)
    for name, outcome in outcomes.items():
        release({"seqbench": seqbench, **peers}[name], outcome)
    judge(outcomes, seqbench)
    return outcomes


def take_process_bytes(outcomes, start, details, own_details):
    """Of each library that was measured: the highest resident set of a process started for that by
    start(name, threads), which prepares the case, the peers in the form that they chose, and repeats
    it once. The requests are those of measure_case(), but for seqbench, which writes its file anew
    where `own_details` say. Where it fails it is not known."""
    for name, outcome in outcomes.items():
        if not outcome.samples:
            continue
        of_library = (own_details if name == "seqbench" else
                      details | {"form": outcome.prepared["variant"]})
        server = start(name, outcome.case.threads)
        try:
            server.ask({"do": "prepare", "case": outcome.case.id, **of_library})
            server.ask({"do": "repeat", "case": outcome.case.id})
            outcome.process_bytes = memory.peak_resident_bytes(server.pid)
        except (ServerError, OSError):
            pass
        finally:
            server.close()


def judge(outcomes, seqbench):
    """Lets seqbench decide the cells that follow from samples, for all libraries by one rule.
    Raises ServerError."""
    own = outcomes["seqbench"]
    for outcome in outcomes.values():
        if not outcome.samples:
            continue
        # The limit is the machine's and so the same for all of them.
        limits = [sample.limit_seconds for sample in own.samples or outcome.samples]
        samples = [asdict(sample) | {"limit_seconds": limit}
                   for sample, limit in zip(outcome.samples, limits, strict=True)]
        request = {"do": "judge", "case": own.case.id, "samples": samples, "remedy": REMEDY}
        outcome.judged = seqbench.ask(request)["cells"]


def release(server, outcome):
    """Frees the case's memory where the process still holds it."""
    if outcome.status != "ready":
        return
    try:
        server.ask({"do": "release", "case": outcome.case.id})
    except ServerError:
        pass  # it has ended, and its memory with it
