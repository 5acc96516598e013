import pytest

from coslr.course.checks.answers import check_choice, check_number

WHY = {"b": "It rises.", "c": "It has no floor."}


@pytest.mark.parametrize("answer", ["a", "A", " a "])
def test_a_choice_is_read_as_people_write_it(answer):
    assert check_choice(answer, "a", WHY).is_right is True


@pytest.mark.parametrize("answer", ["d", "", "ab", 1, True, b"a", ["a"]])
def test_what_is_no_option_names_the_options(answer):
    feedback = check_choice(answer, "a", WHY)
    assert feedback.is_right is False
    assert "'a', 'b', 'c'" in feedback.message


def test_a_wrong_choice_is_told_why():
    assert check_choice("c", "a", WHY).message == "It has no floor."
    assert check_choice(..., "a", WHY).is_right is None


def test_a_long_answer_of_a_wrong_type_does_not_flood_the_page():
    assert len(repr(check_number([0.1] * 20_001, 0.1, {}, digits=2))) < 200
