"""What the callbacks of all trainers share: an audit that one method begins and another ends."""

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

from coslr._arguments import whole
from coslr._optional import extra
from coslr._rates import Schedules
from coslr.audit import audit
from coslr.trace import Trace

with extra("train"):
    import torch


class AuditedRun:
    """The audit of one call of a trainer.

    Args:
        schedule: as in `audit`.
        updates: how many updates the whole run makes, those before a checkpoint included.
        options: the other arguments of `audit`.
    """

    def __init__(
        self,
        schedule: Schedules | Mapping[str, Schedules] | None,
        updates: int | None,
        options: dict[str, Any],
    ):
        self.schedule = schedule
        self.updates = None if updates is None else whole("updates", updates)
        self.options = options
        self.trace = Trace([])
        self.first_update = 0
        self._audit = ExitStack()

    @property
    def done(self) -> int:
        """How many updates the whole run has made so far."""
        return self.first_update + len(self.trace.rates)

    def begin(self, optimizer: torch.optim.Optimizer, first_update: int) -> None:
        """Audit `optimizer` from now on.

        An earlier audit that is still open is closed without its check.

        Raises:
            ValueError: the run has already made all its updates.
        """
        self.drop(InterruptedError("another run begins"))
        options = dict(self.options)
        if self.updates is not None:
            right = f"more than the {first_update} updates that are already done"
            options["updates"] = whole("updates", self.updates, right, least=first_update + 1)
            options["updates"] -= first_update
        self.first_update = first_update
        self.trace = self._audit.enter_context(
            audit(optimizer, self.schedule, first_update=first_update, **options)
        )

    def end(self) -> None:
        """Finish the audit, which now says whether updates are missing.

        Raises:
            AuditError: as at the end of `audit`.
        """
        self._audit.close()

    def drop(self, error: BaseException) -> None:
        """Stop reading, because of this error.

        After an error the run lacks updates anyway, so the audit does not report them.
        """
        self._audit.pop_all().__exit__(type(error), error, error.__traceback__)
