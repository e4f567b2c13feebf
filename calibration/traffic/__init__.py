"""Figures of traffic: recorded, drawn, or told by client."""
