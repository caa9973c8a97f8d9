"""A library's process: answers prepare, repeat and release (harness/server/protocol.h)."""

import argparse
import gc
import json
import os
import sys
import time

from peer_runs.cases import Case
from peer_runs.choice import choose


class Unsupported(Exception):
    """The library cannot do this kind of case; the message says why."""


class Worker:
    """`library` has `version` and builders(case), which raises Unsupported."""

    parse_case = staticmethod(Case.parse)

    def __init__(self, library, least_seconds):
        self._library = library
        self._least_seconds = least_seconds
        self._ready = {}  # variant by case id

    def answer(self, request):
        what, case_id = request["do"], request["case"]
        if what == "prepare":
            return self._prepare(self.parse_case(case_id), request)
        if what == "repeat":
            return self._repeat(self._ready[case_id])
        if what == "release":
            del self._ready[case_id]
            gc.collect()
            return {"case": case_id}
        raise ValueError(f"do: '{what}' is not allowed; expected prepare, repeat or release")

    def _prepare(self, case, request):
        self._ready.clear()  # one that failed meanwhile was never released
        reply = {"case": case.id, "version": self._library.version}
        try:
            builders = self._library.builders(case)
            if "form" in request:
                builders = {request["form"]: builders[request["form"]]}
            choice = self._choose(case, builders, request)
        except Unsupported as reason:
            return reply | {"status": "skipped", "reason": str(reason)}
        reply |= {"race": choice.race, "rejected": choice.rejected}
        if choice.variant is None:
            reasons = [f"{name}: {problem}" for name, problem in choice.rejected.items()]
            return reply | {"status": "failed", "reason": "; ".join(reasons)}
        self._ready[case.id] = choice.variant
        return reply | {"status": "ready", "variant": choice.name} | choice.facts

    def _choose(self, case, builders, _request):
        """The Choice among the builders' variants."""
        return choose(case, builders)

    def _repeat(self, variant):
        """One untimed pass, then passes for the least seconds."""
        gc.collect()  # now, not within the passes
        variant.run()
        passes = 0
        start = time.perf_counter()
        while True:
            variant.run()
            passes += 1
            elapsed = time.perf_counter() - start
            if elapsed >= self._least_seconds:
                return {"seconds": elapsed / passes, "passes": passes}


def serve(make_library, make_worker=Worker):
    """The worker's main program; `make_library(threads)` is called before anything is computed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--min-time", type=float, required=True)
    options = parser.parse_args()
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints must not stand among the answers
    worker = make_worker(make_library(options.threads), options.min_time)
    for line in sys.stdin:
        try:
            reply = worker.answer(json.loads(line))
        except Exception as error:  # to the driver, which knows what to do without this answer
            reply = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(reply), file=answers, flush=True)
