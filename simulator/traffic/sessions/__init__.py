"""Requests that follow each other: turns, tools, sub-agents, closed loops, nominal time."""
