"""The picture and the lines of a trace, whatever there is to tell."""

import numpy as np
import pytest

from calibration.traffic.figures.traffic import figures
from reports.image import house_style, write_png
from reports.trace_figures import trace_picture
from reports.trace_lines import duration, share
from simulator.streams import stream
from simulator.traffic.recordings.recorded_sessions import Sessions


def some(size, span_s):
    rng = stream(31, "picture")
    arrival_s = np.sort(rng.random(size)) * span_s
    return arrival_s, rng.integers(1, 900, size), rng.integers(1, 90, size)


def alone(size):
    nobody = np.full(size, -1)
    return Sessions(np.arange(size), nobody, np.ones(size), np.ones(size), relative=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    "found, axes",
    [
        (figures(*some(500, 100.0)), 4),
        (figures(*some(500, 9e5)), 4),
        (figures(*some(2, 1.0)), 4),
        (figures(*some(1, 1.0)), 4),
        (figures(*some(50, 1.0), sessions=alone(50)), 4),
    ],
    ids=["seconds", "days", "two", "one", "sessions"],
)
def test_a_picture_is_drawn_of_any_traffic(found, axes, tmp_path):
    """The same picture has the same bytes."""
    for name in ("a.png", "b.png"):
        with house_style():
            picture = trace_picture("made", found)
            assert len(picture.axes) == axes
            write_png(picture, tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_numbers_are_told_in_units_people_would_choose():
    assert [duration(s) for s in (4e-6, 0.5, 1.0, 119.0, 121.0, 1e5, float("nan"))] == [
        "4 µs", "500 ms", "1 s", "119 s", "2.02 min", "27.8 h", "unknown",
    ]  # fmt: skip
    assert [share(x) for x in (0.0, 0.00371, 0.123456, 1.0)] == ["0%", "0.37%", "12.3%", "100%"]
