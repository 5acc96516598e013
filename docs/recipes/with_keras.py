"""Keras: as_schedule makes a LearningRateSchedule, which is saved with the model."""

import os
import tempfile

os.environ.setdefault("KERAS_BACKEND", "torch")  # or jax

import keras
import numpy as np

from coslr import Cosine, warmup
from coslr.integrations.keras import RecordRates, as_schedule

epochs, batches = 3, 20
updates = epochs * batches
schedule = warmup(Cosine(T_max=updates - 10, eta_max=0.1, eta_min=0.01), updates=10)
random = np.random.default_rng(0)
x, y = random.normal(size=(32 * batches, 20)), random.normal(size=(32 * batches, 1))


def fit(model: keras.Model, epochs: int) -> RecordRates:
    """Train, and return what the callback recorded."""
    record = RecordRates()
    model.fit(x, y, batch_size=32, epochs=epochs, verbose=0, callbacks=[record])
    return record


model = keras.Sequential([keras.layers.Input((20,)), keras.layers.Dense(1)])
model.compile(keras.optimizers.SGD(learning_rate=as_schedule(schedule)), "mse")
first = fit(model, epochs=1)

with tempfile.TemporaryDirectory() as folder:
    model.save(f"{folder}/model.keras")
    model = keras.models.load_model(f"{folder}/model.keras")  # with the schedule, and its place
second = fit(model, epochs=2)

for record in (first, second):
    record.trace.check(schedule)
assert second.trace.first_update == batches
assert len(first.trace.rates) + len(second.trace.rates) == updates
print(f"{updates} updates, all at the schedule's rate, with a model saved and loaded after 20")
