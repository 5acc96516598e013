"""Keras: a schedule as a ``LearningRateSchedule``, and a callback that records the rates."""

from typing import Any

from coslr._arguments import require, require_type
from coslr._optional import extra
from coslr._rates import at_updates, checked_steps_per_unit
from coslr.schedules import Schedule, from_dict
from coslr.trace import Trace

with extra("keras"):
    try:
        import keras
    except ModuleNotFoundError as error:
        if not str(error.name).startswith("tensorflow"):
            raise
        raise ImportError(
            "Keras looks for TensorFlow unless the variable KERAS_BACKEND is torch or jax: set it "
            "before keras is imported"
        ) from error


class KerasSchedule(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """What `as_schedule` returns: Keras calls it with the number of batches that are done.

    Without the optimizer's ``gradient_accumulation_steps`` each batch is an update.
    """

    def __init__(self, schedule: Schedule, steps_per_unit: float = 1):
        right = "a schedule such as Cosine(50, eta_max=0.1)"
        require_type(isinstance(schedule, Schedule), "schedule", schedule, right)
        self.schedule = schedule
        self.steps_per_unit = checked_steps_per_unit(steps_per_unit)
        self._rate = at_updates(schedule, self.steps_per_unit)

    def __call__(self, step: Any) -> Any:
        """The rate of the update that follows `step` updates.

        Args:
            step: how many batches the optimizer has seen, a tensor or a number.

        Returns:
            A number, or within a function that JAX compiles a tracer.
        """
        if isinstance(step, int):
            return self._rate(step)
        step = keras.ops.convert_to_tensor(step)
        # JAX traces the schedule's formula; torch has no such need, and numbers are faster there.
        return self._rate(step if keras.backend.backend() == "jax" else int(step))

    def get_config(self) -> dict[str, Any]:
        """The schedule as plain JSON values, with which Keras saves it in a model's file."""
        return {"schedule": self.schedule.to_dict(), "steps_per_unit": self.steps_per_unit}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "KerasSchedule":
        """The schedule that ``get_config`` described."""
        return cls(from_dict(config["schedule"]), config["steps_per_unit"])


# So that keras.models.load_model finds the class by its name.
keras.saving.register_keras_serializable(package="coslr")(KerasSchedule)


def as_schedule(schedule: Schedule, *, steps_per_unit: float = 1) -> KerasSchedule:
    """The schedule as Keras wants it, for the `learning_rate` of any of its optimizers.

    It works on Keras's torch and JAX backends. Keras saves it with the model, and loading the model
    brings it back.

    Args:
        schedule: one of coslr's schedules, or one of your own that inherits from `Schedule`.
        steps_per_unit: updates in one unit of the schedule; the updates of an epoch for epochs.
            With the optimizer's ``gradient_accumulation_steps=n``, count batches instead: Keras
            then calls the schedule with the number of batches.

    Returns:
        A ``keras.optimizers.schedules.LearningRateSchedule``.

    Raises:
        TypeError: `schedule` is no `Schedule`, and so has no config to save.
        ValueError: `steps_per_unit` is not above 0, or Keras runs on another backend.

    Example:
        >>> from coslr import Cosine
        >>> round(as_schedule(Cosine(T_max=5, eta_max=0.1), steps_per_unit=10)(25), 6)
        0.05
    """
    backend = keras.backend.backend()
    right = "torch or jax, for as_schedule; set the variable before keras is imported"
    require(backend in ("torch", "jax"), "KERAS_BACKEND", backend, right)
    return KerasSchedule(schedule, steps_per_unit)


class RecordRates(keras.callbacks.Callback):  # type: ignore[misc]
    """Records the learning rate at every batch of ``model.fit``, before the batch.

    Do not use it with the optimizer's ``gradient_accumulation_steps``: the trace would then count
    batches, and a schedule that runs too fast by that factor would pass.

    It reads ``optimizer.learning_rate``, whether that is a number that callbacks change or a
    schedule. Keras computes in float32, and `Trace.check` allows for that. Compile the
    model with ``steps_per_execution=1``, as is the default: within one execution of several
    updates, a callback sees the first alone.

    Attributes:
        trace: the rates, batch by batch. Its `first_update` is the optimizer's ``iterations`` when
            ``fit`` began.

    Example:
        >>> model = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(1)])
        >>> model.compile(keras.optimizers.SGD(0.1), "mse")
        >>> record = RecordRates()
        >>> x = keras.ops.ones((8, 1))
        >>> _ = model.fit(x, x, batch_size=4, verbose=0, callbacks=[record])
        >>> [round(rate, 6) for rate in record.trace.rates]
        [0.1, 0.1]
    """

    def __init__(self) -> None:
        super().__init__()
        self.trace = Trace([[]])

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Begin a new trace."""
        first_update = int(keras.ops.convert_to_numpy(self.model.optimizer.iterations))
        self.trace = Trace([[]], first_update)

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Read the rate of the update that comes."""
        rate = keras.ops.convert_to_numpy(self.model.optimizer.learning_rate)
        self.trace.rates.append(float(rate))
