"""Recorded traffic: files of any known format, replayed, resampled, converted."""
