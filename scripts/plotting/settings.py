"""Settings that one figure holds fixed: width, heads and causal."""

import math
from dataclasses import dataclass

# The width of the quick sweep, shown first where several widths have as many rows.
MAIN_WIDTH = 256


@dataclass(frozen=True)
class Setting:
    """Recurrent rows have neither heads nor causal, so they belong to every setting of their
    width."""

    width: int
    heads: float | None
    causal: str

    def select(self, rows):
        return rows[
            (rows["width"] == self.width)
            & (rows["heads"].isna() | (rows["heads"] == self.heads))
            & ((rows["causal"] == "") | (rows["causal"] == self.causal))
        ]

    @property
    def label(self):
        parts = [f"width {self.width}"]
        if self.heads is not None:
            parts.append(f"{self.heads:g} heads" if self.heads != 1 else "1 head")
            parts.append("causal attention" if self.causal == "true" else "full attention")
        return ", ".join(parts)

    @property
    def slug(self):
        heads = "" if self.heads is None else f"-h{self.heads:g}"
        return f"w{self.width}{heads}" + ("-causal" if self.causal == "true" else "")


def settings_of(rows):
    """All settings in `rows`: most rows first, then full attention, then close to MAIN_WIDTH."""
    found = set()
    for width, group in rows.groupby("width"):
        attention = group[group["heads"].notna()]
        pairs = set(zip(attention["heads"], attention["causal"])) or {(None, "")}
        found |= {Setting(int(width), heads, causal) for heads, causal in pairs}

    def order(setting):
        distance = abs(math.log(setting.width / MAIN_WIDTH))
        return (-len(setting.select(rows)), setting.causal, distance, setting.width, setting.heads)

    return sorted(found, key=order)
