"""When requests arrive, and how fast: processes, the rate over time, populations of clients."""
