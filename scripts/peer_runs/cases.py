"""A case by its id, as seqbench writes it: lstm:persistent:train:B1:T512:D256:H-:t2, behind it
":bfloat16" where factors of products are so."""

import re
from dataclasses import dataclass, replace

_ID = re.compile(r"(\w+):(\w+):(\w+):B(\d+):T(\d+):D(\d+):H(-|\d+)(:causal)?:t(\d+)(:bfloat16)?")


@dataclass(frozen=True)
class Case:
    model: str
    kernel: str
    which_pass: str
    batch: int
    steps: int
    width: int
    heads: int | None  # None for a recurrent model
    causal: bool
    threads: int
    dtype: str = "float32"

    @classmethod
    def parse(cls, case_id):
        """Raises ValueError for a text that is no case id."""
        match = _ID.fullmatch(case_id)
        if match is None:
            raise ValueError(f"'{case_id}' is no case id; expected one such as "
                             "'lstm:hoisted:train:B1:T512:D256:H-:t2'")
        model, kernel, which_pass, batch, steps, width, heads, causal, threads, dtype = (
            match.groups())
        return cls(model=model, kernel=kernel, which_pass=which_pass, batch=int(batch),
                   steps=int(steps), width=int(width), heads=None if heads == "-" else int(heads),
                   causal=causal is not None, threads=int(threads),
                   dtype="bfloat16" if dtype else "float32")

    @property
    def id(self):
        heads = "-" if self.heads is None else f"{self.heads}{':causal' if self.causal else ''}"
        return (f"{self.model}:{self.kernel}:{self.which_pass}:B{self.batch}:T{self.steps}"
                f":D{self.width}:H{heads}:t{self.threads}"
                f"{'' if self.dtype == 'float32' else ':' + self.dtype}")

    def by(self, kernel):
        """The same case in another implementation."""
        return replace(self, kernel=kernel)
