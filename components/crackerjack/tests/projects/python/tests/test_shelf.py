from shelf import add


def test_counts_add_up() -> None:
    assert add(1, 2) == 3
