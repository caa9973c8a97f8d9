"""What a worker's tensors cost, and whether they would fit (Linux)."""

import ctypes
import gc


class DoesNotFit(Exception):
    """A variant would need more memory than the machine has free."""


def reset_peak():
    """Starts a new peak of the resident set, from which what was freed is gone."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
        file.write("5")


def resident_bytes():
    return 1024 * _number("/proc/self/status", "VmRSS")


def peak_resident_bytes(pid="self"):
    """The highest of a process since its start, or its own reset_peak()."""
    return 1024 * _number(f"/proc/{pid}/status", "VmHWM")


def refuse_beyond_available(needed_bytes):
    """Raises DoesNotFit above three quarters of the free memory, seqbench's own limit."""
    available = 0.75 * 1024 * _number("/proc/meminfo", "MemAvailable")
    if needed_bytes > available:
        raise DoesNotFit(f"needs {needed_bytes / 2**30:.1f} GiB, limit {available / 2**30:.1f} GiB")


def _number(path, key):
    with open(path, encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(key + ":"))
