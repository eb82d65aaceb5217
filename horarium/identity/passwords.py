"""Passwords: argon2id, in threads, a few at a time.

One hash takes 19 MiB and tens of milliseconds of a processor, by design. So it never runs in the event loop, and never
more than a few at once: a flood of logins then waits in line instead of taking the machine's memory and every core
from the dispatcher. An account that does not exist costs the same as a wrong password, because a hash of today's
parameters that belongs to nobody is verified in its place.

Hashes of bcrypt are those of users who were taken over from an older system: they are verified, never made, and found
outdated, so that the first login puts one of ours in their place. Until then a wrong password costs what bcrypt costs.
"""

from __future__ import annotations

import re
from enum import Enum
from functools import partial

import bcrypt
from anyio import CapacityLimiter, to_thread
from argon2 import PasswordHasher, Type, extract_parameters
from argon2.exceptions import InvalidHashError, VerifyMismatchError

from horarium.identity.password_rules import check_new_password

__all__ = ["Passwords", "Verdict", "can_be_verified", "check_new_password"]

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

# Up to a cost of 14, which is a second of a processor: each step more doubles it, and a login must end. The salt is 128
# bits in 22 characters of six, so the last one can only be one of four; bcrypt raises for any other.
BCRYPT = re.compile(r"\$2[aby]\$(0[4-9]|1[0-4])\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{31}")
BCRYPT_BYTES = 72
"""All that bcrypt looks at. Its older versions cut off the rest without a word, and so were such hashes made."""


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
        if BCRYPT.fullmatch(hashed) or self._hasher.check_needs_rehash(hashed):
            return Verdict.RIGHT_BUT_OUTDATED
        return Verdict.RIGHT

    def _matches(self, hashed: str, text: bytes) -> bool:
        if BCRYPT.fullmatch(hashed):
            # libraries disagree on what comes after a NUL; no form that people type into sends one
            return b"\0" not in text and bcrypt.checkpw(text[:BCRYPT_BYTES], hashed.encode())
        try:
            extract_parameters(hashed)  # a cut-off hash is told from one that could not be computed here only
            return self._hasher.verify(hashed, text)
        except VerifyMismatchError:
            return False
        except InvalidHashError:
            # What is no hash at all ("!", an emptied column) locks an account; it must not look like a fault of ours.
            return self._matches(NOBODYS_HASH, text)


def can_be_verified(hashed: str) -> bool:
    """Whether a login can be checked against this hash; what cannot locks its account."""
    if BCRYPT.fullmatch(hashed):
        return True
    try:
        extract_parameters(hashed)
    except InvalidHashError:
        return False
    return True


def _bytes(text: str) -> bytes:
    # surrogatepass: half a character is as good as any in a password, and must not raise where one is checked
    return text.encode("utf-8", "surrogatepass")
