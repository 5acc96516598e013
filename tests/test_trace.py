"""A trace is compared with a schedule, checked, explained, written and read back."""

import math
import random

import numpy as np
import pytest

from coslr import Cosine, CosineWarmRestarts, Linear, OneCycle, warmup
from coslr._comparing import explained, wrong_rate
from coslr._rates import at_updates, checked_tolerance
from coslr.trace import Trace, TraceError

SCHEDULE = Cosine(100, 0.1)


def follow(schedule, updates):
    return [schedule(k) for k in updates]


# ------------------------------------------------------------------------------- differences


def test_a_recorded_trace_is_compared_with_a_schedule():
    both = [Cosine(5, 0.1), Linear(3, 0.2)]
    trace = Trace([follow(at_updates(one, 20), range(7, 38)) for one in both])
    trace.groups[1][-1] += 0.125
    found = np.array(trace.differences(both, steps_per_unit=20, first_update=7))
    assert found.shape == (2, 31)
    assert found[1, -1] == pytest.approx(0.125)
    found[1, -1] = 0
    assert (found == 0).all()
    assert np.any(trace.differences(both, steps_per_unit=20))
    with pytest.raises(ValueError, match="must be one schedule, or a list of 2"):
        trace.differences([Cosine(5, 0.1)])


def test_rates_without_their_group_are_refused():
    with pytest.raises(TypeError, match=r"groups=\[0.1, 0.2\]: must be a list of rates for each"):
        Trace([0.1, 0.2])


def test_stairs_are_compared_and_explained_as_stairs():
    rates = follow(lambda k: SCHEDULE(k // 5), range(40))
    trace = Trace([rates])
    assert trace.differences(SCHEDULE, hold=5) == [[0.0] * 40]
    assert [found.cause for found in trace.diagnose(SCHEDULE, hold=5)] == ["right"]
    assert trace.diagnose(SCHEDULE)[0].cause == "per_epoch"
    late = Trace([[rates[0], *rates[:-1]]])
    assert late.diagnose(SCHEDULE, hold=5)[0].cause == "one_late"
    with pytest.warns(UserWarning, match="steps_per_unit and hold are both 4"):
        Trace([[0.1, 0.1]]).check(SCHEDULE, steps_per_unit=4, hold=4)


def test_a_trace_knows_where_it_began():
    trace = Trace([follow(SCHEDULE, range(30, 60))], first_update=30)
    assert trace.differences(SCHEDULE) == [[0.0] * 30]
    assert list(trace.indices) == list(range(30, 60))
    some = Trace([follow(SCHEDULE, [30, 40, 50])], first_update=30, updates=[30, 40, 50])
    assert some.differences(SCHEDULE) == [[0.0] * 3]
    with pytest.raises(ValueError, match="first_update=0: must be None, because"):
        some.differences(SCHEDULE, first_update=0)
    for wrong, error in (("x", TypeError), (0.5, TypeError), (-1, ValueError)):
        with pytest.raises(error, match=r"first_update=.*: must be a whole number from 0"):
            trace.differences(SCHEDULE, first_update=wrong)


# ------------------------------------------------------------------------------------- check


def test_a_right_trace_passes_its_check():
    Trace([follow(SCHEDULE, range(100))]).check(SCHEDULE)
    Trace([follow(SCHEDULE, range(30, 60))], first_update=30).check(SCHEDULE)
    Trace([follow(SCHEDULE, [0, 50, 99])], updates=[0, 50, 99]).check(SCHEDULE)
    in_epochs = at_updates(CosineWarmRestarts(0.1, 0.1), 100)
    Trace([follow(in_epochs, range(50))]).check(CosineWarmRestarts(0.1, 0.1), steps_per_unit=100)
    both = [SCHEDULE, Linear(50, 0.2)]
    Trace([follow(one, range(60)) for one in both]).check(both)


def test_the_error_names_update_rates_and_cause():
    rates = follow(SCHEDULE, range(1, 101))
    with pytest.raises(TraceError) as caught:
        Trace([rates]).check(SCHEDULE)
    first, *rest = str(caught.value).splitlines()
    assert first == "update 0: the schedule says 0.1, but 0.0999753 was in force"
    assert rest[0] == "This fits:"
    assert rest[1].startswith("- one_early: Every rate comes one update early")


def test_the_error_names_the_param_group_and_its_own_cause():
    both = [SCHEDULE, Linear(50, 0.2)]
    trace = Trace([follow(SCHEDULE, range(60)), [0.2] * 60], first_update=0)
    with pytest.raises(TraceError, match=r"update 1 \(param group 1\): (?s:.*)never_moves"):
        trace.check(both)
    assert [d.cause for d in trace.diagnose(both)] == ["never_moves"]
    assert [d.cause for d in Trace([trace.rates]).diagnose(SCHEDULE)] == ["right"]


def test_an_error_without_a_cause_names_none():
    rates = [*follow(SCHEDULE, range(10)), 0.0123, 0.0456]
    with pytest.raises(TraceError) as caught:
        Trace([rates]).check(SCHEDULE)
    assert str(caught.value) == "update 10: the schedule says 0.0975528, but 0.0123 was in force"


def test_a_check_cannot_pass_on_nothing():
    for empty in (Trace(), Trace([[]]), Trace([[], []])):
        with pytest.raises(TraceError, match="no update was recorded"):
            empty.check(SCHEDULE)


def test_a_rate_that_is_no_number_does_not_pass():
    for rate in (math.nan, math.inf):
        with pytest.raises(TraceError, match="update 1"):
            Trace([[SCHEDULE(0), rate]]).check(SCHEDULE)
    # It does not hide that the others are in float32, as TensorBoard keeps them.
    rates = [float(np.float32(rate)) for rate in follow(SCHEDULE, range(20))]
    rates[12] = math.nan
    with pytest.raises(TraceError, match="update 12"):
        Trace([rates]).check(SCHEDULE)


def test_other_quantities_are_checked_by_name():
    decay = Linear(100, 0.01)
    trace = Trace([follow(SCHEDULE, range(9))], other={"weight_decay": [follow(decay, range(9))]})
    trace.check({"lr": SCHEDULE, "weight_decay": decay})
    trace.other["weight_decay"][0][3] = 0.02
    trace.check({"lr": SCHEDULE})
    with pytest.raises(TraceError, match=r"update 3 \(weight_decay\): the schedule says 0.0097"):
        trace.check({"lr": SCHEDULE, "weight_decay": decay})
    with pytest.raises(ValueError, match="schedule='momentum': must be among lr, weight_decay"):
        trace.check({"momentum": decay})
    with pytest.raises(ValueError, match=r"schedule='wd': must be among lr$"):
        Trace([trace.rates]).check({"wd": decay})


def test_a_loop_that_steps_once_an_epoch_holds_each_rate():
    rates = [SCHEDULE(k // 5) for k in range(40)]
    Trace([rates]).check(SCHEDULE, hold=5)
    Trace([rates[7:]], first_update=7).check(SCHEDULE, hold=5)
    with pytest.raises(TraceError, match=r"update 1(?s:.*)audit with hold=5"):
        Trace([rates]).check(SCHEDULE)
    with pytest.raises(TraceError, match=r"update 1(?s:.*)too_fast"):
        Trace([follow(SCHEDULE, range(40))]).check(SCHEDULE, hold=5)
    with pytest.raises(ValueError, match="hold=0: must be a whole number from 1"):
        Trace([rates]).check(SCHEDULE, hold=0)


def test_the_tolerance_is_relative_and_never_lets_everything_pass():
    trace = Trace([[float(np.float32(rate)) for rate in follow(SCHEDULE, range(50))]])
    trace.check(SCHEDULE, tolerance=1e-6)
    with pytest.raises(TraceError):
        trace.check(SCHEDULE, tolerance=1e-9)
    for wrong in (-1e-9, 0.2, 1, math.inf, math.nan):
        with pytest.raises(ValueError, match=r"tolerance=.*: must be a relative difference"):
            trace.check(SCHEDULE, tolerance=wrong)
    assert checked_tolerance(0) == 0
    tiny = Cosine(100, 1e-6)
    with pytest.raises(TraceError):
        Trace([[1.01 * rate for rate in follow(tiny, range(50))]]).check(tiny, tolerance=1e-3)


def cosine_in_float32(T_max, updates, eta_min=0.0):
    """As JAX computes it: near its end, the rate has the rounding errors of the peak."""
    angle = np.float32(np.pi) * np.asarray(updates, np.float32) / np.float32(T_max)
    cosine = (np.float32(1) + np.cos(angle)) / np.float32(2)
    rates = np.float32(eta_min) + np.float32(0.1 - eta_min) * cosine
    return [float(rate) for rate in rates]


@pytest.mark.parametrize("first", [0, 1950])
def test_a_cosine_to_0_in_float32_passes_and_a_floor_does_not(first):
    schedule, updates = Cosine(2000, 0.1), range(first, 2001)
    right = Trace([cosine_in_float32(2000, updates)], first)
    # Without an absolute margin, the last rates would be wrong.
    assert abs(right.rates[-2] / schedule(1999) - 1) > 1e-4
    right.check(schedule, tolerance=1e-6)
    right.check(schedule)
    assert [d.cause for d in right.diagnose(schedule)] == ["right"]
    for floor in (1e-4, 1e-5):
        with_floor = Trace([cosine_in_float32(2000, updates, 0.1 * floor)], first)
        with pytest.raises(TraceError, match="wrong_floor"):
            with_floor.check(schedule, tolerance=1e-6)
        assert with_floor.diagnose(schedule)[0].cause == "wrong_floor"


def test_a_coarse_tolerance_leaves_the_margin_near_0_alone():
    floor = Cosine(100, 0.1, 1e-6)  # 1e-5 of the peak
    rates = [float(f"{rate:.6g}") for rate in follow(floor, range(101))]
    Trace([rates]).check(floor)
    for tolerance in (None, 1e-4, 0.1):
        with pytest.raises(TraceError):
            Trace([rates]).check(SCHEDULE, tolerance=tolerance)


def test_the_tolerance_follows_the_digits_of_the_log():
    rates = follow(SCHEDULE, range(100))
    for written in (np.float32, lambda rate: float(f"{rate:.6g}"), lambda rate: round(rate, 9)):
        logged = Trace([[float(written(rate)) for rate in rates]])
        logged.check(SCHEDULE)
        with pytest.raises(TraceError):
            logged.check(SCHEDULE, tolerance=1e-9)
        logged.rates[30] = float(written(1.0001 * rates[30]))
        with pytest.raises(TraceError, match="update 30"):
            logged.check(SCHEDULE)
    with pytest.raises(TraceError):  # rates of a float64 loop
        Trace([[rate * (1 + 1e-8) for rate in rates]]).check(SCHEDULE)


def test_as_many_digits_as_tell_two_rates_apart():
    assert "says 0.1, but 0.2 is" in wrong_rate(0, "", 0.1, 0.2)
    assert "says 0.1, but 0.10000000000000002 is" in wrong_rate(0, "", 0.1, np.nextafter(0.1, 1))
    assert "says 0.33333333, but 0.33333334 is" in wrong_rate(0, "", 1 / 3, 1 / 3 + 1e-8)
    assert wrong_rate(7, " (param group 1)", 0.1, 0.2).startswith("update 7 (param group 1): ")


def test_an_error_prints_no_more_than_three_causes():
    found = Trace([[0.1, 0.1]]).diagnose(SCHEDULE)
    assert len(found) > 3
    assert explained(found).count("\n- ") == 3
    assert explained([]) == ""
    assert explained(Trace([[0.1]]).diagnose(SCHEDULE)) == ""


# ------------------------------------------------------------------------------ files


def random_trace(numbers):
    groups, count = numbers.randint(1, 3), numbers.randint(1, 20)
    first = numbers.choice([0, 5, 10**7])
    updates = numbers.choice([None, sorted(numbers.sample(range(first, first + 99), count))])
    special = [0.0, -0.0, 1e-320, 1 / 3, math.inf, 5e-324, 1.7976931348623157e308]

    def table():
        return [
            [numbers.choice([numbers.random(), *special]) for _ in range(count)]
            for _ in range(groups)
        ]

    names = numbers.sample(["weight_decay", "momentum", "beta_1", "a,b"], numbers.randint(0, 3))
    if updates == list(range(first, first + count)):
        updates = None
    return Trace(table(), first, updates, {name: table() for name in names})


def test_a_trace_comes_back_from_its_file_to_the_last_bit(tmp_path):
    numbers = random.Random(0)
    for _ in range(300):
        trace = random_trace(numbers)
        trace.to_csv(tmp_path / "trace.csv")
        read = Trace.from_csv(tmp_path / "trace.csv")
        assert repr(read) == repr(trace)  # tells 0.0 from -0.0, as == does not


def test_the_file_is_a_table_that_people_and_pandas_can_read(tmp_path):
    trace = Trace(
        [[0.1, 0.05], [1.0, 0.5]], 3, [4, 14], {"weight_decay": [[0.01, 0.02], [0.0, 0.0]]}
    )
    trace.to_csv(tmp_path / "trace.csv")
    assert (tmp_path / "trace.csv").read_text().splitlines() == [
        "update,lr,lr_1,weight_decay,weight_decay_1,first_update",
        "4,0.1,1.0,0.01,0.0,3",
        "14,0.05,0.5,0.02,0.0,3",
    ]
    table = pytest.importorskip("pandas").read_csv(tmp_path / "trace.csv")
    assert table["lr_1"].tolist() == [1.0, 0.5]


def test_a_trace_from_a_file_is_diagnosed_where_it_began(tmp_path):
    Trace([follow(SCHEDULE, range(50))], first_update=40).to_csv(tmp_path / "trace.csv")
    (found,) = Trace.from_csv(tmp_path / "trace.csv").diagnose(SCHEDULE)
    assert (found.cause, found.parameters) == ("not_resumed", {"update": 40})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must be a CSV file with the columns update, lr"),
        ("step,loss\n1,2\n", "must be a CSV file with the columns update, lr"),
        ("update,lr\n0,fast\n", "line 2='0,fast': must be 2 numbers"),
        ("update,lr\n0,0.1\n1\n", "line 3='1': must be 2 numbers"),
        ("update,lr\n0.5,0.1\n", "line 2='0.5,0.1': must be 2 numbers"),
        (
            "update,lr,lr_1,momentum\n0,1,2,3\n",
            "columns=.*'momentum'.*must be momentum, momentum_1",
        ),
    ],
)
def test_a_file_that_is_no_trace_is_refused(tmp_path, text, message):
    path = tmp_path / "trace.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        Trace.from_csv(path)


# --------------------------------------------------------------------------- units of time


def test_a_schedule_in_epochs_keeps_its_boundaries():
    # 30 / 100 is less than 3 * 0.1 in floating point, and the restart would come one late.
    rates = follow(at_updates(CosineWarmRestarts(0.1, 0.1), 100), range(60))
    assert [k for k, rate in enumerate(rates) if rate == 0.1] == [0, 10, 20, 30, 40, 50]


def test_a_plain_function_is_called_with_its_own_unit():
    assert at_updates(lambda t: 2 * t, 4)(6) == 3.0
    assert at_updates(SCHEDULE) is SCHEDULE
    assert at_updates(SCHEDULE, 4) == SCHEDULE.stretch(4)
    with pytest.raises(ValueError, match="steps_per_unit=0: must be a number above 0"):
        at_updates(SCHEDULE, 0)


def test_a_trace_in_epochs_is_diagnosed():
    schedule = warmup(OneCycle(9, 0.1), updates=1)
    right = at_updates(schedule, 50)
    trace = Trace([follow(right, range(1, 400))])
    assert [d.cause for d in trace.diagnose(schedule, steps_per_unit=50)] == ["one_early"]
