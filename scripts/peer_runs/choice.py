"""The fastest right variant of a library for one case: every one is checked, then raced."""

import gc
import time
from dataclasses import dataclass, field

from peer_runs import memory
from peer_runs.reference import SampledReference, WholeReference, layer_case, small_sibling
from torch_reference import draw_inputs

_RACE_SECONDS = 0.3
_RACE_PASSES = 3


@dataclass
class Choice:
    name: str = ""
    variant: object = None  # None when no variant is right
    facts: dict = field(default_factory=dict)  # of the variant, for the answer to prepare
    race: dict = field(default_factory=dict)  # seconds of each right variant's fastest pass
    rejected: dict = field(default_factory=dict)  # why each other variant is out

    def race_with(self, name, variant, facts):
        """Times a variant that is right; the fastest so far is chosen, with its facts."""
        seconds = fastest_pass(variant)
        if seconds < min(self.race.values(), default=float("inf")):
            self.name, self.variant, self.facts = name, variant, facts
        self.race[name] = seconds


def choose(case, builders):
    """`builders` are {name: build(case, inputs)}. A variant has run() (one pass, what is timed),
    results() (of the last run, {y, dx, d.NAME} as batch-first tensors) and, of a train case,
    use_dy(tensor)."""
    choice = Choice()
    inputs = inputs_of(case)
    reference = SampledReference(case, inputs)
    for name, build in builders.items():
        variant = None  # of the round before: two at most are alive
        try:
            problem = sibling_difference(case, build)
            if not problem:
                variant, peak_bytes = build_measured(case, build, inputs)
                problem = difference(case, variant, reference, inputs)
        except Exception as error:  # whatever a library throws rules out this variant only
            problem = f"{type(error).__name__}: {str(error).strip().splitlines()[0][:200]}"
        if problem:
            choice.rejected[name] = problem
            continue
        choice.race_with(name, variant, {"peak_bytes": peak_bytes})
    return choice


def inputs_of(case):
    """draw_inputs(), of a case in bfloat16 numbers that are such."""
    inputs = draw_inputs(layer_case(case))
    if case.dtype == "float32":
        return inputs
    return {name: tensor.bfloat16().float() for name, tensor in inputs.items()}


def sibling_difference(case, build):
    sibling = small_sibling(case)
    inputs = inputs_of(sibling)
    return difference(sibling, build(sibling, inputs), WholeReference(sibling, inputs), inputs)


def build_measured(case, build, inputs):
    """The variant, run once, and the growth of the resident set meanwhile."""
    memory.reset_peak()
    before = memory.resident_bytes()
    variant = build(case, inputs)
    variant.run()
    return variant, max(0.0, memory.peak_resident_bytes() - before)


def difference(case, variant, reference, inputs):
    """"" or what is wrong with a run of the variant."""
    if case.which_pass == "train":
        variant.use_dy(reference.dy)
    variant.run()
    problem = reference.difference(variant.results())
    if case.which_pass == "train":
        variant.use_dy(inputs["dy"])
    return problem


def fastest_pass(variant):
    """Seconds. The fastest of a few: whatever else the machine does can only add."""
    gc.collect()
    variant.run()
    passes = []
    while len(passes) < _RACE_PASSES or sum(passes) < _RACE_SECONDS:
        start = time.perf_counter()
        variant.run()
        passes.append(time.perf_counter() - start)
    return min(passes)
