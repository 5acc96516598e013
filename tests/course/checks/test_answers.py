import pytest

from coslr.course.checks.answers import choice

WHY = {"b": "It rises.", "c": "It has no floor."}


@pytest.mark.parametrize("answer", ["a", "A", " a "])
def test_a_choice_is_read_as_people_write_it(answer):
    assert choice(answer, "a", WHY).right is True


@pytest.mark.parametrize("answer", ["d", "", "ab", 1, True, b"a", ["a"]])
def test_what_is_no_option_names_the_options(answer):
    verdict = choice(answer, "a", WHY)
    assert verdict.right is False
    assert "'a', 'b', 'c'" in verdict.message


def test_a_wrong_choice_is_told_why():
    assert choice("c", "a", WHY).message == "It has no floor."
    assert choice(..., "a", WHY).right is None
