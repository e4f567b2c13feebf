"""Prompt and answer that go together: one column reordered beside another.

Source: Iman and Conover 1982, 'A distribution-free approach to inducing rank correlation among
input variables', https://doi.org/10.1080/03610918208812265.
"""

import math

import numpy as np
from scipy import special

from simulator.traffic.lengths.choices import Ints


def reordered(values: Ints, beside: Ints, correlation: float, rng: np.random.Generator) -> Ints:
    """`values` in an order in which their ranks go with those of `beside`, row by row.

    correlation: Spearman's, of the law behind the rows; that of one drawing varies by about
    1 / sqrt(rows). Equal values count as ranked at random, so that many of them weaken it. Both
    columns keep exactly the values they have, and `beside` its order.
    """
    rows = beside.size
    # Normal scores of correlation r have Spearman's 6 / pi asin(r / 2).
    r = 2.0 * math.sin(math.pi * correlation / 6.0)
    scores = np.empty(rows)
    ranked = np.argsort(beside + rng.random(rows))
    scores[ranked] = special.ndtri(np.arange(1, rows + 1) / (rows + 1.0))
    partner = r * scores + math.sqrt(1.0 - r * r) * rng.standard_normal(rows)
    found = np.empty_like(values)
    found[np.argsort(partner)] = np.sort(values)
    return found
