"""A library with scripted answers, for test_peers.py: python fake_library.py SCRIPT.

SCRIPT is JSON: `cases` (the answer to list), `seconds` (of the first, second, … repetition of a
case, then again from the first), `peak`; `prepare` replaces parts of the answer to prepare;
`repeat` those of the answer to repeat; `throttled` is what is counted at each probe; `dies_at` is the repetition at which the process kills
itself. With scripts/isolated.py
among its arguments it is the Python of scripts/peers: it names its packages, or is a library's
worker, scripted by FAKE_LIBRARY.
"""

import json
import os
import signal
import sys

VERSIONS = {"python": "3", "torch": "9.9", "onnxruntime": "8.8"}


def cells(case_id):
    if case_id.count(":") < 7:  # a training step
        return {}
    dtype = "bfloat16" if case_id.endswith(":bfloat16") else "float32"
    model, kernel, which_pass, batch, steps, width, heads, *causal, threads = (
        case_id.removesuffix(f":{dtype}").split(":"))
    attention = model == "attention"
    return {"model": model, "kernel": kernel, "pass": which_pass, "batch": batch[1:],
            "seq_len": steps[1:], "width": width[1:], "threads": threads[1:], "dtype": dtype,
            "parameters": "10", "flops": "536870912", "state_bytes": "64",
            **({"heads": heads[1:], "causal": str(bool(causal)).lower()} if attention else {})}


class Fake:
    def __init__(self, script):
        self.script = script
        self.repetition = self.throttled = 0

    def answer(self, request):
        what = request["do"]
        if what == "list":
            return {"cases": self.script["cases"]}
        if what == "probe":
            self.throttled += self.script.get("throttled", 0)
            rounded = request.get("dtype") == "bfloat16"
            return {"peak_gflops": (2 if rounded else 1) * self.script["peak"],
                    "throttled_so_far": self.throttled}
        if what == "prepare":
            self.repetition = 0
            return {"case": request["case"], "status": "ready", "peak_bytes": 4096,
                    "cells": cells(request["case"]), "version": "9.9", "variant": "fast",
                    "race": {"fast": 1.0}, "rejected": {}, **self.script.get("prepare", {})}
        if what == "repeat":
            return self.repeat()
        return {"case": request["case"]}

    def repeat(self):
        if self.repetition == self.script.get("dies_at"):
            os.kill(os.getpid(), signal.SIGKILL)
        seconds = self.script["seconds"]
        self.repetition += 1
        return {"seconds": seconds[(self.repetition - 1) % len(seconds)], "passes": 1,
                "peak_gflops": self.script.get("peak", 1), "steal_fraction": 0.25,
                "wait_fraction": 0.03125, "involuntary_switches": 3, "throttled": 0,
                "limit_seconds": 0.5, **self.script.get("repeat", {})}


def main():
    if "peer_runs.versions" in sys.argv:
        print(json.dumps(VERSIONS))
        return
    is_worker = any(word.endswith("isolated.py") for word in sys.argv)
    script = os.environ["FAKE_LIBRARY"] if is_worker else sys.argv[1]
    fake = Fake(json.loads(script))
    for line in sys.stdin:
        print(json.dumps(fake.answer(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
