"""Logs of incidents and traces of spot instances -> the faults of a scenario."""
