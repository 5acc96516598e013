import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from coslr import Cosine, MultiStep, Step
from coslr.course.checks import lesson_02
from tests.course.checks.harness import Checkers


def reports(**changed):
    return lesson_02.REPORTS | changed


RIGHT = {
    lesson_02.held_equal: [
        lesson_02.REPORTS,
        {"A": " Mean rate ", "B": "One's best peak", "C": "PEAK"},
    ],
    lesson_02.two_headlines: [
        (0.2, 1.0),
        [0.25, 1.9],
        np.array([0.15, 0.7]),
    ],
    lesson_02.same_area: [
        MultiStep([475, 700], 0.1),
        MultiStep([500], 0.1, gamma=1e-6),
        Step(250, 0.1, gamma=0.5437),
        Step(500, 0.1, eta_min=0.0001, gamma=0.0001),
    ],
}

# A checker, a usual mistake, and a part of the hint that only this mistake must get.
IMPOSTORS = [
    *[
        (lesson_02.held_equal, reports(**{report: word}), f"Report {report}: {hint}")
        for (report, word), hint in lesson_02.AGAINST.items()
    ],
    (lesson_02.held_equal, {"A": "peak"}, "a word for A, B and C"),
    (lesson_02.held_equal, reports(A="area"), "A must be one of"),
    (lesson_02.held_equal, reports(B=0.1), "B must be one of"),
    (
        lesson_02.held_equal,
        reports(A=np.array(["mean rate", "peak"])),
        "A must be one of",
    ),
    (lesson_02.two_headlines, (1.0, 0.2), "wrong order"),
    (lesson_02.two_headlines, (0.01, 1.0), "At 0.01 the cosine ends at"),
    (lesson_02.two_headlines, (0.6, 1.0), "At 0.6 the cosine ends at"),
    (lesson_02.two_headlines, (0.2, 0.3), "The first is right. At 0.3"),
    (lesson_02.two_headlines, (0.2, 0.55), "The first is right. At 0.55"),
    (lesson_02.two_headlines, (0.2, 3.0), "must be two peaks above 0"),
    (lesson_02.two_headlines, (0.2,), "must be two peaks above 0"),
    (lesson_02.two_headlines, 0.2, "must be two numbers"),
    (lesson_02.same_area, Step(333, 0.1), "26 % less than the cosine's: drop later"),
    (lesson_02.same_area, MultiStep([800], 0.1), "more than the cosine's: drop earlier"),
    (lesson_02.same_area, MultiStep([0.475, 0.7], 0.1), "not shares"),
    (lesson_02.same_area, Step(0.5, 0.1), "not shares"),
    (lesson_02.same_area, MultiStep([475, 700], 0.2), "The peak is 0.2"),
    (lesson_02.same_area, MultiStep([1000], 0.1), "never drops"),
    (lesson_02.same_area, Step(250, 0.1, gamma=1.0), "never drops"),
    (lesson_02.same_area, Cosine(1000, 0.1), "must be a Step"),
    (lesson_02.same_area, [475, 700], "must be a Step"),
]


class TestCheckers(Checkers):
    module, right, impostors = lesson_02, RIGHT, IMPOSTORS


def test_an_exercise_with_some_dots_left_is_not_attempted_yet():
    for feedback in (
        lesson_02.held_equal(reports(B=...)),
        lesson_02.two_headlines((0.2, ...)),
    ):
        assert feedback.is_right is None


@given(first=st.integers(1, 998), gap=st.integers(1, 998), gamma=st.floats(0.01, 0.9))
def test_a_staircase_is_right_if_and_only_if_its_sum_is_the_cosines(first, gap, gamma):
    schedule = MultiStep([first, first + gap], 0.1, gamma=gamma)
    rates = [schedule(t) for t in range(1000)]
    total = 1000 / 2 * 0.1 + 0.05
    assert lesson_02.same_area(schedule).is_right == (abs(sum(rates) / total - 1) <= 0.01)


def test_the_feedback_on_an_area_says_by_how_much_and_in_which_unit():
    assert "1.10 % more" in lesson_02.same_area(MultiStep([506], 0.1, gamma=1e-6)).message
    assert "14 % less" in lesson_02.same_area(Step(1, 0.1, gamma=0.998)).message
