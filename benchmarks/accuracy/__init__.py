"""Every figure about accuracy, from one command: `python -m benchmarks.accuracy DIR`."""
