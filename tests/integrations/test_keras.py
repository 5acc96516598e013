"""Keras on its torch and JAX backends, each in a process of its own: a process has one backend."""

import os
import subprocess
import sys
from importlib.util import find_spec

import pytest

# Each program imports Keras and its backend. Here, importing Keras would need a backend too.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("keras") is None, reason="Keras is not installed"),
]

# A weight whose gradient is 1 moves by the rate: so the rate in force is measured, not asked for.
BEGIN = """
import keras
import numpy as np
import coslr
from coslr import Cosine, CosineWarmRestarts, OneCycle, WSD, join, warmup
from coslr.integrations.keras import RecordRates, as_schedule

class Sum(keras.layers.Layer):
    def __init__(self):
        super().__init__()
        self.w = self.add_weight(shape=(), initializer="zeros", dtype="float32")

    def call(self, x):
        return x * self.w

class Moves(keras.callbacks.Callback):
    def on_train_begin(self, logs=None):
        self.w = [self.now()]

    def now(self):
        return keras.ops.convert_to_numpy(self.model.trainable_variables[0]).item()

    def on_train_batch_end(self, batch, logs=None):
        self.w.append(self.now())

    @property
    def rates(self):
        return -np.diff(self.w)

def model(rate, optimizer=keras.optimizers.SGD, **options):
    model = keras.Sequential([Sum()])
    model.compile(optimizer(rate), loss=lambda y, p: keras.ops.mean(p), **options)
    return model

def fit(model, updates=40):
    record, moves = RecordRates(), Moves()
    x = np.ones((2 * updates, 1), "float32")
    model.fit(x, x, batch_size=2, shuffle=False, verbose=0, callbacks=[record, moves])
    return record.trace, moves.rates
"""

MOVES_BY_THE_RATE = """
for schedule in [
    warmup(Cosine(35, 0.1, 0.001), 5),
    CosineWarmRestarts(7, 0.1, T_mult=2),
    join([OneCycle(20, 0.1), WSD(20, 5, 0.1)], [20]),
]:
    trace, moves = fit(model(as_schedule(schedule)))
    right = [schedule(k) for k in range(40)]
    np.testing.assert_allclose(moves, right, atol=3e-7)
    np.testing.assert_allclose(trace.rates, right, atol=3e-8)
    assert trace.first_update == 0

epochs = CosineWarmRestarts(0.5, 0.1)
trace, moves = fit(model(as_schedule(epochs, steps_per_unit=10)))
np.testing.assert_allclose(moves, [epochs.stretch(10)(k) for k in range(40)], atol=3e-7)

try:
    fit(model(as_schedule(Cosine(20, 0.1))))[0].check(Cosine(40, 0.1), tolerance=1e-3)
except coslr.trace.TraceError as error:
    assert str(error).startswith("update 1: "), error
else:
    raise SystemExit("a wrong schedule passed")
"""

GOES_ON = """
schedule = warmup(Cosine(35, 0.1, 0.01), 5)
first = model(as_schedule(schedule))
fit(first, 15)
first.fit(np.ones((2, 1)), np.ones((2, 1)), verbose=0)  # one update
trace, moves = fit(first, 24)
assert trace.first_update == 16
trace.check(schedule, tolerance=1e-6)
np.testing.assert_allclose(moves, [schedule(k) for k in range(16, 40)], atol=3e-7)
"""

NUMBER = """
record = RecordRates()
trained = model(0.1, keras.optimizers.Adam)
x = np.ones((8, 1))
trained.fit(x, x, batch_size=2, verbose=0, callbacks=[record])
np.testing.assert_allclose(record.trace.rates, 4 * [0.1], rtol=1e-6)
"""

SAVED = """
import dataclasses, tempfile
schedule = join([warmup(Cosine(10, 0.1), 5), OneCycle(20, 0.1, shape="linear")], [15])
optimizer = keras.optimizers.Adam(as_schedule(schedule, steps_per_unit=3))
config = optimizer.get_config()
again = keras.optimizers.Adam.from_config(config)
assert again._learning_rate.schedule == schedule
assert again._learning_rate.steps_per_unit == 3
import json
assert keras.optimizers.deserialize(json.loads(json.dumps(keras.optimizers.serialize(optimizer))))

@dataclasses.dataclass(frozen=True)
class Mine(coslr.Schedule):
    size: float

    def formula(self, t, xp):
        return self.size + 0 * xp.clip(t, 0, 1)

config = as_schedule(Mine(0.5)).get_config()
assert type(as_schedule(Mine(0.5))).from_config(config).schedule == Mine(0.5)

with tempfile.TemporaryDirectory() as folder:
    dense = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(1)])
    dense.compile(optimizer, "mse")
    trace, _ = fit(dense, 7)
    dense.save(folder + "/model.keras")
    loaded = keras.models.load_model(folder + "/model.keras")
trace, _ = fit(loaded, 7)
assert trace.first_update == 7
np.testing.assert_allclose(trace.rates, [schedule.stretch(3)(k) for k in range(7, 14)], atol=3e-8)
"""

REFUSED = """
for wrong in (lambda t: 0.1, 0.1, Cosine):
    try:
        as_schedule(wrong)
    except TypeError as error:
        assert "schedule=" in str(error)
    else:
        raise SystemExit(f"{wrong} passed")
try:
    as_schedule(Cosine(9, 0.1), steps_per_unit=0)
except ValueError as error:
    assert "steps_per_unit=0" in str(error)
else:
    raise SystemExit("no units passed")
"""


def run(backend, program):
    """Run a program with this backend; an empty name leaves Keras to choose one itself."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "KERAS_BACKEND": backend}
    if not backend:
        del environment["KERAS_BACKEND"]
    arguments = [sys.executable, "-W", "ignore", "-c", program]
    return subprocess.run(arguments, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_keras(backend):
    pytest.importorskip(backend)
    result = run(backend, BEGIN + MOVES_BY_THE_RATE + GOES_ON + NUMBER + SAVED + REFUSED)
    assert result.returncode == 0, result.stderr


def test_another_backend_is_refused():
    program = "from coslr.integrations.keras import *; as_schedule(coslr.Cosine(9, 1))"
    result = run("numpy", "import coslr\n" + program)
    assert "ValueError: KERAS_BACKEND='numpy': must be torch or jax" in result.stderr


def test_without_tensorflow_the_variable_is_named():
    missing = "import sys; sys.modules['tensorflow'] = None\n"
    result = run("tensorflow", missing + "import coslr.integrations.keras")
    assert "ImportError: Keras looks for TensorFlow unless the variable KERAS" in result.stderr
