"""Measured runs as published -> cases; every row that is none, with the reason."""

from calibration.datasets.reading import read_cases

__all__ = ["read_cases"]
