"""From a supervision event to one structured log line.

The event's `name` is the line's event, its fields are the line's fields. Exits are the exception to both: their level
depends on how the child ended, and an unexpected error comes with its traceback. Faults that the library itself
describes (a kill, a start timeout, a stray cancellation) have nothing to show in one.

Whoever else tells events, an API for instance, takes level and fields from here too, so that both say the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from horarium.supervisor.decision import Escalate
from horarium.supervisor.errors import SupervisionError
from horarium.supervisor.events import ChildExited, Level, SupervisionEvent

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

__all__ = ["describe_event", "log_event"]


def describe_event(event: SupervisionEvent) -> tuple[Level, dict[str, object]]:
    """Return the level and the fields of an event; decisions and errors as text."""
    fields = event.log_fields()
    if not isinstance(event, ChildExited):
        return event.level, fields
    del fields["error"]
    fields["decision"] = str(event.decision)
    if event.error is None:
        return "info", fields
    return "critical" if isinstance(event.decision, Escalate) else "error", fields | {"error": repr(event.error)}


def log_event(logger: FilteringBoundLogger, event: SupervisionEvent) -> None:
    """Write the event as one line; pass it as a hook with `functools.partial(log_event, logger)`."""
    level, fields = describe_event(event)
    error = event.error if isinstance(event, ChildExited) else None
    if error is not None and not isinstance(error, SupervisionError):
        fields["exc_info"] = error
    getattr(logger, level)(event.name, **fields)
