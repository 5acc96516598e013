"""Hugging Face's Trainer: a callback that audits a whole run, also one that was resumed."""

from collections.abc import Mapping
from typing import Any

from coslr._optional import extra
from coslr._rates import Schedules
from coslr.integrations._audited_run import AuditedRun
from coslr.trace import Trace

with extra("transformers"):
    import transformers


class AuditCallback(transformers.TrainerCallback):
    """Compares the learning rate of every update of ``trainer.train`` with a schedule.

    It reads the rates inside the optimizer, below Accelerate's wrapper, so gradient accumulation
    makes no difference. With several devices, each process audits its own optimizer.

    Args:
        schedule: as in `coslr.audit.audit`, in updates. Trainer steps its scheduler after every
            update.
        updates: how many updates the whole run makes, those before a checkpoint included. None
            leaves it open.
        first_update: index of the first update. None takes the trainer's ``global_step``, which a
            resumed run reads from its checkpoint. That number also counts updates that the scaler
            of ``fp16=True`` skipped before the checkpoint; only then pass the index yourself.
        options: `steps_per_unit`, `hold`, `tolerance`, `group` and `name`, as in `audit`.

    Attributes:
        trace: the rates of the last call of ``train``, which grows while it runs.

    Raises:
        coslr.audit.AuditError: out of ``trainer.train``, as `audit` does.
        ValueError: out of ``trainer.train``, if the run has already made its `updates` updates.
        TypeError, ValueError: an argument is wrong. Those in `options`, `schedule` and
            `first_update` are checked when ``trainer.train`` begins.

    Example:
        ``transformers.Trainer(..., callbacks=[AuditCallback(schedule)])``; the recipe for Trainer
        is a program that runs.
    """

    def __init__(
        self,
        schedule: Schedules | Mapping[str, Schedules] | None,
        *,
        updates: int | None = None,
        first_update: int | None = None,
        **options: Any,
    ):
        self.first_update = first_update
        self._run = AuditedRun(schedule, updates, options)

    @property
    def trace(self) -> Trace:
        """The rates of the last call of ``train``."""
        return self._run.trace

    def on_train_begin(
        self,
        args: "transformers.TrainingArguments",
        state: "transformers.TrainerState",
        control: "transformers.TrainerControl",
        **kwargs: Any,
    ) -> None:
        """Begin the audit; Trainer has loaded the checkpoint by now."""
        done = state.global_step if self.first_update is None else self.first_update
        self._run.begin(kwargs["optimizer"], done)

    def on_train_end(
        self,
        args: "transformers.TrainingArguments",
        state: "transformers.TrainerState",
        control: "transformers.TrainerControl",
        **kwargs: Any,
    ) -> None:
        """End the audit, which says whether updates are missing."""
        self._run.end()
