"""Who calls: a user with an access token, or a machine with an API key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from datetime import datetime

    from horarium.identity.users import CachedUser
    from horarium.model import Role

__all__ = ["Caller"]


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever was let in, and until when; `user` where it is a person."""

    kind: Literal["user", "api_key"]
    id: int
    name: str
    role: Role
    user: CachedUser | None = None
    expires_at: datetime | None = None

    @classmethod
    def person(cls, user: CachedUser, expires_at: datetime | None = None) -> Caller:
        """A user, whose token is good until then."""
        return cls("user", user.id, user.username, user.role, user, expires_at)
