"""Logs of finished runs: what is read, what is refused, and the check from the shell.

The conventions of Trainer and Lightning are measured with real runs in tests/integrations.
"""

import csv
import json
import math
import subprocess
import sys
import time
import warnings

import pytest
from hypothesis import given, settings

import coslr
from coslr import Constant, Cosine, MultiStep, OneCycle, join, logs, warmup
from coslr.trace import Trace, TraceError
from tests.test_laws import known_schedules

SCHEDULE = warmup(Cosine(T_max=900, eta_max=3e-4), updates=100)
TEXT = "warmup(Cosine(900, 3e-4), 100)"
TENTH = Cosine(1000, eta_max=0.1)


def trainer_state(folder, rates, first=1, every=1):
    """What Trainer writes: the rate of update k in the row with step k + 1, and other rows."""
    history = [
        {"step": k + first, "epoch": k / 100, "loss": 1.0, "learning_rate": rate}
        for k, rate in rates.items()
        if (k + first) % every == 0
    ]
    history.append({"step": 1000, "train_runtime": 3.2, "train_loss": 1.1})
    path = folder / "trainer_state.json"
    path.write_text(json.dumps({"global_step": 1000, "log_history": history}))
    return path


def table(folder, columns, rows, name="metrics.csv"):
    path = folder / name
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(rows)
    return path


def checked(capsys, path, *options, schedule=TEXT):
    """The exit status of the program, and the lines that it prints."""
    status = logs.main([str(path), "--schedule", schedule, *options])
    said = capsys.readouterr()
    return status, (said.out or said.err).splitlines()


# ------------------------------------------------------------------------------------ files


def test_trainer_state(tmp_path):
    path = trainer_state(tmp_path, {k: SCHEDULE(k) for k in range(1000)}, every=50)
    trace = logs.read(path)
    assert list(trace.indices) == list(range(49, 1000, 50))
    assert trace.first_update == 0
    trace.check(SCHEDULE)
    with pytest.raises(TraceError):
        logs.read(path, first_step=0).check(SCHEDULE)


def test_a_log_history_alone(tmp_path):
    path = tmp_path / "history.json"
    path.write_text(json.dumps([{"step": 1, "learning_rate": 0.1}, {"step": 2, "loss": 1.0}]))
    assert logs.read(path).groups == [[0.1]]


def test_the_last_checkpoint_of_a_folder(tmp_path):
    for step in (9, 10):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        trainer_state(folder, dict.fromkeys(range(step), 0.1))
    assert len(logs.read(tmp_path).rates) == 10
    trainer_state(tmp_path, dict.fromkeys(range(12), 0.1))
    assert len(logs.read(str(tmp_path)).rates) == 12


def test_lightning_with_many_groups(tmp_path):
    """The logger sorts its columns as text."""
    names = sorted(f"lr-AdamW/pg{i}" for i in range(1, 12))
    others = [f"{name}-{what}" for name in names for what in ("momentum", "weight_decay")]
    rates = [int(name.rpartition("pg")[2]) / 100 for name in names]
    rows = [[*rates, *([0.9, 0.01] * 11), "", step] for step in (0, 1)]
    rows.insert(1, [""] * 33 + [0.7, 0])  # a row that holds a loss
    trace = logs.read(table(tmp_path, [*names, *others, "loss", "step"], rows))
    assert trace.groups == [[i / 100] * 2 for i in range(1, 12)]
    assert trace.other == {"momentum": [[0.9] * 2] * 11, "weight_decay": [[0.01] * 2] * 11}
    assert list(trace.indices) == [0, 1]


def test_a_table_of_ones_own(tmp_path):
    rows = [[10, 0.1, 0.01], [20, "", 0.02], [30, 0.3, 0.03]]
    path = table(tmp_path, ["at", "eta", "beta"], rows, "mine.csv")
    trace = logs.read(path, rate="eta", update="at")
    assert (trace.rates, trace.updates) == ([0.1, 0.3], [10, 30])
    assert logs.read(path, rate="eta", update="at", first_step=10).updates == [0, 20]
    with pytest.warns(UserWarning, match="those with a rate were counted"):
        assert list(logs.read(path, rate="beta").indices) == [0, 1, 2]
    with pytest.raises(ValueError, match=r"row 1 has 'eta'='': must be a number"):
        logs.read(path, rate=["eta", "beta"])


def test_a_table_that_pandas_wrote(tmp_path):
    """pandas writes whole numbers as floats in a column with gaps, and some gaps as nan."""
    path = tmp_path / "mine.csv"
    path.write_text("\ufeffstep,lr\n0.0,0.1\n1.0,nan\n2.0,0.3\n", encoding="utf-8")
    assert logs.read(path, rate="lr").updates == [0, 2]
    assert list(logs.read(path, rate="lr", update="step").indices) == [0, 2]
    path.write_text("lr\n0.1\nnan\n0.3\n")
    assert list(logs.read(path, rate="lr").indices) == [0, 1]  # only rows with a rate are counted


def test_how_many_rates_are_nan_is_said(tmp_path, capsys):
    rows = [[k, SCHEDULE(k) if k < 990 else "NaN"] for k in range(1000)]
    path = table(tmp_path, ["step", "lr"], rows)
    status, lines = checked(capsys, path, "--rate", "lr")
    assert (status, lines[0].split(",")[0]) == (0, "right: 990 logged rates")
    assert "Rows left out because they have nan in place of a rate: 10." in lines


def test_nan_in_json_is_a_wrong_rate(tmp_path, capsys):
    path = trainer_state(tmp_path, {k: SCHEDULE(k) if k % 2 else math.nan for k in range(100)})
    status, lines = checked(capsys, path)
    assert status == 1
    assert "but nan was in force" in lines[0]


@pytest.mark.parametrize("missing", ["nan", ""])
def test_a_missing_rate_does_not_hide_those_of_other_groups(tmp_path, capsys, missing):
    rows = [[k, SCHEDULE(k) if k < 5 else 0.7, SCHEDULE(k) if k < 5 else missing] for k in range(9)]
    path = table(tmp_path, ["step", "a", "b"], rows)
    status, lines = checked(capsys, path, "--rate", "a", "--rate", "b")
    if missing:
        assert status == 1
        assert lines[0].startswith("wrong: update 5 (param group 0)")
    else:
        assert status == 2
        assert "row 5 has 'b'='': must be a number" in lines[0]


def test_a_trace_reads_what_it_wrote(tmp_path):
    path = tmp_path / "trace.csv"
    for trace in (
        Trace([[0.1, 1 / 3], [0.2, 0.3]], 7, None, {"momentum": [[0.9, 0.8], [0.7, 0.6]]}),
        Trace([[0.1, 1 / 3]], 0, [9, 19]),
    ):
        trace.to_csv(path)
        assert logs.read(path) == trace


def test_a_group_of_what_a_trace_wrote(tmp_path, capsys):
    path = tmp_path / "trace.csv"
    Trace([[SCHEDULE(k) for k in range(7, 20)], [0.5] * 13], 7).to_csv(path)
    assert checked(capsys, path, "--rate", "lr")[0] == 0
    assert checked(capsys, path, "--rate", "lr_1", schedule="Constant(0.5)")[0] == 0
    assert logs.read(path, rate="lr_1") == Trace([[0.5] * 13], 7)
    assert list(logs.read(path, first_step=5).indices) == list(range(2, 15))
    with pytest.raises(ValueError, match="has no column 'k'"):
        logs.read(path, update="k")


@pytest.mark.parametrize(
    ("text", "updates"),
    [
        ("update,lr\n0,0.1\n1,0.2\n1,0.3\n2,0.4\n", [0, 1, 2]),
        ("update,lr,loss\n0,0.1,\n1,0.3,2.5\n2,0.4,\n", [0, 1, 2]),
        ("update,lr\n0.0,0.1\n1.0,0.3\n2.0,0.4\n", [0, 1, 2]),
        ("update,lr\n2,0.4\n1,0.3\n0,0.1\n", [0, 1, 2]),
        ("update,lr,lr_1\n0,0.1,1\n1,0.3,1\n1,0.3,1\n2,0.4,1\n", [0, 1, 2]),
    ],
)
def test_a_table_with_the_first_columns_of_a_trace(tmp_path, text, updates):
    path = tmp_path / "mine.csv"
    path.write_text(text)
    trace = logs.read(path)
    assert (list(trace.indices), trace.rates) == (updates, [0.1, 0.3, 0.4])


# ------------------------------------------------------------------------- numbers of the rows


@pytest.mark.parametrize(
    "name",
    [
        *("step", "Step", "update", "Update", "global_step", "trainer/global_step"),
        *("iter", "Iteration", "iterations"),
    ],
)
def test_a_column_that_numbers_the_rows_is_known(tmp_path, capsys, name):
    """TensorBoard's download has the columns ``Wall time``, ``Step`` and ``Value``."""
    for rate, expected in ((SCHEDULE, 0), (lambda k: SCHEDULE(k // 10), 1)):
        rows = [[1.7e9, k, rate(k)] for k in range(0, 1000, 10)]
        path = table(tmp_path, ["Wall time", name, "Value"], rows)
        status, lines = checked(capsys, path, "--rate", "Value")
        assert status == expected
        assert "counted" not in "".join(lines)


def test_the_best_of_several_columns_numbers_the_rows(tmp_path):
    rows = [[k % 5, k, 0.1 + k] for k in range(20)]
    path = table(tmp_path, ["step", "global_step", "lr"], rows)
    assert list(logs.read(path, rate="lr").indices) == list(range(20))
    rows = [[k, 0.1, ""] for k in range(5)] + [[4, "", 0.0]]  # a metric of other rows
    path = table(tmp_path, ["step", "lr-SGD", "global_step"], rows)
    assert list(logs.read(path).indices) == list(range(5))
    for name in ("step", "Step"):  # the names of known formats come before iter
        path = table(
            tmp_path, ["iter", "Wall time", name, "lr"], [[7 + k, 0, k, 0.1] for k in (2, 3)]
        )
        assert list(logs.read(path, rate="lr").indices) == [2, 3]


def test_that_rows_were_counted_is_said(tmp_path, capsys):
    for rate, expected in ((SCHEDULE, 0), (lambda k: SCHEDULE(10 * k), 1)):
        path = table(tmp_path, ["at", "lr"], [[k, rate(k)] for k in range(100)])
        status, lines = checked(capsys, path, "--rate", "lr")
        assert status == expected
        assert "the first is update 0" in lines[-1]
        assert "--update" in lines[-1]
    assert "--update" not in "".join(checked(capsys, path, "--rate", "lr", "--update", "at")[1])


def test_read_warns_that_rows_were_counted(tmp_path, capsys):
    """A file that has nothing but rates asks for it, and the program says it in its verdict."""
    rows = [[k, SCHEDULE(k), 0.1] for k in range(0, 1000, 10)]
    path = table(tmp_path, ["at", "lr", "other"], rows)
    with pytest.warns(UserWarning, match="pass its name as update") as caught:
        assert list(logs.read(path, rate="lr").indices) == list(range(100))
    assert [warning.filename for warning in caught] == [__file__]
    with warnings.catch_warnings(action="error"):
        _, lines = checked(capsys, path, "--rate", "lr")
        assert lines[-1] == str(caught[0].message)
        assert logs.read(path, rate="lr", update="at").updates == list(range(0, 1000, 10))
        path = table(tmp_path, ["lr", "other"], [row[1:] for row in rows])
        assert len(logs.read(path, rate=["lr", "other"]).rates) == 100


@pytest.mark.parametrize(
    "steps",
    [
        [0, 1, 2, 0, 1, 2],  # two epochs
        [1, 2, 3, 1],
        [50, 50, 50],  # one row an epoch
        ["1/3", "2/3", "3/3"],
        ["", "nan", ""],
        [0.5, 1, 1.5],
        [1, "nan", 3],
    ],
)
def test_an_iteration_of_an_epoch_does_not_number_the_rows(tmp_path, steps):
    path = table(tmp_path, ["iter", "lr"], [[k, 0.1] for k in steps])
    with pytest.warns(UserWarning, match="No column numbers the rows"):
        assert list(logs.read(path, rate="lr").indices) == list(range(len(steps)))
    rows = [[k, 0.1, 10 * i] for i, k in enumerate(steps)]
    path = table(tmp_path, ["iter", "lr", "iterations"], rows)
    assert logs.read(path, rate="lr").updates == [10 * i for i in range(len(steps))]


@pytest.mark.parametrize(
    ("steps", "updates"),
    [
        ([20, 10, 0], [0, 10, 20]),
        ([0, 10, 20, 10, 20, 30], [0, 10, 20, 30]),
        ([3, 3, 6, 6], [3, 6]),  # a row for each small batch
        ([49], [49]),
    ],
)
def test_an_iteration_of_the_run_numbers_the_rows(tmp_path, steps, updates):
    path = table(tmp_path, ["iter", "lr"], [[k, 0.1] for k in steps])
    assert list(logs.read(path, rate="lr").indices) == updates


FROM_1 = (
    "If the log numbers its updates from 1, pass --first-step 1. In Python, pass first_step=1 to "
    "read."
)


@pytest.mark.parametrize("form", ["", ".3g", ".4e"])
@pytest.mark.parametrize("steps", [range(1000), range(9, 1000, 10), range(500, 1000)])
def test_that_a_log_may_number_its_updates_from_1_is_said(tmp_path, capsys, form, steps):
    rows = [[k + 1, format(TENTH(k), form), format(TENTH(k) / 2, form)] for k in steps]
    path = table(tmp_path, ["step", "lr", "half"], rows)
    options = ["--rate", "lr", "--rate", "half", "--schedule", repr(Cosine(1000, 0.05))]
    status, lines = checked(capsys, path, *options, schedule=repr(TENTH))
    assert (status, lines[-1]) == (1, FROM_1)
    assert checked(capsys, path, *options, "--first-step", "1", schedule=repr(TENTH))[0] == 0


def test_that_a_log_of_stairs_may_number_its_updates_from_1_is_said(tmp_path, capsys):
    path = table(tmp_path, ["step", "lr"], [[k + 1, SCHEDULE(k // 2)] for k in range(1000)])
    for options, is_said in ((["--hold", "2"], True), ([], False)):
        status, lines = checked(capsys, path, "--rate", "lr", *options)
        assert (status, FROM_1 in lines) == (1, is_said)
    logs.read(path, rate="lr", first_step=1).check(SCHEDULE, hold=2)


@pytest.mark.parametrize(
    ("column", "steps", "late", "options"),
    [
        ("step", range(1000), 1, []),  # one number is 0
        ("step", range(1, 1000), 1, ["--first-step", "0"]),
        ("at", range(1, 1000), 2, []),  # rows are counted
        ("train/global_step", range(2, 1000), 2, []),  # is known to number from 1
    ],
)
def test_a_late_run_is_not_excused(tmp_path, capsys, column, steps, late, options):
    """The log cannot number its updates from 1, or is known to, or the reader knows better."""
    rows = [[k, SCHEDULE(max(0, k - late))] for k in steps]
    status, lines = checked(capsys, table(tmp_path, [column, "lr"], rows), "--rate", "lr", *options)
    assert (status, FROM_1 in lines) == (1, False)


def test_a_wrong_run_is_not_excused_by_a_log_that_may_number_from_1(tmp_path, capsys):
    for wrong in (1, 500, 1000):
        rows = [[k + 1, SCHEDULE(k) * (1.01 if k + 1 == wrong else 1)] for k in range(1000)]
        path = table(tmp_path, ["step", "lr"], rows)
        status, lines = checked(capsys, path, "--rate", "lr")
        assert (status, FROM_1 in lines) == (1, False)


# ----------------------------------------------------------------------- order of the rows


def test_a_resumed_run_replaces_what_its_checkpoint_threw_away(tmp_path):
    rows = [[k, 0.5] for k in range(8)] + [[k, 0.1 * k] for k in range(5, 10)]
    trace = logs.read(table(tmp_path, ["step", "lr"], rows), rate="lr")
    assert trace.rates == [0.5] * 5 + [0.1 * k for k in range(5, 10)]
    assert list(trace.indices) == list(range(10))


def test_how_many_rows_a_resumed_run_replaced_is_said(tmp_path, capsys):
    steps = [*range(8), *range(5, 10), *range(8, 1000)]
    rows = [[k, 0.7 if i == 6 else SCHEDULE(k)] for i, k in enumerate(steps)]
    status, lines = checked(capsys, table(tmp_path, ["step", "lr"], rows), "--rate", "lr")
    assert status == 0
    assert lines[-1].endswith(
        "Earlier rows left out: 5; not logged again: 0; with another rate than the later row of "
        "their update: 1."
    )


def test_newest_first(tmp_path, capsys):
    for rate, expected in ((SCHEDULE, 0), (lambda k: SCHEDULE(k) if k == 0 else 0.05, 1)):
        rows = [[k, rate(k)] for k in range(990, -1, -10)]
        path = table(tmp_path, ["step", "lr"], rows)
        status, lines = checked(capsys, path, "--rate", "lr")
        assert status == expected
        assert len(lines) == 1
    assert list(logs.read(path, rate="lr").indices) == list(range(0, 1000, 10))


@pytest.mark.parametrize(
    ("steps", "updates"),
    [
        ([0, 1, 2, 3, 2, 3, 4], [0, 1, 2, 3, 4]),
        ([0, 1, 2, 2, 2, 3], [0, 1, 2, 3]),  # a row for each small batch
        ([0, 1, 2, 3, 4, 1, 2], [0, 1, 2]),  # the run went back and ended
        ([0, 1, 2, 3, 2, 3, 1, 2, 3, 4], [0, 1, 2, 3, 4]),  # it went back twice
        ([0, 1, 2, 0, 1, 2, 3], [0, 1, 2, 3]),
        ([0, 10, 20, 30, 25, 35, 45], [0, 10, 20, 25, 35, 45]),  # and logs other rows
        ([3, 2, 2, 1], [1, 2, 3]),
        # An odd row where the run stopped; another offset; and another interval.
        ([49, 99, 149, 163, 149, 199, 249], [49, 99, 149, 199, 249]),
        ([0, 9, 19, 29, 39, 49, 34, 44, 54], [0, 9, 19, 29, 34, 44, 54]),
        ([*range(0, 200, 10), *range(150, 400, 50)], [*range(0, 150, 10), *range(150, 400, 50)]),
        ([0, 50, 100, 150, *range(110, 180, 10)], [0, 50, 100, *range(110, 180, 10)]),
        ([10, 20, 30, 40, 50, 30, 20, 30, 40, 50], [10, 20, 30, 40, 50]),  # stopped twice
    ],
)
def test_rows_of_a_run(tmp_path, steps, updates):
    path = table(tmp_path, ["step", "lr"], [[k, 0.1] for k in steps])
    assert list(logs.read(path, rate="lr").indices) == updates


@pytest.mark.parametrize(
    ("steps", "row"),
    [
        ([0, 1, 3, 2, 4], 3),
        ([0, 2, 1, 3], 2),
        ([0, 1, 2, 4, 3], 4),
        ([1, 2, 0], 2),
        ([3, 2, 4, 5, 6], 1),
        ([0, 10, 20, 40, 30, 50], 4),
        ([0, 1, 2, 4, 2, 3, 5, 6], 3),
        ([1, 2, 3, 4, 0], 4),
        ([10, 20, 30, 40, 0], 4),
        ([0, 20, 10, 30, 50, 40, 60], 2),
        ([0, 1, 2, 3, 10, 30, 20, 40], 6),
        ([*range(100), *range(98, -1, -1)], 100),
        ([0, 1, 0, 2, 1, 3, 2, 3, 4, 4], 2),  # two programs that write into one file
    ],
)
def test_rows_out_of_order_are_refused(tmp_path, capsys, steps, row):
    path = table(tmp_path, ["step", "lr"], [[k, 0.1] for k in steps])
    with pytest.raises(ValueError, match=f"row {row}, of step {steps[row]}, is out of order: must"):
        logs.read(path, rate="lr")
    assert checked(capsys, path, "--rate", "lr")[0] == 2


def test_the_hint_at_a_tolerance_lets_no_wrong_rate_pass(tmp_path, capsys):
    rows = [[k, f"{1.008 * SCHEDULE(k):.3e}"] for k in range(0, 1000, 10)]
    path = table(tmp_path, ["step", "lr"], rows)
    status, lines = checked(capsys, path, "--rate", "lr")
    assert status == 1
    hinted = [line for line in lines if "--tolerance 0.001 allows for that" in line]
    assert len(hinted) == ("\nThis fits:" not in "\n".join(lines))
    assert checked(capsys, path, "--rate", "lr", "--tolerance", "0.001")[0] == 1


def test_row_numbers_that_begin_anew_in_each_epoch_are_refused(tmp_path, capsys):
    """A scheduler that is built anew in each epoch would look right."""
    rows = [[k // 100, k % 100, SCHEDULE(k % 100)] for k in range(0, 1000, 10)]
    path = table(tmp_path, ["epoch", "step", "lr"], rows)
    with pytest.raises(ValueError, match="row numbers begin anew 9 times"):
        logs.read(path, rate="lr")
    assert checked(capsys, path, "--rate", "lr")[0] == 2
    rows = [[k // 100, k % 100, SCHEDULE(k)] for k in range(1000)]
    path = table(tmp_path, ["epoch", "iteration", "lr"], rows)
    assert checked(capsys, path, "--rate", "lr")[0] == 0


def test_step_is_tensorboard_s_alone(tmp_path, capsys):
    """W&B's charts have a Step that counts calls of log; TensorBoard's has the updates."""
    rows = [[0.0, 10 * i, SCHEDULE(10 * i)] for i in range(100)]
    path = table(tmp_path, ["Wall time", "Step", "Value"], rows)
    status, lines = checked(capsys, path, "--rate", "Value")
    assert (status, lines[-1][:42]) == (0, "Step numbers the updates from 0 here. If T")
    assert len(checked(capsys, path, "--rate", "Value", "--first-step", "0")[1]) == 2
    path = table(tmp_path, ["Step", "run - lr"], [[i, SCHEDULE(10 * i)] for i in range(100)])
    status, lines = checked(capsys, path, "--rate", "run - lr")
    assert status == 1
    assert lines[-1].startswith("No column numbers the rows")


@pytest.mark.parametrize(
    ("indices", "first_update"),
    [([0, 1, 2], 0), ([49, 99], 0), ([600, 601], 600), ([119, 139], 119)],
)
def test_where_a_run_began(tmp_path, indices, first_update):
    """A log of every 50th update has none of the first 49; one that begins at 600 goes on."""
    path = table(tmp_path, ["step", "lr"], [[k, 0.1] for k in indices])
    trace = logs.read(path, rate="lr")
    assert (trace.first_update, list(trace.indices)) == (first_update, indices)


@pytest.mark.slow
def test_tensorboard(tmp_path):
    pytest.importorskip("tensorboard")
    tensorboard = pytest.importorskip("torch.utils.tensorboard")
    for begin, end in ((0, 7), (5, 10)):  # a run that was resumed at 5
        with tensorboard.SummaryWriter(tmp_path, filename_suffix=f".{begin}") as writer:
            for k in range(begin, end):
                writer.add_scalar("lr-SGD", SCHEDULE(k), k)
                writer.add_scalar("loss", 1.0, k)
                writer.add_scalar("precise", SCHEDULE(k), k, new_style=True, double_precision=True)
    trace = logs.read(tmp_path)
    assert list(trace.indices) == list(range(10))
    trace.check(SCHEDULE)  # it sees that the file holds float32
    with pytest.raises(TraceError):
        trace.check(SCHEDULE, tolerance=1e-9)
    one = min(tmp_path.iterdir())
    assert len(logs.read(one).rates) == 7
    assert logs.main([str(tmp_path), "--schedule", TEXT]) == 0
    assert logs.read(tmp_path, rate="precise").rates == [SCHEDULE(k) for k in range(10)]
    precise = [str(tmp_path), "--schedule", TEXT, "--rate", "precise", "--tolerance", "1e-12"]
    assert logs.main(precise) == 0
    with pytest.raises(ValueError, match=r"has no column 'lr'; it has .*'loss'"):
        logs.read(tmp_path, rate="lr")
    with pytest.raises(ValueError, match="update='lr': must be None, because a TensorBoard"):
        logs.read(tmp_path, update="lr")


@pytest.mark.slow
def test_nan_in_tensorboard_is_a_wrong_rate(tmp_path, capsys):
    pytest.importorskip("tensorboard")
    tensorboard = pytest.importorskip("torch.utils.tensorboard")
    with tensorboard.SummaryWriter(tmp_path) as writer:
        for k in range(20):
            writer.add_scalar("lr-SGD", SCHEDULE(k) if k < 10 else math.nan, k)
    assert len(logs.read(tmp_path).rates) == 20
    assert checked(capsys, tmp_path)[0] == 1


# -------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("name", "content", "options", "message"),
    [
        ("log.txt", "", {}, "must be a .json, a .csv, a TensorBoard file"),
        ("log.json", "{", {}, "must be JSON, but"),
        ("log.json", "[1]", {}, "must be a trainer_state.json"),
        ("log.json", '{"log_history": {}}', {}, "must be a trainer_state.json"),
        ("log.json", '[{"step": 1, "loss": 2}]', {}, "no column 'learning_rate'; it has 'step'"),
        ("log.json", '[{"step": 0, "learning_rate": 2}]', {}, "row number 0: .* number from 1"),
        ("log.json", '[{"step": null, "learning_rate": 2}]', {}, "row 0 has 'step'=None"),
        ("log.json", '[{"step": 1, "learning_rate": [2]}]', {}, r"'learning_rate'=\[2\]"),
        ("log.json", '[{"step": 1%s, "learning_rate": 2}]' % ("0" * 400), {}, "row 0 has 'step'=1"),
        ("log.json", "[" * 100_000, {}, "is nested too deeply"),
        ("log.csv", "", {}, "the columns are none"),
        ("log.csv", "lr,loss\n", {}, "name the column .* the columns are 'lr', 'loss'"),
        ("log.csv", "lr-A,lr-B,step\n", {}, "name the column"),
        ("log.csv", "lr,loss\n", {"rate": "lr"}, "holds no learning rate"),
        ("log.csv", "lr\n0.1\n", {"rate": "eta"}, "has no column 'eta'; it has 'lr'$"),
        ("log.csv", "step;lr\n0;1\n", {"rate": "lr"}, r"it has 'step;lr'\. .* by commas$"),
        ("log.csv", "step\tlr\n0\t1\n", {"rate": "lr"}, "must be separated by commas$"),
        ("log.csv", "step;lr\n0;1\n", {}, "must be separated by commas$"),
        ("log.csv", "a;b,lr\n0,1\n", {"rate": "eta"}, "it has 'a;b', 'lr'$"),
        ("log.csv", "lr\n0.1\n", {"rate": "lr", "update": "k"}, "has no column 'k'"),
        ("log.csv", "lr,step\nhigh,1\n", {"rate": "lr"}, "row 0 has 'lr'='high': must be a number"),
        ("log.csv", "lr,step\n0.1,1.5\n", {"rate": "lr"}, "row number 1.5"),
        ("log.csv", "lr,step\n0.1,inf\n", {"rate": "lr"}, "row number inf"),
        ("log.csv", "lr,step\n0.1,-1\n", {"rate": "lr"}, "row number -1"),
        ("log.csv", "lr,step\n0.1,1e300\n", {"rate": "lr"}, r"row number 1e\+300"),
        ("log.csv", "lr,step\n0.1,1\n0,2,2\n", {"rate": "lr"}, "row 1 has more cells than"),
        ("log.csv", "update,lr\n0,0,1\n", {}, "row 0 has more cells than the header"),
        ("log.csv", 'lr,t\n.1,a\n.1,"b\n.7,c\n', {"rate": "lr"}, "quote closed, but: unexpected"),
        ("log.csv", "step,lr,lr\n0,0.7,0.1\n", {"rate": "lr"}, "more than one column 'lr'"),
        ("log.csv", "step,step,lr\n0,1,0.1\n", {"rate": "lr"}, "more than one column 'step'"),
        ("log.csv", "lr,step\n0.1,1\n", {"rate": "lr", "first_step": -1}, "first_step=-1"),
    ],
)
def test_what_is_no_log_is_refused(tmp_path, name, content, options, message):
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(ValueError, match=message):
        logs.read(path, **options)


def test_what_is_unusual_and_can_be_read(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text(f'step,lr,loss,loss,text\n0,0.1,1,1,"{"x" * 200_000}"\n1,0.2,1,1,x,\n')
    limit = csv.field_size_limit()
    assert logs.read(path, rate="lr").rates == [0.1, 0.2]
    assert csv.field_size_limit() == limit
    path = tmp_path / "log.json"
    path.write_text('\ufeff[{"step": 1, "learning_rate": 0.1}]', encoding="utf-8")
    assert logs.read(path).rates == [0.1]


def test_missing_files(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"neither trainer_state.json, nor"):
        logs.read(tmp_path)
    with pytest.raises(FileNotFoundError):
        logs.read(tmp_path / "trainer_state.json")


def test_without_tensorboard(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard.backend.event_processing", None)
    (tmp_path / "events.out.tfevents.1").write_bytes(b"")
    with pytest.raises(ModuleNotFoundError, match=r'pip install "coslr\[tensorboard\]"'):
        logs.read(tmp_path)


# -------------------------------------------------------------------- a schedule, as text


@settings(max_examples=200)
@given(known_schedules())
def test_the_text_of_a_schedule_is_read_back(drawn):
    schedule, _ = drawn
    assert logs.parse_schedule(repr(schedule)) == schedule


def test_every_schedule_of_ours_can_be_written():
    kinds = {name for name in coslr.__all__ if isinstance(getattr(coslr, name), type)}
    assert kinds - {"Schedule"} | {"warmup", "join"} >= set(logs.CONSTRUCTORS)
    assert kinds - {"Schedule", "Diagnosis"} <= set(logs.CONSTRUCTORS)


def test_texts():
    assert logs.parse_schedule(TEXT) == SCHEDULE
    assert logs.parse_schedule(" MultiStep([30, 45], eta_max=1)\n") == MultiStep([30, 45], 1)
    text = "join([Constant(1), OneCycle(9, 1, shape='linear', peak=None)], (4,))"
    assert logs.parse_schedule(text) == join([Constant(1), OneCycle(9, 1, shape="linear")], [4])


HOSTILE = [
    "",
    "1",
    "Cosine",
    "Cosine(",
    "[Cosine(9, 1)]",
    "Cosine(9, 1); 3",
    "Cosine(9, 1) if 1 else 2",
    "open('file')",
    "__import__('os').system('true')",
    "Cosine.__init__(9, 1)",
    "(lambda: Cosine(9, 1))()",
    "Schedule()",
    "Cosine(*[9, 1])",
    "Cosine(**{'T_max': 9})",
    "Cosine(9, eta_max=(x := 1))",
    "Cosine(2 ** 99999999, 1)",
    "Cosine(9, True)",
    "Cosine(9, 1j)",
    "Cosine(9, b'1')",
    "Cosine(9, - -1)",
    "Cosine(9, +1)",
    "Cosine(9, -1)",
    "Cosine(9, 1e999)",
    "Cosine(9, '1')",
    "Cosine(9, None)",
    "Cosine(9)",
    "Cosine(9, 1, size=3)",
    "Cosine(9, [x for x in (1, 2)])",
    "OneCycle(9, 1, shape=f'{exit()}')",
    "join([Cosine(9, 1), 3], [4])",
    "Cosine(9, 1)\0",
    "Cosine(" + 5000 * "9" + ", 1)",
    "CosineWarmRestarts(1e-99, 1, T_mult=1.0000001)",
    5000 * "(",
    4000 * "[]",
    9000 * "-" + "1",
    2000 * "f(" + 2000 * ")",
    3000 * "a." + "b()",
    20_000 * " ",
]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: text[:20] or "empty")
@pytest.mark.filterwarnings("ignore::SyntaxWarning")
def test_any_other_text_is_refused_at_once(text):
    start = time.process_time()  # not the clock: other programs may keep the processor busy
    with pytest.raises(ValueError, match="schedule=") as caught:
        logs.parse_schedule(text)
    assert len(str(caught.value)) < 2000
    assert time.process_time() - start < 1


def test_what_is_no_text_is_refused():
    with pytest.raises(TypeError, match="must be a text, not int"):
        logs.parse_schedule(3)


# ------------------------------------------------------------------------ from the shell


def test_right(tmp_path, capsys):
    path = trainer_state(tmp_path, {k: SCHEDULE(k) for k in range(1000)}, every=50)
    assert logs.main([str(path), "--schedule", TEXT]) == 0
    said = capsys.readouterr().out
    assert said == f"right: 20 logged rates, of updates 49 to 999, are those of {SCHEDULE!r}\n"


def test_right_so_far(tmp_path, capsys):
    path = trainer_state(tmp_path, {k: SCHEDULE(k) for k in range(500)}, every=50)
    assert logs.main([str(path), "--schedule", TEXT]) == 0
    said = capsys.readouterr().out
    assert said.endswith("\nThe log ends at update 499, but the schedule at 1000.\n")


@pytest.mark.parametrize("option", ["--hold", "--steps-per-unit"])
def test_right_so_far_in_longer_units(tmp_path, capsys, option):
    epochs = Cosine(50, eta_max=0.1)
    rows = [[k, epochs(k // 100 if option == "--hold" else k / 100)] for k in range(600)]
    path = table(tmp_path, ["step", "lr"], rows)
    status, lines = checked(capsys, path, "--rate", "lr", option, "100", schedule=repr(epochs))
    assert status == 0
    assert lines[1:] == ["The log ends at update 599, but the schedule at 5000."]


def test_an_old_trainer_that_holds_each_rate(tmp_path, capsys):
    path = trainer_state(tmp_path, {k: SCHEDULE((k + 1) // 2) for k in range(1000)})
    status, lines = checked(capsys, path, "--hold", "2")
    assert status == 1
    assert "pass --first-step 0" in lines[-1]


# -------------------------------------------------------------------------- rounded rates


FORMATS = {  # with the number of digits or decimals
    ".2e": "3 digits",
    ".3g": "3 digits",
    ".4e": "5 digits",
    ".5g": "5 digits",
    ".4f": "4 decimals",
    ".6f": "6 decimals",
}


def rounded(folder, rate, form, steps=range(0, 1000, 10)):
    return table(folder, ["step", "lr"], [[k, format(rate(k), form)] for k in steps])


@pytest.mark.parametrize("form", FORMATS)
def test_a_log_that_rounds(tmp_path, capsys, form):
    """The rates differ from the schedule's, but in no digit that the log has."""
    path = rounded(tmp_path, TENTH, form)
    status, lines = checked(capsys, path, "--rate", "lr", schedule=repr(TENTH))
    assert status == 0
    assert lines == [
        f"right: 100 logged rates, of updates 0 to 990, are those of {TENTH!r}",
        f"The log rounds its rates to {FORMATS[form]}, so a smaller difference does not show.",
    ]


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(("update", "units"), [(0, 1), (400, -1), (990, 1), (400, math.inf)])
def test_a_log_that_rounds_shows_one_wrong_rate(tmp_path, capsys, form, update, units):
    """It is wrong by one in the last place."""
    places = int(FORMATS[form].split()[0])
    rates = {k: float(format(TENTH(k), form)) for k in range(0, 1000, 10)}
    if "digits" in FORMATS[form]:
        places -= 1 + math.floor(math.log10(rates[update]))
    rates[update] += units * 10.0**-places
    path = rounded(tmp_path, rates.get, form)
    assert checked(capsys, path, "--rate", "lr", schedule=repr(TENTH))[0] == 1


def test_nan_is_not_rounded(tmp_path, capsys):
    rates = {k: round(TENTH(k), 4) for k in range(1000)}
    assert checked(capsys, trainer_state(tmp_path, rates), schedule=repr(TENTH))[0] == 0
    path = trainer_state(tmp_path, rates | {500: math.nan})
    assert checked(capsys, path, schedule=repr(TENTH))[0] == 1


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(
    "rate",
    [
        lambda k: TENTH(2 * k),
        lambda k: TENTH(k) / 1.2,
        lambda k: 0.1,
        lambda k: TENTH(k // 30),
    ],
)
def test_a_wrong_run_whose_log_rounds(tmp_path, capsys, form, rate):
    path = rounded(tmp_path, rate, form)
    status, lines = checked(capsys, path, "--rate", "lr", schedule=repr(TENTH))
    assert status == 1
    if form != ".6f":  # six digits are allowed for without being told
        assert "--tolerance" in lines[-1] or "This fits:" in lines


@pytest.mark.parametrize(
    ("rates", "schedule"),
    [
        ([0.125] * 20, "Constant(0.1251)"),
        ([0.1] * 20, "Constant(0.14)"),
        ([0.0] * 20, "Constant(1e-5)"),
        ([round(0.001 * k, 3) for k in range(100)], "warmup(Constant(0.1004), 100, start=0)"),
        ([0.1, 0.05, 0.025], "MultiStep([1, 2], 0.1, gamma=0.5004)"),
    ],
)
def test_exact_rates_with_few_digits_are_taken_as_they_are(tmp_path, capsys, rates, schedule):
    """They are the schedule's rounded, but nobody says that they were rounded."""
    path = table(tmp_path, ["step", "lr"], list(enumerate(rates)))
    assert checked(capsys, path, "--rate", "lr", schedule=schedule)[0] == 1


def test_a_coarse_log_is_not_called_right(tmp_path, capsys):
    schedule = Cosine(1000, eta_max=3e-4)
    path = rounded(tmp_path, schedule, ".4f")
    status, lines = checked(capsys, path, "--rate", "lr", schedule=repr(schedule))
    assert status == 1
    assert "rounded to 4 decimals. If the log rounds, it has too few" in lines[-1]


def test_a_tolerance_allows_for_decimals_near_zero(tmp_path, capsys):
    options = ["--rate", "lr", "--tolerance"]
    path = rounded(tmp_path, TENTH, ".6f", range(992, 1000))
    assert checked(capsys, path, *options, "1e-3", schedule=repr(TENTH))[0] == 1
    path = rounded(tmp_path, TENTH, ".6f", [0, *range(992, 1000)])
    assert checked(capsys, path, *options, "1e-3", schedule=repr(TENTH))[0] == 0
    assert checked(capsys, path, *options, "1e-9", schedule=repr(TENTH))[0] == 1


@pytest.mark.parametrize(
    ("rate", "cause"),
    [
        (lambda k: SCHEDULE(2 * k), "too_fast"),
        (lambda k: SCHEDULE(k) / 4, "scaled"),
        (lambda k: 3e-4, "never_moves"),
        (lambda k: SCHEDULE(k - k % 100), "per_epoch"),
    ],
)
def test_wrong_and_why(tmp_path, capsys, rate, cause):
    path = trainer_state(tmp_path, {k: rate(k) for k in range(1000)}, every=10)
    assert logs.main([str(path), "--schedule", TEXT]) == 1
    said = capsys.readouterr().out
    assert said.startswith("wrong: update ")
    assert f"\n- {cause}: " in said


def test_wrong_without_a_known_cause(tmp_path, capsys):
    path = trainer_state(tmp_path, {k: 3e-4 * abs(math.sin(k * k)) for k in range(1000)})
    assert logs.main([str(path), "--schedule", TEXT]) == 1
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_options(tmp_path, capsys):
    def status(path, *options):
        return logs.main([str(path), *options])

    epochs = Cosine(3, eta_max=0.1)
    rows = [[k + 5, 0.5, epochs(k / 4), epochs(k // 4)] for k in range(12)]
    path = table(tmp_path, ["at", "loss", "lr", "held"], rows)
    at, shape = ["--update", "at", "--first-step", "5"], ["--schedule", "Cosine(3, eta_max=0.1)"]
    assert status(path, *at, *shape, "--rate", "lr", "--steps-per-unit", "4") == 0
    assert status(path, *at, *shape, "--rate", "held", "--hold", "4") == 0
    assert status(path, *at, *shape, "--rate", "held") == 1
    both = ["--rate", "lr", "--rate", "loss", "--schedule", "Constant(0.5)"]
    assert status(path, *at, *shape, *both, "--steps-per-unit", "4") == 0
    near = ["--rate", "loss", "--schedule", "Constant(0.50001)"]
    assert status(path, *near) == 1
    assert status(path, *near, "--tolerance", "1e-3") == 0
    capsys.readouterr()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["log.csv", "--schedule", "exit()"], "'exit' is none of"),
        (["log.csv", "--schedule", TEXT, "--rate", "eta"], "has no column 'eta'"),
        (["log.csv", "--schedule", TEXT, "--schedule", TEXT, "--rate", "lr"], "a list of 1"),
        (["log.csv", "--schedule", TEXT, "--rate", "lr", "--tolerance", "1"], "tolerance=1"),
        (["log.csv", "--schedule", TEXT, "--rate", "lr", "--hold", "0"], "hold=0"),
        (["none.csv", "--schedule", TEXT], "No such file"),
        (["log.txt", "--schedule", TEXT], "must be a .json"),
    ],
)
def test_what_cannot_be_checked(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    table(tmp_path, ["lr"], [[0.1], [0.1]], "log.csv")
    (tmp_path / "log.txt").write_text("")
    assert logs.main(arguments) == 2
    said = capsys.readouterr()
    assert not said.out
    assert message in said.err


@pytest.mark.slow
def test_the_program(tmp_path):
    def program(*arguments):
        run = [sys.executable, "-m", "coslr.logs", *arguments]
        return subprocess.run(run, capture_output=True, text=True)

    path = trainer_state(tmp_path, {k: SCHEDULE(k) for k in range(1000)})
    assert program(path, "--schedule", TEXT).stdout.startswith("right: 1000 logged rates")
    assert program(path, "--schedule", "Cosine(1000, 3e-4)").returncode == 1
    assert program(path).returncode == 2
    assert "--first-step" in program("--help").stdout
