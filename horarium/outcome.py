"""What becomes of an attempt that has ended: pure decisions, shared by the worker and the timeout sweeper."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from uuid import UUID

    from horarium.model import Reason

__all__ = [
    "Attempt",
    "Cancelled",
    "Ending",
    "HandBack",
    "Outcome",
    "Refused",
    "Succeeded",
    "Unsuccessful",
    "decide",
]

MAX_RETRY_DELAY_SECONDS = 3600.0
JITTER = 0.1
"""Retries spread over plus or minus a tenth of their delay, so that what failed together does not return together."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A claimed attempt: what the ledger answered; `handed_back` is how many before it were no failures.

    `lateness_seconds` is told of the first attempt of what the schedule started, when it is claimed; `parameters` of
    what has a config; `message_id` is that of the message which an app has kicked by itself.
    """

    execution_id: UUID
    attempt: int
    config_id: int | None
    task_type: str
    tick_at: datetime | None
    timeout_seconds: float
    max_retries: int
    retry_backoff_seconds: float
    started_at: datetime
    deadline_at: datetime
    handed_back: int = 0
    lateness_seconds: float | None = None
    message_id: UUID | None = None
    parameters: dict[str, Any] | None = None

    @property
    def task_id(self) -> UUID:
        """The id of the execution, as it is shown."""
        return self.message_id or self.execution_id


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The task returned; `result` is any JSON value."""

    result: Any
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class Unsuccessful:
    """The attempt failed, ran past its timeout, or its worker is gone."""

    status: Literal["failed", "timeout", "lost"]
    error: str
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """The attempt has failed, and trying again is no use, or somebody else does: no retry of ours follows."""

    error: str
    reason: Reason
    status: Literal["failed", "timeout", "lost"] = "failed"


@dataclass(frozen=True, slots=True)
class HandBack:
    """The worker stops and gives the attempt back unfinished; it does not count as a failure."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class Cancelled:
    """Somebody asked for the execution to be stopped, and it was; `error` says so where its worker did not heed."""

    reason: Reason
    error: str | None = None


Outcome = Succeeded | Unsuccessful | Refused | HandBack | Cancelled


@dataclass(frozen=True, slots=True)
class Ending:
    """What is written: a final status, or `retrying` / `pending` with what this attempt ended as."""

    status: str
    ended_as: str
    reason: Reason | None = None
    result: Any = None
    error: str | None = None
    retry_delay: float | None = None


def decide(attempt: Attempt, outcome: Outcome, *, rand: Callable[[], float] = random.random) -> Ending:
    """What to write for `outcome`; `rand` answers a number in [0, 1)."""
    match outcome:
        case Succeeded(result, reason):
            return Ending("success", "success", reason=reason, result=result)
        case Refused(error, reason, status):
            return Ending(status, status, reason=reason, error=error)
        case Cancelled(reason, error):
            return Ending("cancelled", "cancelled", reason=reason, error=error)
        case HandBack(reason):
            return Ending("pending", "cancelled", reason=reason)
        case Unsuccessful(status, error, reason):
            if attempt.attempt - attempt.handed_back > attempt.max_retries:
                return Ending(status, status, reason=reason, error=error)
            return Ending("retrying", status, reason=reason, error=error, retry_delay=_delay(attempt, rand()))


def _delay(attempt: Attempt, spread: float) -> float:
    """Exponential backoff in seconds: the backoff, doubled for each attempt already made, capped, with jitter."""
    exponent = min(attempt.attempt - attempt.handed_back - 1, 1000)  # 2.0**1024 is past what a float holds
    plain = min(attempt.retry_backoff_seconds * 2.0**exponent, MAX_RETRY_DELAY_SECONDS)
    return plain * (1 + JITTER * (2 * spread - 1))
