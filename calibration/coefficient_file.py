"""A fit -> catalogue/step_time.yaml: the coefficients, how sure they are, what errors to expect."""

import math
from collections.abc import Iterable, Mapping, Sequence
from statistics import median

import numpy as np

from calibration.coefficients import ALL, CHIP, ENGINE, OWN, SHARED, TIED, Key, owner
from calibration.fitting import Fit
from scenarios.part import yaml_key

ENGINES_OF_TODAY = ("vllm", "sglang", "trtllm")
"""What an engine that nobody measured is likely to be like."""
DIGITS = 4
ENGINE_FIELDS = (*ENGINE, *(field for _, field in OWN))
UNDECIDED = 0.85
"""Of the prior's spread: a standard error above it means that the data said next to nothing."""


def as_yaml(fitted: Fit, bands: Mapping[str, Mapping[str, float]], about: Sequence[str]) -> str:
    """The whole file. about: comment lines on what it was fitted to."""
    values = {key: rounded(value) for key, value in fitted.values.items()}
    owners = {name for name, _ in [*values, *TIED]} - {ALL}
    chips = {name: fields_of(values, name, CHIP) for name in sorted(owners)}
    engines = {name: fields_of(values, name, ENGINE_FIELDS) for name in sorted(owners)}
    lines = [f"# {line}" for line in about]
    lines += ["silicon:", *(f"  {n}: {{{flow(fields)}}}" for n, fields in chips.items() if fields)]
    lines += [f"  {ALL}: {{{flow(unknown_chip(chips.values()))}}}", "engines:", f"  {ALL}:"]
    shared = unknown_engine(values, engines)
    lines += [f"    {yaml_key(f)}: {quantity(f, v)}" for f, v in shared.items()]
    lines += [f"  {n}: {{{flow(fields)}}}" for n, fields in engines.items() if fields]
    lines += ["fit:", *uncertainty(fitted), *correlation(fitted), *ties(values), *expected(bands)]
    return "\n".join(lines) + "\n"


def fields_of(values: Mapping[Key, float], name: str, fields: Iterable[str]) -> dict[str, float]:
    """What the fit says of one chip or engine alone."""
    return {
        f: values[owner(name, f), f]
        for f in fields
        if (owner(name, f), f) in values and ((name, f) in values or (name, f) in TIED)
    }


def unknown_chip(chips: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """The median of the chips measured; the prior of what none has."""
    known = [chip for chip in chips if chip]
    return {
        field: median(chip[field] for chip in known if field in chip) if known else prior.value
        for field, prior in CHIP.items()
    }


def unknown_engine(
    values: Mapping[Key, float], engines: Mapping[str, Mapping[str, float]]
) -> dict[str, float]:
    """What all engines share; of what each has of its own, the median of today's."""
    today = [engines[name] for name in ENGINES_OF_TODAY if name in engines]
    own = {
        field: median([engine[field] for engine in today if field in engine] or [prior.value])
        for field, prior in ENGINE.items()
    }
    nobodys = {field: 0.0 for _, field in OWN}
    shared = {field: values.get((ALL, field), prior.value) for field, prior in SHARED.items()}
    return own | nobodys | shared


def uncertainty(fitted: Fit) -> list[str]:
    """Relative standard error of each coefficient."""
    spread = fitted.standard_errors.tolist()
    lines = ["  # Relative standard error; the prior's own where the data do not decide."]
    lines.append("  uncertainty:")
    lines += [
        f"    {'.'.join(key)}: {error:.3f}"
        for key, error in zip(fitted.problem.priors, spread, strict=True)
    ]
    believed = fitted.problem.spreads.tolist()
    undecided = [
        ".".join(key)
        for key, error, before in zip(fitted.problem.priors, spread, believed, strict=True)
        if error > UNDECIDED * before
    ]
    lines.append("  # Hardly moved by the data: as good as assumed.")
    return [*lines, f"  undecided: [{', '.join(undecided)}]"]


def ties(values: Mapping[Key, float]) -> list[str]:
    """Coefficients that stand for another's."""
    tied = {f"{n}.{f}": f"{o}.{f}" for (n, f), o in TIED.items() if (o, f) in values}
    return [f"  tied: {{{', '.join(f'{name}: {other}' for name, other in tied.items())}}}"]


def correlation(fitted: Fit) -> list[str]:
    """Of the logarithms, rows and columns in the order of `uncertainty`; lower triangle."""
    lines = ["  # Correlations of the logarithms, in that order, lower triangle, hundredths."]
    lines.append("  correlation:")
    spread = fitted.standard_errors
    matrix = np.rint(100 * fitted.covariance / np.outer(spread, spread)).astype(int)
    return lines + [
        f"    - [{', '.join(map(str, row[: i + 1].tolist()))}]" for i, row in enumerate(matrix)
    ]


def expected(bands: Mapping[str, Mapping[str, float]]) -> list[str]:
    lines = ["  # Absolute errors, %, of fits that had not seen the like."]
    lines.append("  bands:")
    return lines + [
        f"    {name}: {{{', '.join(f'{m}: {value:.1f}' for m, value in errors.items())}}}"
        for name, errors in bands.items()
    ]


def flow(fields: Mapping[str, float]) -> str:
    return ", ".join(
        f"{yaml_key(field)}: {quantity(field, value)}" for field, value in fields.items()
    )


def rounded(value: float) -> float:
    return float(f"{value:.{DIGITS - 1}e}") if math.isfinite(value) else value


def quantity(field: str, value: float) -> str:
    """As a file says it: seconds with a unit that reads well, shares as they are."""
    if not field.endswith("_s"):
        return f"{value:.{DIGITS}g}"
    for unit, size in (("ms", 1e-3), ("us", 1e-6), ("ns", 1e-9)):
        if value >= size or unit == "ns":
            break
    return f"{value / size:.{DIGITS}g}{unit}"
