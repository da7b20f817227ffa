"""Counts what is on a shelf."""


def add(one: int, other: int) -> int:
    """Adds two counts."""
    return one + other
