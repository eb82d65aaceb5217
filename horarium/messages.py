"""What actors say to each other. Each message belongs to one mailbox; no actor imports another.

The mailboxes stand together in `Mailboxes`, made by the tree, so that a sender has the address and never the actor.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from horarium.live_events import Told  # noqa: TC001 - read by the mailbox' type
from horarium.supervisor import Mailbox, Reply

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from horarium.model import TokenPair

__all__ = [
    "EndSession",
    "EndSessions",
    "LogIn",
    "Mailboxes",
    "Nudge",
    "Publish",
    "Reload",
    "RotateToken",
    "TokenRequest",
]


@dataclass(frozen=True, slots=True, eq=False)
class Reload:
    """To the schedule loader: these configs changed; answer when the due index says so."""

    config_ids: tuple[int, ...]
    reply: Reply[None] = field(default_factory=Reply)


@dataclass(frozen=True, slots=True)
class Nudge:
    """To the dispatcher: the due index changed, look at it now."""


@dataclass(frozen=True, slots=True)
class Publish:
    """To the publisher: these rows are committed and wait for their message."""

    execution_ids: tuple[UUID, ...]


@dataclass(frozen=True, slots=True, eq=False)
class LogIn:
    """To the token service: a pair for whoever knows this password. `address` is where they are."""

    username: str
    password: str = field(repr=False)
    remember_me: bool
    reply: Reply[TokenPair] = field(repr=False)
    address: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class RotateToken:
    """To the token service: a new pair for this refresh token, which dies.

    `retry_key` is what the asker knows this call by, should its answer be lost; None: it will not ask again.
    """

    refresh_token: str = field(repr=False)
    reply: Reply[TokenPair] = field(repr=False)
    retry_key: str | None = field(repr=False, default=None)


@dataclass(frozen=True, slots=True, eq=False)
class EndSession:
    """To the token service: end the one session that this refresh token belongs to."""

    refresh_token: str = field(repr=False)
    reply: Reply[None] = field(repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class EndSessions:
    """To the token service: end every session of a user, the one in use included."""

    user_id: int
    reply: Reply[None] = field(repr=False)


TokenRequest = LogIn | RotateToken | EndSession | EndSessions


def _history() -> Mailbox[Sequence[Told]]:
    # History is derived: under pressure the oldest news goes first, and no sender ever waits for it.
    return Mailbox("history_writer", capacity=10_000, overflow="drop_oldest")


@dataclass(frozen=True, slots=True)
class Mailboxes:
    """Every mailbox of a tree, with its bound and what happens at it."""

    history: Mailbox[Sequence[Told]] = field(default_factory=_history)
    tokens: Mailbox[TokenRequest] = field(default_factory=lambda: Mailbox("token_service", capacity=256))
    loader: Mailbox[Reload] = field(default_factory=lambda: Mailbox("schedule_loader", capacity=4096))
    # A nudge says "look again": one that waits says as much as many.
    dispatcher: Mailbox[Nudge] = field(
        default_factory=lambda: Mailbox("dispatcher", capacity=1, overflow="drop_newest")
    )
    # The publisher also finds its rows by itself, only later: a dropped request costs seconds, never a run.
    publisher: Mailbox[Publish] = field(
        default_factory=lambda: Mailbox("publisher", capacity=4096, overflow="drop_newest")
    )

    def record(self, *told: Told) -> None:
        """Write down in the recent history, and tell the stream of events, in the background."""
        self.history.send_nowait(told)
