"""How long, how many, how often: tokens, counts and durations of the kinds a scenario names."""
