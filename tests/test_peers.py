"""Our schedules agree with those of other libraries, and the comparison would see if not."""

import pytest

from tests import peers


def rows(library):
    return [row for row in peers.ROWS if row.library == library]


def refuses_impostors(row):
    """A schedule that is off by two millionths or by one update is outside the tolerance."""
    for name, double, limit in peers.tolerances(row):
        off = f"{row.ours} * (1 + 2e-6)"
        assert peers.difference(row, off, double=double) > limit, (name, row)
        if len(set(peers.our_rates(row, row.ours))) > 1:  # all but constants
            assert peers.difference(row, shift=1, double=double) > 100 * limit, (name, row)


# One test for each library, so that only one of the parallel workers imports it.
@pytest.mark.parametrize("library", peers.MODULES)
def test_agrees_over_whole_runs_and_refuses_impostors(library):
    assert len(rows(library)) >= 6
    for row in rows(library):
        peers.result(row)
        refuses_impostors(row)
        if row.convention:
            same = peers.Comparison(**{**vars(row), "plain": row.ours})
            with pytest.raises(AssertionError, match="no different"):
                peers.result(same)


def test_a_difference_is_an_error_that_names_it():
    row = peers.Comparison("fvcore", "CosineParamScheduler(0.1, 0.0)", "Linear(200, 0.1)(t)", 200)
    with pytest.raises(AssertionError, match=r"CosineParamScheduler.*differs by 0.0105"):
        peers.result(row)


def test_a_convention_comes_with_its_plain_reading():
    assert all(bool(row.convention) == bool(row.plain) for row in peers.ROWS)


def test_the_table_has_every_row(monkeypatch):
    monkeypatch.setattr(peers, "ROWS", rows("fvcore"))
    lines = peers.table().splitlines()
    assert len(lines) == 2 + len(peers.ROWS)
    assert all(line.count(" | ") == 5 for line in lines[2:])
    assert lines[2].startswith("| fvcore 0.")
    assert lines[2].endswith("| equal |")
