"""A training step by its id, as seqbench writes it: mqar:lstm:seqbench:B64:T256:D64:t1, the task
first or the preset of a text."""

import re
from dataclasses import dataclass, replace

_ID = re.compile(r"([\w-]+):(\w+):([\w-]+):B(\d+):T(\d+):D(\d+):t(\d+)")


@dataclass(frozen=True)
class StepCase:
    task: str
    model: str
    library: str
    batch: int
    steps: int
    width: int
    threads: int

    @classmethod
    def parse(cls, case_id):
        """Raises ValueError for a text that is no id of a step."""
        match = _ID.fullmatch(case_id)
        if match is None:
            raise ValueError(f"'{case_id}' is no id of a training step; expected one such as "
                             "'mqar:lstm:seqbench:B64:T256:D64:t1'")
        task, model, library, batch, steps, width, threads = match.groups()
        return cls(task=task, model=model, library=library, batch=int(batch), steps=int(steps),
                   width=int(width), threads=int(threads))

    @property
    def id(self):
        return (f"{self.task}:{self.model}:{self.library}:B{self.batch}:T{self.steps}"
                f":D{self.width}:t{self.threads}")

    def by(self, library):
        """The same step by another library."""
        return replace(self, library=library)
