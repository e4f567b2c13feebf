"""What data call a GPU, taken apart: chip, form, memory."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

NOISE = {
    *("nvidia", "amd", "geforce", "instinct", "tesla", "gpu", "server", "edition", "blackwell"),
    *("hbm2", "hbm2e", "hbm3", "hbm3e", "oam", "pcap"),
}
FORMS = {"sxm": "sxm", "pcie": "pcie", "nvl": "nvl"}
MEMORY_TOLERANCE = 0.08
"""180, 183 and 192 GB are all said of one B200."""


@dataclass(frozen=True)
class GpuName:
    """A card's name, taken apart."""

    chip: str
    form: str | None
    memory_gb: float | None

    @classmethod
    def of(cls, text: str) -> "GpuName":
        """The parts of `text`.

        >>> GpuName.of("H100 80GB HBM3")
        GpuName(chip='h100', form=None, memory_gb=80.0)
        >>> GpuName.of("rtx_pro_6000_server")
        GpuName(chip='rtxpro6000', form=None, memory_gb=None)
        """
        words = [word for word in re.split(r"[^a-z0-9.]+", text.lower()) if word]
        sizes = [match for word in words if (match := re.fullmatch(r"(\d+(?:\.\d+)?)gi?b", word))]
        forms = [form for word in words for begin, form in FORMS.items() if word.startswith(begin)]
        other = [
            word
            for word in words
            if word not in NOISE
            and not re.fullmatch(r"\d+(\.\d+)?gi?b", word)
            and not word.startswith(tuple(FORMS))
        ]
        size = float(sizes[0][1]) if sizes else None
        return cls("".join(other), forms[0] if forms else None, size)

    def means(self, other: "GpuName") -> bool:
        """Whether it can be `other`, which says all."""
        if self.chip != other.chip:
            return False
        if self.form != other.form and None not in (self.form, other.form):
            return False
        if self.memory_gb is None or other.memory_gb is None:
            return True
        return abs(self.memory_gb / other.memory_gb - 1.0) <= MEMORY_TOLERANCE


def most_usual(names: Iterable[str]) -> str | None:
    """Of cards that a name can mean: SXM before others, then the one with the most memory."""
    return max(
        names,
        key=lambda name: (GpuName.of(name).form == "sxm", GpuName.of(name).memory_gb or 0.0),
        default=None,
    )
