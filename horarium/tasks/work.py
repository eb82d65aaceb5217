"""A delivery in a worker's hands."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from uuid import UUID

    from taskiq.acks import AckController
    from taskiq.message import TaskiqMessage

    from horarium.sql.executions import Claim
    from horarium.tasks.kicked import Kick

__all__ = ["Work"]


@dataclass(slots=True)
class Work:
    """A delivery: of an attempt to `claim`, or else of what an app has kicked, whose row is made by its claim.

    `decided` is set when the claim is answered, or no more asked for.
    """

    message: TaskiqMessage
    claim: Claim | None
    kick: Kick | None
    ack: AckController
    is_external: bool
    execution_id: UUID
    execution: asyncio.Task[Any] = field(repr=False)
    decided: asyncio.Event = field(default_factory=asyncio.Event, repr=False)
    is_claimed: bool = False

    @property
    def key(self) -> Claim | UUID:
        """What a second delivery of the same message shares."""
        return self.claim or cast("Kick", self.kick).row.message_id

    def run_as(self, task_name: str, parameters: dict[str, Any]) -> None:
        """Have this task run with these parameters, whatever the message says."""
        self.message.task_name, self.message.args, self.message.kwargs = task_name, [], parameters

    async def has_row(self) -> bool:
        """Whether it is in the ledger, so that its message may be lost; that of a kick is not before its claim."""
        if self.kick is not None:
            await self.decided.wait()
        return self.kick is None or self.is_claimed
