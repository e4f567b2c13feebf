"""Does the planner keep its own promises? `python -m benchmarks.planner_study --trials N`."""
