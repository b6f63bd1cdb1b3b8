"""Chores of the repository, run from its root: `python -m tools.api_golden`, `python -m tools.layering`."""
