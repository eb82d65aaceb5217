"""From a supervision event to one structured log line.

The event's `name` is the line's event, its fields are the line's fields. Exits are the exception to both: their level
depends on how the child ended, and an unexpected error comes with its traceback. Faults that the library itself
describes (a kill, a start timeout, a stray cancellation) have nothing to show in one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from horarium.supervisor.decision import Escalate
from horarium.supervisor.errors import SupervisionError
from horarium.supervisor.events import ChildExited, SupervisionEvent

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

__all__ = ["log_event"]


def log_event(logger: FilteringBoundLogger, event: SupervisionEvent) -> None:
    """Write the event as one line; pass it as a hook with `functools.partial(log_event, logger)`."""
    if isinstance(event, ChildExited):
        _log_exit(logger, event)
    else:
        getattr(logger, event.level)(event.name, **event.log_fields())


def _log_exit(logger: FilteringBoundLogger, event: ChildExited) -> None:
    fields = event.log_fields() | {"decision": str(event.decision)}
    error = fields.pop("error")
    if not isinstance(error, BaseException):
        logger.info(event.name, **fields)
        return
    fields["error"] = repr(error)
    if not isinstance(error, SupervisionError):
        fields["exc_info"] = error
    level = "critical" if isinstance(event.decision, Escalate) else "error"
    getattr(logger, level)(event.name, **fields)
