"""The trace of an execution, computed from its id: any process knows it at any time, and nobody has to keep it.

So a message that was lost and is sent again an hour later, by another process, is in the same trace as its tick. The
id itself would be a valid trace id, and a bad one: samplers compare the lower 64 bits with a threshold, and of those a
UUID fixes the first two, so that a tenth of the traces would be none of them. Hence its hash, which is as random as the
74 random bits of the id.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from uuid import UUID

__all__ = ["Derived", "derived", "made_at_ns"]

TRACE_BYTES, SPAN_BYTES = 16, 8


class Derived(NamedTuple):
    """A trace, and its first span."""

    trace_id: int
    span_id: int


def derived(execution_id: UUID) -> Derived:
    """The trace of this execution; the same always and everywhere, so never to be changed."""
    digest = blake2b(execution_id.bytes, digest_size=TRACE_BYTES + SPAN_BYTES, person=b"horarium").digest()
    return Derived(int.from_bytes(digest[:TRACE_BYTES]), int.from_bytes(digest[TRACE_BYTES:]))


def made_at_ns(execution_id: UUID) -> int:
    """When the id was made, in nanoseconds since 1970: of a tick, when it was decided (`ids.py`)."""
    return (execution_id.int >> 80) * 1_000_000
