"""From a supervision event to one structured log line.

The event's `name` is the line's event, its level and fields are the line's. An unexpected error comes with its
traceback; faults that the library itself describes (a kill, a start timeout, a stray cancellation) have nothing to
show in one, nor have those that the application knows to be told by their message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from horarium.supervisor.errors import SupervisionError
from horarium.supervisor.events import ChildExited, SupervisionEvent

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

__all__ = ["log_event"]


def log_event(
    logger: FilteringBoundLogger, event: SupervisionEvent, *, told: tuple[type[BaseException], ...] = ()
) -> None:
    """Write the event as one line; pass it as a hook with `functools.partial(log_event, logger)`.

    Errors of the types `told` come without a traceback.
    """
    fields = event.log_fields()
    error = event.error if isinstance(event, ChildExited) else None
    if error is not None and not isinstance(error, (SupervisionError, *told)):
        fields["exc_info"] = error
    getattr(logger, event.level)(event.name, **fields)
