"""Lightning: a callback that audits a whole run, also one that goes on from a checkpoint."""

from collections.abc import Mapping
from typing import Any

from coslr._arguments import require, whole
from coslr._optional import extra
from coslr._rates import Schedules
from coslr.integrations._audited_run import AuditedRun
from coslr.trace import Trace

with extra("lightning"):
    import lightning


class AuditCallback(lightning.Callback):
    """Compares the learning rate of every update of ``trainer.fit`` with a schedule.

    It reads the rates inside the optimizer, so gradient accumulation and Lightning's closures make
    no difference. With several devices, each process audits its own optimizer.

    Args:
        schedule: as in `coslr.audit.audit`, in updates. If Lightning is to step the scheduler once
            per epoch of n updates, write the schedule in epochs and pass ``hold=n``.
        updates: how many updates the whole run makes, those before a checkpoint included. None
            leaves it open.
        first_update: index of the first update. None takes the count that this callback kept in the
            checkpoint, and the trainer's ``global_step`` if there is none.
        optimizer: index of the optimizer in ``trainer.optimizers``. A trainer takes one callback
            for each optimizer, and refuses a second one with the same index.
        options: `steps_per_unit`, `hold`, `tolerance`, `group` and `name`, as in `audit`.

    Attributes:
        trace: the rates of the last call of ``fit``, which grows while it runs.

    Raises:
        coslr.audit.AuditError: out of ``trainer.fit``, as `audit` does.
        ValueError: out of ``trainer.fit``, if the trainer has no optimizer of this index, or if
            the run has already made its `updates` updates.
        TypeError, ValueError: an argument is wrong. Those in `options`, `schedule` and
            `first_update` are checked when ``trainer.fit`` begins.

    Example:
        ``lightning.Trainer(callbacks=[AuditCallback(schedule)])``; the recipe for Lightning is a
        program that runs.
    """

    def __init__(
        self,
        schedule: Schedules | Mapping[str, Schedules] | None,
        *,
        updates: int | None = None,
        first_update: int | None = None,
        optimizer: int = 0,
        **options: Any,
    ):
        self.index = whole("optimizer", optimizer, "an index of trainer.optimizers", least=0)
        self.first_update = first_update
        self._run = AuditedRun(schedule, updates, options)
        self._loaded: int | None = None

    @property
    def trace(self) -> Trace:
        """The rates of the last call of ``fit``."""
        return self._run.trace

    @property
    def state_key(self) -> str:
        """Tells the counts of the callbacks of several optimizers apart in one checkpoint."""
        return self._generate_state_key(optimizer=self.index)

    def state_dict(self) -> dict[str, Any]:
        """What the checkpoint keeps: how many updates the run has made."""
        return {"updates": self._run.done}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on counting where the checkpoint was written."""
        self._loaded = state_dict["updates"]

    def on_train_start(
        self, trainer: "lightning.Trainer", pl_module: "lightning.LightningModule"
    ) -> None:
        """Begin the audit; Lightning has loaded the checkpoint by now."""
        optimizers = trainer.optimizers
        right = f"an index below {len(optimizers)}, the number of the trainer's optimizers"
        require(self.index < len(optimizers), "optimizer", self.index, right)
        # global_step also counts what GradScaler skipped, and the updates of other optimizers.
        counts = (self.first_update, self._loaded, trainer.global_step)
        self._loaded = None
        self._run.begin(optimizers[self.index], next(n for n in counts if n is not None))

    def on_train_end(
        self, trainer: "lightning.Trainer", pl_module: "lightning.LightningModule"
    ) -> None:
        """End the audit, which says whether updates are missing."""
        self._run.end()

    def on_exception(
        self,
        trainer: "lightning.Trainer",
        pl_module: "lightning.LightningModule",
        exception: BaseException,
    ) -> None:
        """Stop reading; the exception is what matters."""
        self._run.drop(exception)
