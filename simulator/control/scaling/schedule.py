"""Minima by the hour of the week, as KEDA's cron trigger knows them."""

from collections.abc import Iterable

from scenarios.fleet.scaling import Window
from scenarios.units import DAY_S, DAYS

WEEK_S = len(DAYS) * DAY_S


def minimum(windows: Iterable[Window], week_s: float) -> int | None:
    """The largest minimum of the windows that are open, None if all are shut.

    `week_s` counts from Monday 00:00, also beyond one week or below none.
    """
    return max((window.replicas for window in windows if is_open(window, week_s)), default=None)


def is_open(window: Window, week_s: float) -> bool:
    """From its start on, before its end.

    >>> night = Window.model_validate({"start": "22:00", "end": "06:00", "replicas": 2})
    >>> [is_open(night, hour * 3600.0) for hour in (5, 6, 21, 22)]
    [True, False, False, True]
    """
    lasts_s = (window.end_s - window.start_s) % DAY_S or DAY_S
    starts_s = (DAYS.index(day) * DAY_S + window.start_s for day in window.days)
    return any((week_s - start_s) % WEEK_S < lasts_s for start_s in starts_s)
