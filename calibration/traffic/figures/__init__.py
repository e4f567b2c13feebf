"""Figures of traffic: rates, bursts, lengths, shared prefixes, sessions; of files and drawings."""
