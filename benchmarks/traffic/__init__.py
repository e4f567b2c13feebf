"""How well fitted traffic looks like recorded traffic: `python -m benchmarks.traffic DIR`."""
