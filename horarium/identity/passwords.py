"""Passwords: argon2id, in threads, a few at a time.

One hash takes 19 MiB and tens of milliseconds of a processor, by design. So it never runs in the event loop, and never
more than a few at once: a flood of logins then waits in line instead of taking the machine's memory and every core
from the dispatcher. An account that does not exist costs the same as a wrong password, because a hash of today's
parameters that belongs to nobody is verified in its place.
"""

from __future__ import annotations

from enum import Enum
from functools import partial

from anyio import CapacityLimiter, to_thread
from argon2 import PasswordHasher, Type, extract_parameters
from argon2.exceptions import InvalidHashError, VerifyMismatchError

from horarium.identity.password_rules import check_new_password

__all__ = ["Passwords", "Verdict", "check_new_password"]

MEMORY_KIB = 19_456
PASSES = 2
LANES = 1
"""What OWASP's password storage cheat sheet asks of argon2id at the least."""

SALT_BYTES = 16
HASH_BYTES = 32
THREADS = 2
"""Hashes computed at once: 38 MiB and two cores at most."""

# Never hashed from anything: salt and digest are zeros, whose password nobody knows. Verifying it costs what today's
# parameters cost.
NOBODYS_HASH = f"$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p={LANES}${'A' * 22}${'A' * 43}"


class Verdict(Enum):
    """What a password is to a hash."""

    WRONG = "wrong"
    RIGHT = "right"
    RIGHT_BUT_OUTDATED = "right_but_outdated"
    """Right, and hashed with other parameters than today's: hash it again while the text is at hand."""


class Passwords:
    """Hashes and verifies; holds no secret. `limiter` bounds the threads and may be shared."""

    def __init__(self, limiter: CapacityLimiter | None = None) -> None:
        self._limiter = limiter or CapacityLimiter(THREADS)
        self._hasher = PasswordHasher(
            time_cost=PASSES,
            memory_cost=MEMORY_KIB,
            parallelism=LANES,
            hash_len=HASH_BYTES,
            salt_len=SALT_BYTES,
            type=Type.ID,
        )

    async def hash(self, text: str) -> str:
        """The hash of a new password, with its parameters and a salt of its own."""
        return await to_thread.run_sync(partial(self._hasher.hash, _bytes(text)), limiter=self._limiter)

    async def verify(self, hashed: str | None, text: str) -> Verdict:
        """Whether `text` is the password behind `hashed`; None, for an account that is not there, is never right."""
        return await to_thread.run_sync(self._verify, hashed, _bytes(text), limiter=self._limiter)

    def _verify(self, hashed: str | None, text: bytes) -> Verdict:
        if not self._matches(NOBODYS_HASH if hashed is None else hashed, text) or hashed is None:
            return Verdict.WRONG
        return Verdict.RIGHT_BUT_OUTDATED if self._hasher.check_needs_rehash(hashed) else Verdict.RIGHT

    def _matches(self, hashed: str, text: bytes) -> bool:
        try:
            extract_parameters(hashed)  # a cut-off hash is told from one that could not be computed here only
            return self._hasher.verify(hashed, text)
        except VerifyMismatchError:
            return False
        except InvalidHashError:
            # What is no hash at all ("!", an emptied column) locks an account; it must not look like a fault of ours.
            return self._matches(NOBODYS_HASH, text)


def _bytes(text: str) -> bytes:
    # surrogatepass: half a character is as good as any in a password, and must not raise where one is checked
    return text.encode("utf-8", "surrogatepass")
