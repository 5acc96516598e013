"""The same schedules in other libraries, beside ours: `python -m tests.peers` prints the table.

Each row has two expressions, which the table shows and the test evaluates. `theirs` uses the names
of the library's own module, and `ours` gives the rates for an array t of update indices. The peak
is 0.1. The two must agree over the whole run: within 1e-12 if the library computes in float64, and
within 1e-7 if it computes in float32 (optax, keras). Those two also compute in float64 on request,
and must then agree within 1e-12.

Some libraries mean something else by the same words. Such a row states the library's `convention`.
Its `plain` is our schedule as the words alone would suggest it, which must not agree.

These have no counterpart here: ReduceLROnPlateau of torch and timm and GreedyLR of transformers,
which look at the loss; SWALR and the three-phase OneCycleLR of torch; TanhLRScheduler and k_decay
of timm; InverseTimeDecay of keras; and whole waves of the cosine (num_cycles=1) in transformers.
"""

import functools
import importlib
import importlib.metadata
import os
import tempfile
import warnings
from dataclasses import dataclass

import numpy as np

import coslr

FLOAT64, FLOAT32 = 1e-12, 1e-7
SINGLE = ("optax", "keras")  # these compute in float32 unless told otherwise
MODULES = {
    "torch": "torch.optim.lr_scheduler",
    "optax": "optax",
    "timm": "timm.scheduler",
    "transformers": "transformers.optimization",
    "keras": "keras.optimizers.schedules",
    "fvcore": "fvcore.common.param_scheduler",
    "ignite": "ignite.handlers.param_scheduler",
}


@dataclass(frozen=True)
class Comparison:
    """One schedule of a library beside ours, over a run of `updates` updates."""

    library: str
    theirs: str
    ours: str
    updates: int
    convention: str = ""
    plain: str = ""
    jumped: bool = False  # call torch's step(t), as its documentation proposes for restarts


def difference(row: Comparison, ours: str = "", shift: int = 0, double: bool = True) -> float:
    """The largest difference over the run.

    A test passes another `ours` or a `shift` in updates, to see that a wrong schedule is found.
    """
    return np.abs(their_rates(row, double) - our_rates(row, ours or row.ours, shift)).max()


def our_rates(row: Comparison, expression: str, shift: int = 0) -> np.ndarray:
    """The rates of our `expression` at every update."""
    t = np.arange(row.updates) + shift
    return eval(expression, {"np": np, "t": t, **vars(coslr)})


@functools.cache
def their_rates(row: Comparison, double: bool = True) -> np.ndarray:
    """The rates of the library itself at every update."""
    if row.library == "keras":  # keras would want TensorFlow, and write into the home folder
        os.environ.setdefault("KERAS_BACKEND", "torch")
        os.environ.setdefault("KERAS_HOME", tempfile.mkdtemp())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the library's own warnings are not ours to mend
        module = importlib.import_module(MODULES[row.library])
        run = _jumped if row.jumped else RUNS[row.library]
        rates = run(lambda **names: eval(row.theirs, vars(module) | names), row.updates, double)
        return np.array([float(rate) for rate in rates])


# ------------------------------------------------------------------ how each library is driven


def _optimizer():
    import torch

    return torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)


def _stepped(make, updates, double):
    """torch and transformers want one step() after each update."""
    optimizer = _optimizer()
    scheduler = make(optimizer=optimizer)
    for k in range(updates):
        yield optimizer.param_groups[0]["lr"]
        optimizer.step()
        if k < updates - 1:  # OneCycleLR refuses a step past its end
            scheduler.step()


def _jumped(make, updates, double):
    """timm wants the index of the update in each call."""
    optimizer = _optimizer()
    scheduler = make(optimizer=optimizer)
    for k in range(updates):
        scheduler.step(k)
        yield optimizer.param_groups[0]["lr"]


def _optax(make, updates, double):
    import jax

    with jax.enable_x64(double):
        return np.asarray(jax.jit(jax.vmap(make()))(jax.numpy.arange(updates)), dtype=float)


def _keras(make, updates, double):
    import keras

    before = keras.config.floatx()
    keras.config.set_floatx("float64" if double else "float32")
    try:
        schedule = make()
        return [float(schedule(k)) for k in range(updates)]
    finally:
        keras.config.set_floatx(before)


def _fvcore(make, updates, double):
    """fvcore wants the fraction of the run that is done, from 0 to 1."""
    scheduler = make()
    return [scheduler(k / RUN) for k in range(updates)]


def _ignite(make, updates, double):
    """ignite wants an engine, which here reads the rate in force at each iteration."""
    from ignite.engine import Engine, Events

    optimizer, rates = _optimizer(), []
    engine = Engine(lambda engine, batch: rates.append(optimizer.param_groups[0]["lr"]))
    engine.add_event_handler(Events.ITERATION_STARTED, make(optimizer=optimizer))
    engine.run(range(updates))
    return rates


RUNS = {
    "torch": _stepped,
    "optax": _optax,
    "timm": _jumped,
    "transformers": _stepped,
    "keras": _keras,
    "fvcore": _fvcore,
    "ignite": _ignite,
}

# ----------------------------------------------------------------------------------- the table


def result(row: Comparison) -> str:
    """What the row shows: that both are equal, or the convention by which they differ.

    Raises:
        AssertionError: the two do not agree, or the plain reading does.
    """
    for name, double, limit in tolerances(row):
        found = difference(row, double=double)
        assert found <= limit, f"{row.theirs}: differs by {found:.3g} in {name}"
    if not row.convention:
        return "equal"
    apart = difference(row, row.plain)
    assert apart > 1e-5, f"{row.theirs}: no different from {row.plain}"
    return f"{row.convention} (`{row.plain}` is {apart:.2g} away)"


def tolerances(row: Comparison) -> list[tuple[str, bool, float]]:
    """The precisions in which the library computes, whether that is double, and the tolerance."""
    precisions = [("float64", True, FLOAT64)]
    return [("float32", False, FLOAT32), *precisions] if row.library in SINGLE else precisions


def table() -> str:
    """All comparisons, in Markdown."""
    lines = [
        "| library | theirs | ours | updates | largest difference | result |",
        "|---|---|---|--:|--:|---|",
    ]
    for row in ROWS:
        found = [f"{difference(row, double=d):.1e} ({name})" for name, d, _ in tolerances(row)]
        cells = [f"{row.library} {version(row.library)}", f"`{row.theirs}`", f"`{row.ours}`"]
        lines.append(" | ".join(["", *cells, f"{row.updates}", ", ".join(found), result(row), ""]))
    return "\n".join(line.strip() for line in lines)


def version(library: str) -> str:
    """The installed version."""
    return importlib.metadata.version({"ignite": "pytorch-ignite"}.get(library, library))


RUN = 200  # updates in the whole run, of which fvcore wants a fraction

CLIMBS = "climbs again after its end, like a wave; ours holds the floor"
NO_END = "goes on falling after any number of updates; ours is stated by its end and holds it"
LOGARITHM = "finds the cycle by a logarithm, and some restarts come one update late: {}"

ROWS = [
    # torch
    Comparison(
        "torch",
        "ConstantLR(optimizer, factor=0.25, total_iters=5)",
        "join([Constant(0.025), Constant(0.1)], [5])(t)",
        20,
    ),
    Comparison(
        "torch",
        "CosineAnnealingLR(optimizer, T_max=200, eta_min=0.001)",
        "Cosine(200, 0.1, 0.001)(t)",
        201,
    ),
    Comparison(
        "torch",
        "CosineAnnealingLR(optimizer, T_max=200, eta_min=0.001)",
        "Cosine(200, 0.1, 0.001)(abs((t + 200) % 400 - 200))",
        601,
        CLIMBS,
        "Cosine(200, 0.1, 0.001)(t)",
    ),
    Comparison(
        "torch",
        "CosineAnnealingWarmRestarts(optimizer, T_0=50, eta_min=0.001)",
        "CosineWarmRestarts(50, 0.1, 0.001)(t)",
        600,
    ),
    Comparison(
        "torch",
        "CosineAnnealingWarmRestarts(optimizer, T_0=10, T_mult=2, eta_min=0.001)",
        "CosineWarmRestarts(10, 0.1, 0.001, T_mult=2)(t)",
        1300,
    ),
    Comparison(
        "torch",
        "CosineAnnealingWarmRestarts(optimizer, T_0=1, T_mult=3)",
        "np.where(t == 121, 0.0, CosineWarmRestarts(1, 0.1, T_mult=3)(t))",
        364,
        LOGARITHM.format("step(121) gives 0.0, not 0.1"),
        "CosineWarmRestarts(1, 0.1, T_mult=3)(t)",
        jumped=True,
    ),
    Comparison(
        "torch",
        "CyclicLR(optimizer, base_lr=0.001, max_lr=0.1, step_size_up=20, cycle_momentum=False)",
        "Cyclical(20, 0.1, 0.001)(t)",
        400,
    ),
    Comparison(
        "torch",
        "CyclicLR(optimizer, 0.001, 0.1, 20, mode='triangular2', cycle_momentum=False)",
        "0.001 + Cyclical(20, 0.099, decay=0.5)(t)",
        400,
        "decay shrinks the height above the floor; ours shrinks the peak itself, down to the floor",
        "Cyclical(20, 0.1, 0.001, decay=0.5)(t)",
    ),
    Comparison(
        "torch",
        "ExponentialLR(optimizer, gamma=0.98)",
        "Exponential(600, 0.1, 0.1 * 0.98**600)(t)",
        601,
        NO_END,
        "Exponential(200, 0.1, 0.1 * 0.98**200)(t)",
    ),
    Comparison(
        "torch",
        "LinearLR(optimizer, start_factor=1.0, end_factor=0.01, total_iters=200)",
        "Linear(200, 0.1, 0.001)(t)",
        300,
    ),
    Comparison(
        "torch",
        "LinearLR(optimizer, start_factor=0.01, total_iters=20)",
        "warmup(Constant(0.1), 20, start=0.001)(t)",
        40,
    ),
    Comparison(
        "torch",
        "MultiStepLR(optimizer, milestones=[30, 60, 90])",
        "MultiStep([30, 60, 90], 0.1)(t)",
        120,
    ),
    Comparison(
        "torch",
        "OneCycleLR(optimizer, max_lr=0.1, total_steps=200)",
        "OneCycle(199, 0.1, 0.004 / 1e4, peak=59)(t)",
        200,
        "the end is update N-1 and the peak 0.3 N - 1; ours are N and 0.3 N",
        "OneCycle(200, 0.1, 0.004 / 1e4)(t)",
    ),
    Comparison(
        "torch",
        "OneCycleLR(optimizer, max_lr=0.1, total_steps=200, anneal_strategy='linear')",
        "OneCycle(199, 0.1, 0.004 / 1e4, peak=59, shape='linear')(t)",
        200,
        "the end is update N-1 and the peak 0.3 N - 1; ours are N and 0.3 N",
        "OneCycle(200, 0.1, 0.004 / 1e4, shape='linear')(t)",
    ),
    Comparison(
        "torch",
        "PolynomialLR(optimizer, total_iters=200, power=0.9)",
        "Polynomial(200, 0.1, power=0.9)(t)",
        300,
    ),
    Comparison(
        "torch",
        "SequentialLR(optimizer, [LinearLR(optimizer, 0.01, total_iters=20), "
        "CosineAnnealingLR(optimizer, 180, 0.001)], milestones=[20])",
        "warmup(Cosine(180, 0.1, 0.001), 20, start=0.001)(t)",
        201,
    ),
    Comparison("torch", "StepLR(optimizer, step_size=30)", "Step(30, 0.1)(t)", 200),
    # optax
    Comparison("optax", "constant_schedule(0.1)", "Constant(0.1)(t)", 200),
    Comparison(
        "optax",
        "cosine_decay_schedule(0.1, decay_steps=200, alpha=0.01)",
        "Cosine(200, 0.1, 0.001)(t)",
        400,
    ),
    Comparison(
        "optax",
        "cosine_onecycle_schedule(200, peak_value=0.1)",
        "OneCycle(200, 0.1, 0.004 / 1e4)(t)",
        300,
    ),
    Comparison(
        "optax",
        "exponential_decay(0.1, transition_steps=200, decay_rate=0.01, end_value=0.001)",
        "Exponential(200, 0.1, 0.001)(t)",
        400,
    ),
    Comparison(
        "optax",
        "exponential_decay(0.1, transition_steps=30, decay_rate=0.1, staircase=True)",
        "Step(30, 0.1)(t)",
        200,
    ),
    Comparison(
        "optax",
        "join_schedules([linear_schedule(0.02, 0.1, 20), constant_schedule(0.1), "
        "cosine_decay_schedule(0.1, 80)], [20, 120])",
        "join([warmup(Constant(0.1), 20, start=0.02), Cosine(80, 0.1)], [120])(t)",
        300,
    ),
    Comparison(
        "optax",
        "linear_onecycle_schedule(200, peak_value=0.1)",
        "join([warmup(Linear(110, 0.1, 0.004), 60, start=0.004), Linear(30, 0.004, 0.004 / 1e4)], "
        "[170])(t)",
        300,
        "has a third phase, from eta_start to the end value; ours has two, as fastai's has",
        "OneCycle(200, 0.1, 0.004 / 1e4, shape='linear')(t)",
    ),
    Comparison("optax", "linear_schedule(0.1, 0.001, 200)", "Linear(200, 0.1, 0.001)(t)", 300),
    Comparison(
        "optax",
        "piecewise_constant_schedule(0.1, {30: 0.1, 60: 0.1, 90: 0.1})",
        "MultiStep([30, 60, 90], 0.1)(t)",
        120,
    ),
    Comparison(
        "optax",
        "polynomial_schedule(0.1, 0.001, power=2, transition_steps=200)",
        "Polynomial(200, 0.1, 0.001, power=2)(t)",
        300,
    ),
    Comparison(
        "optax",
        "sgdr_schedule([dict(init_value=p, peak_value=p, warmup_steps=0, decay_steps=n, "
        "end_value=0.001) for p, n in [(0.1, 10), (0.05, 20), (0.025, 40)]])",
        "CosineWarmRestarts(10, 0.1, 0.001, T_mult=2, decay=0.5, cycles=3)(t)",
        100,
    ),
    Comparison(
        "optax",
        "warmup_constant_schedule(0.0, 0.1, warmup_steps=20)",
        "warmup(Constant(0.1), 20, start=0.0)(t)",
        200,
    ),
    Comparison(
        "optax",
        "warmup_cosine_decay_schedule(0.0, 0.1, warmup_steps=20, decay_steps=200, end_value=0.001)",
        "warmup(Cosine(180, 0.1, 0.001), 20, start=0.0)(t)",
        300,
        "decay_steps counts the warm-up too; our warmup() adds its updates to the schedule's",
        "warmup(Cosine(200, 0.1, 0.001), 20, start=0.0)(t)",
    ),
    Comparison(
        "optax",
        "warmup_exponential_decay_schedule(0.0, 0.1, 20, 180, 0.01, end_value=0.001)",
        "warmup(Exponential(180, 0.1, 0.001), 20, start=0.0)(t)",
        300,
    ),
    # timm
    Comparison(
        "timm",
        "CosineLRScheduler(optimizer, t_initial=200, lr_min=0.001)",
        "Cosine(200, 0.1, 0.001)(t)",
        400,
    ),
    Comparison(
        "timm",
        "CosineLRScheduler(optimizer, 50, lr_min=0.001, cycle_decay=0.5, cycle_limit=3)",
        "CosineWarmRestarts(50, 0.1, 0.001, decay=0.5, cycles=3)(t)",
        200,
    ),
    Comparison(
        "timm",
        "CosineLRScheduler(optimizer, 10, lr_min=0.001, cycle_mul=2, cycle_limit=4)",
        "CosineWarmRestarts(10, 0.1, 0.001, T_mult=2, cycles=4)(t)",
        200,
    ),
    Comparison(
        "timm",
        "CosineLRScheduler(optimizer, 1, cycle_mul=3, cycle_limit=6)",
        "np.where(t == 121, 0.0, CosineWarmRestarts(1, 0.1, T_mult=3, cycles=6)(t))",
        364,
        LOGARITHM.format("update 121 has 0.0, not 0.1"),
        "CosineWarmRestarts(1, 0.1, T_mult=3, cycles=6)(t)",
    ),
    Comparison(
        "timm",
        "CosineLRScheduler(optimizer, 50, lr_min=0.02, cycle_decay=0.1, cycle_limit=3)",
        "np.select([t < 50, t < 100, t < 150], [Cosine(50, 0.1, 0.02)(t % 50), "
        "0.03 - Cosine(50, 0.02, 0.01)(t % 50), 0.021 - Cosine(50, 0.02, 0.001)(t % 50)], 0.02)",
        200,
        "a peak decayed below lr_min turns the wave over, so that it rises; ours holds the floor",
        "CosineWarmRestarts(50, 0.1, 0.02, decay=0.1, cycles=3)(t)",
    ),
    Comparison(
        "timm",
        "CosineLRScheduler(optimizer, 200, lr_min=0.001, warmup_t=20, warmup_lr_init=0.001)",
        "np.where(t < 20, warmup(Constant(0.1), 20, start=0.001)(t), Cosine(200, 0.1, 0.001)(t))",
        400,
        "the cosine's clock runs during the warm-up, so that the rate jumps down at its end and "
        "never is at its peak",
        "warmup(Cosine(200, 0.1, 0.001), 20, start=0.001)(t)",
    ),
    Comparison(
        "timm",
        "CosineLRScheduler(optimizer, 200, 0.001, warmup_t=20, warmup_prefix=True)",
        "warmup(Cosine(200, 0.1, 0.001), 20, start=0.0)(t)",
        400,
    ),
    Comparison(
        "timm",
        "MultiStepLRScheduler(optimizer, decay_t=[30, 60, 90], decay_rate=0.1)",
        "MultiStep([29, 59, 89], 0.1)(t)",
        120,
        "milestone m takes effect at update m - 1",
        "MultiStep([30, 60, 90], 0.1)(t)",
    ),
    Comparison(
        "timm",
        "PolyLRScheduler(optimizer, t_initial=200, power=0.9, lr_min=0.001)",
        "Polynomial(200, 0.1, 0.001, power=0.9)(t)",
        400,
    ),
    Comparison(
        "timm",
        "StepLRScheduler(optimizer, decay_t=30, decay_rate=0.1)",
        "Step(30, 0.1)(t)",
        200,
    ),
    # transformers
    Comparison("transformers", "get_constant_schedule(optimizer)", "Constant(0.1)(t)", 200),
    Comparison(
        "transformers",
        "get_constant_schedule_with_warmup(optimizer, 20)",
        "warmup(Constant(0.1), 20, start=0.0)(t)",
        200,
        "the first update has a rate of 0 and so changes nothing; ours begins with one 21st",
        "warmup(Constant(0.1), 20)(t)",
    ),
    Comparison(
        "transformers",
        "get_linear_schedule_with_warmup(optimizer, 20, num_training_steps=200)",
        "warmup(Linear(180, 0.1), 20, start=0.0)(t)",
        300,
    ),
    Comparison(
        "transformers",
        "get_cosine_schedule_with_warmup(optimizer, 20, num_training_steps=200)",
        "warmup(Cosine(180, 0.1), 20, start=0.0)(t)",
        201,
    ),
    Comparison(
        "transformers",
        "get_cosine_schedule_with_warmup(optimizer, 20, num_training_steps=200)",
        "warmup(Cosine(180, 0.1), 20, start=0.0)(np.minimum(t, 400 - t))",
        381,
        CLIMBS,
        "warmup(Cosine(180, 0.1), 20, start=0.0)(t)",
    ),
    Comparison(
        "transformers",
        "get_cosine_with_min_lr_schedule_with_warmup(optimizer, 20, 200, min_lr=0.001)",
        "warmup(Cosine(180, 0.1, 0.001), 20, start=0.0)(t)",
        201,
    ),
    Comparison(
        "transformers",
        "get_cosine_with_min_lr_schedule_with_warmup_lr_rate(optimizer, 20, 200, min_lr=0.001)",
        "warmup(Cosine(180, 0.1, 0.001), 19)(t)",
        200,
        "the last update of the warm-up has the peak already, and the cosine ends at update N - 1",
        "warmup(Cosine(180, 0.1, 0.001), 20)(t)",
    ),
    Comparison(
        "transformers",
        "get_cosine_with_hard_restarts_schedule_with_warmup(optimizer, 20, 200, num_cycles=3)",
        "warmup(CosineWarmRestarts(60, 0.1, cycles=3), 20, start=0.0)(t)",
        300,
    ),
    Comparison(
        "transformers",
        "get_inverse_sqrt_schedule(optimizer, num_warmup_steps=20, timescale=50)",
        "warmup(InverseSqrt(50, 0.1), 20, start=0.0)(t)",
        1000,
    ),
    Comparison(
        "transformers",
        "get_polynomial_decay_schedule_with_warmup(optimizer, 20, 200, lr_end=0.001, power=2.0)",
        "warmup(Polynomial(180, 0.1, 0.001, power=2), 20, start=0.0)(t)",
        300,
    ),
    *(
        Comparison(
            "transformers",
            f"get_wsd_schedule(optimizer, 20, 50, 200, decay_type='{theirs}', min_lr_ratio=0.01)",
            f"join([warmup(Constant(0.1), 20, start=0.001), WSD(180, 50, 0.1, 0.001, "
            f"shape='{ours}')], [20])(t)",
            300,
            "the warm-up begins at the floor; ours with one 21st of the peak",
            f"WSD(200, 50, 0.1, 0.001, warmup=20, shape='{ours}')(t)",
        )
        for theirs, ours in [("linear", "linear"), ("cosine", "cosine"), ("1-sqrt", "sqrt")]
    ),
    # keras
    Comparison(
        "keras",
        "CosineDecay(0.1, decay_steps=200, alpha=0.01)",
        "Cosine(200, 0.1, 0.001)(t)",
        300,
    ),
    Comparison(
        "keras",
        "CosineDecay(0.0, 180, alpha=0.01, warmup_target=0.1, warmup_steps=20)",
        "warmup(Cosine(180, 0.1, 0.001), 20, start=0.0)(t)",
        300,
    ),
    Comparison(
        "keras",
        "CosineDecayRestarts(0.1, first_decay_steps=50, t_mul=1.0, alpha=0.01)",
        "CosineWarmRestarts(50, 0.1, 0.001)(t)",
        200,
    ),
    Comparison(
        "keras",
        "CosineDecayRestarts(0.1, first_decay_steps=16, t_mul=2.0, alpha=0.01)",
        "CosineWarmRestarts(16, 0.1, 0.001, T_mult=2)(t)",
        300,
    ),
    Comparison(
        "keras",
        "CosineDecayRestarts(0.1, first_decay_steps=50, t_mul=1.0, m_mul=0.5, alpha=0.01)",
        "0.001 + CosineWarmRestarts(50, 0.099, decay=0.5)(t)",
        200,
        "m_mul shrinks the height above the floor; our decay shrinks the peak itself",
        "CosineWarmRestarts(50, 0.1, 0.001, decay=0.5)(t)",
    ),
    Comparison(
        "keras",
        "ExponentialDecay(0.1, decay_steps=200, decay_rate=0.01)",
        "Exponential(400, 0.1, 1e-5)(t)",
        300,
        NO_END,
        "Exponential(200, 0.1, 0.001)(t)",
    ),
    Comparison(
        "keras",
        "ExponentialDecay(0.1, decay_steps=30, decay_rate=0.1, staircase=True)",
        "Step(30, 0.1)(t)",
        200,
    ),
    Comparison(
        "keras",
        "PiecewiseConstantDecay([30, 60, 90], [0.1, 0.01, 0.001, 0.0001])",
        "MultiStep([31, 61, 91], 0.1)(t)",
        120,
        "the update at a boundary still has the old rate",
        "MultiStep([30, 60, 90], 0.1)(t)",
    ),
    Comparison(
        "keras",
        "PolynomialDecay(0.1, decay_steps=200, end_learning_rate=0.001, power=2.0)",
        "Polynomial(200, 0.1, 0.001, power=2)(t)",
        300,
    ),
    Comparison(
        "keras",
        "PolynomialDecay(0.1, decay_steps=200, end_learning_rate=0.001)",
        "Linear(200, 0.1, 0.001)(t)",
        300,
    ),
    # fvcore, whose argument is here t / 200
    Comparison("fvcore", "ConstantParamScheduler(0.1)", "Constant(0.1)(t)", 200),
    Comparison("fvcore", "CosineParamScheduler(0.1, 0.001)", "Cosine(200, 0.1, 0.001)(t)", 201),
    Comparison(
        "fvcore",
        "CosineParamScheduler(0.1, 0.001)",
        "Cosine(200, 0.1, 0.001)(np.minimum(t, 400 - t))",
        401,
        CLIMBS,
        "Cosine(200, 0.1, 0.001)(t)",
    ),
    Comparison(
        "fvcore",
        "CompositeParamScheduler([LinearParamScheduler(0.0, 0.1), "
        "CosineParamScheduler(0.1, 0.001)], [0.1, 0.9], ['rescaled', 'rescaled'])",
        "warmup(Cosine(180, 0.1, 0.001), 20, start=0.0)(t)",
        201,
    ),
    Comparison(
        "fvcore",
        "ExponentialParamScheduler(0.1, decay=0.01)",
        "Exponential(200, 0.1, 0.001)(t)",
        201,
    ),
    Comparison("fvcore", "LinearParamScheduler(0.1, 0.001)", "Linear(200, 0.1, 0.001)(t)", 201),
    Comparison(
        "fvcore",
        "MultiStepParamScheduler([0.1, 0.01, 0.001], num_updates=200, milestones=[30, 160])",
        "MultiStep([30, 160], 0.1)(t)",
        201,
    ),
    Comparison(
        "fvcore",
        "PolynomialDecayParamScheduler(0.1, power=0.9)",
        "Polynomial(200, 0.1, power=0.9)(t)",
        201,
    ),
    Comparison(
        "fvcore",
        "StepParamScheduler(200, [0.1, 0.01, 0.001, 0.0001])",
        "Step(50, 0.1)(t)",
        200,
    ),
    Comparison(
        "fvcore",
        "StepWithFixedGammaParamScheduler(0.1, num_decays=3, gamma=0.5, num_updates=200)",
        "Step(50, 0.1, gamma=0.5)(t)",
        200,
    ),
    # ignite
    Comparison(
        "ignite",
        "CosineAnnealingScheduler(optimizer, 'lr', 0.1, 0.001, cycle_size=50)",
        "CosineWarmRestarts(50, 0.1, 0.001)(t)",
        400,
    ),
    Comparison(
        "ignite",
        "CosineAnnealingScheduler(optimizer, 'lr', 0.1, 0.001, 10, cycle_mult=2, "
        "start_value_mult=0.5)",
        "CosineWarmRestarts(10, 0.1, 0.001, T_mult=2, decay=0.5)(t)",
        600,
    ),
    Comparison(
        "ignite",
        "ConcatScheduler([LinearCyclicalScheduler(optimizer, 'lr', 0.1, 0.05, 100, monotonic=True)"
        ", CosineAnnealingScheduler(optimizer, 'lr', 0.05, 0.001, 100)], [100])",
        "join([Linear(100, 0.1, 0.05), CosineWarmRestarts(100, 0.05, 0.001)], [100])(t)",
        300,
    ),
    Comparison(
        "ignite",
        "LinearCyclicalScheduler(optimizer, 'lr', 0.001, 0.1, cycle_size=40)",
        "Cyclical(20, 0.1, 0.001)(t)",
        400,
    ),
    Comparison(
        "ignite",
        "PiecewiseLinear(optimizer, 'lr', [(0, 0.1), (200, 0.001)])",
        "Linear(200, 0.1, 0.001)(t)",
        300,
    ),
    Comparison(
        "ignite",
        "create_lr_scheduler_with_warmup(CosineAnnealingScheduler(optimizer, 'lr', 0.1, 0.001, 200)"
        ", warmup_start_value=0.0, warmup_duration=20)",
        "warmup(CosineWarmRestarts(200, 0.1, 0.001), 19, start=0.0)(t)",
        300,
        "a warm-up of 20 has its peak at update 19, so rises over 19 intervals",
        "warmup(CosineWarmRestarts(200, 0.1, 0.001), 20, start=0.0)(t)",
    ),
]


if __name__ == "__main__":
    print(table())
