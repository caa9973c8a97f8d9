"""Faults planted on purpose, which the tests must catch (scripts/mutations)."""
