"""Every error that Horarium raises on purpose.

One base, so that a caller can tell our refusals from bugs, and data as attributes, so that the HTTP layer can
turn an error into a problem document without reading its message. The tree:

    HorariumError
    ├─ ConfigurationError        settings are wrong; the process must not start
    ├─ InvalidInput              a field breaks a rule                        -> 422
    ├─ NotFound                  no such config, execution, user              -> 404
    ├─ Conflict                  state, version or name stands against it     -> 409
    ├─ Unauthorized              no token, a bad one, a wrong password        -> 401
    ├─ Forbidden                 the role does not allow it                   -> 403
    ├─ TooManyRequests           too many guesses of a password               -> 429
    ├─ Unavailable               Postgres, Redis, broker or an actor is away  -> 503
    └─ Stalled                   the event loop is blocked, for too long      -> 503

Nothing here is ever caught to be turned into None: an error either reaches the middleware that maps it, or the
supervisor that restarts the actor.
"""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = [
    "MOST_FAULTS",
    "ConfigurationError",
    "Conflict",
    "FieldError",
    "Forbidden",
    "HorariumError",
    "InvalidInput",
    "NotFound",
    "Stalled",
    "TooManyRequests",
    "Unauthorized",
    "Unavailable",
    "unknown_field",
]


MOST_FAULTS = 50
"""So many faults of one model are told: each is a sentence, and a body may be made of nothing but faults."""


class HorariumError(Exception):
    """Base of all errors raised on purpose."""


class ConfigurationError(HorariumError):
    """Settings, files or servers are not as the process needs them; the message says what to do."""


@dataclass(frozen=True, slots=True)
class FieldError:
    """One rule broken by one field; `loc` is the path from the body's root, as in `("parameters", "url")`."""

    loc: tuple[str | int, ...]
    msg: str


def unknown_field(name: str, known: Collection[str]) -> str:
    """What to say of a field that nobody knows, where these are known."""
    if not known:
        return "unknown; nothing can be given here"
    near = difflib.get_close_matches(name[:64], known, n=1, cutoff=0.75)
    return f"unknown; did you mean {near[0]}?" if near else f"unknown; known are {', '.join(known)}"


class InvalidInput(HorariumError):
    """Well-formed input that breaks a rule; `errors` names every field at fault."""

    def __init__(self, *errors: FieldError) -> None:
        super().__init__("; ".join(f"{'.'.join(map(str, e.loc))}: {e.msg}" for e in errors))
        self.errors = errors


class NotFound(HorariumError):
    """The thing asked for does not exist; `what` names its kind, `key` its id."""

    def __init__(self, what: str, key: object) -> None:
        super().__init__(f"no {what} {key}")
        self.what = what
        self.key = key


class Conflict(HorariumError):
    """The state, version or name of something stands against the request; `code` says which."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Unauthorized(HorariumError):
    """No credentials, or bad ones. The message never says which half was wrong."""


class Forbidden(HorariumError):
    """The role of the caller does not allow the call."""


class TooManyRequests(HorariumError):
    """There were too many attempts before this one; `retry_after` is in seconds."""

    def __init__(self, retry_after: float) -> None:
        super().__init__(f"too many attempts; try again in {math.ceil(retry_after)} s")
        self.retry_after = retry_after


class Unavailable(HorariumError):
    """A server or actor that the call needs is away; `retry_after` is in seconds."""

    def __init__(self, what: str, *, retry_after: float = 1.0) -> None:
        super().__init__(f"{what} is away; try again in {retry_after:g} s")
        self.what = what
        self.retry_after = retry_after


class Stalled(HorariumError):
    """The event loop has run nothing for `seconds`."""

    def __init__(self, seconds: float) -> None:
        super().__init__(
            f"the event loop has been blocked for {seconds:.1f} s; the log has the stack of what blocks it"
        )
        self.seconds = seconds
