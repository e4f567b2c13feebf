"""Prices grow old: the one thing about a plan that depends on today."""

from datetime import date

import click

from scenarios.model import Scenario

DAYS_MAX = 90


def warn_of_old_prices(scenario: Scenario) -> None:
    """Says on stderr that the scenario's prices are old, where they have a date."""
    if text := old_prices(scenario, date.today()):
        click.echo(text, err=True)


def old_prices(scenario: Scenario, today: date) -> str | None:
    """The warning, or None when the prices are of the last 90 days, or of nobody knows when."""
    held = scenario.price.date if scenario.price else None
    if held is None or (days := (today - date.fromisoformat(held)).days) <= DAYS_MAX:
        return None
    return f"Warning: the prices are of {held}, {days} days ago; look whether they still hold"
