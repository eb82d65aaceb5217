"""A delivery in a worker's hands."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    import asyncio
    from uuid import UUID

    from taskiq.acks import AckController
    from taskiq.message import TaskiqMessage

    from horarium.sql.executions import Claim
    from horarium.tasks.kicked import Kick

__all__ = ["Work"]


@dataclass(slots=True)
class Work:
    """A delivery: of an attempt to `claim`, or else of what an app has kicked."""

    message: TaskiqMessage
    claim: Claim | None
    kick: Kick | None
    ack: AckController
    is_external: bool
    execution_id: UUID
    execution: asyncio.Task[Any] = field(repr=False)

    @property
    def key(self) -> Claim | UUID:
        """What a second delivery of the same message shares."""
        return self.claim or cast("Kick", self.kick).row.message_id
