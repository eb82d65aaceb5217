"""How often a password may be guessed: delays that grow with the guesses, and end.

Three things are counted, in Redis, by the package `limits`. Guesses at *one account from one address*, which is how a
person errs. Guesses *from one address* at whatever accounts, which is how common passwords are tried on everybody. And
guesses at *one account from anywhere*, which is how many machines try one. Each has windows of one, five and fifteen
minutes: a few errors cost a minute, many cost a quarter of an hour, and nothing costs more (docs/decisions/0024).

Only guesses count. An attempt is counted before its password is looked at, so that no crowd can slip through at once;
it is taken back when the password was right, and when the attempt was turned away. So being turned away makes no delay
longer. A right password also clears what was counted for this account from this address.

Whoever is logged in and changes their password has to know it, and is counted as whoever logs in.

Nobody can lock a user out by guessing at their account: an address from which the right password has come within the
last month is known, and is not held to the count of all addresses. The names of accounts are kept as hashes, and what
is counted does not depend on whether there is such an account.
"""

from __future__ import annotations

import hashlib
import time
import unicodedata
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING

from limits import RateLimitItemPerMinute
from limits.aio.storage import RedisStorage
from limits.aio.strategies import FixedWindowRateLimiter

from horarium.errors import TooManyRequests
from horarium.keyspace.pool import redis_errors

if TYPE_CHECKING:
    from limits import RateLimitItem
    from redis.asyncio import Redis

    from horarium.keyspace.keys import Keys

    Counter = tuple[RateLimitItem, tuple[str, str]]

__all__ = ["Attempt", "LoginThrottle", "site_of"]


def _windows(kind: str, *guesses_and_minutes: tuple[int, int]) -> tuple[RateLimitItem, ...]:
    return tuple(RateLimitItemPerMinute(guesses, minutes, kind) for guesses, minutes in guesses_and_minutes)


# The longest first: it is what a client has to wait for.
FROM_ONE_ADDRESS = _windows("pair", (30, 15), (20, 5), (10, 1))
AT_ANY_ACCOUNT = _windows("address", (150, 15), (60, 1))
AT_ONE_ACCOUNT = _windows("account", (60, 15), (40, 5), (20, 1))

ANY = "*"
SITE_BITS = 64
"""What one subscriber has of IPv6 at the least, and can choose addresses in at will (RFC 6177)."""

KNOWN_SECONDS = 30 * 86_400
"""How long an address is known to an account after a login."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A login under way: the account's hash, the address, and whether this address is known to the account."""

    account: str
    address: str
    known: bool

    @property
    def counters(self) -> list[Counter]:
        """Every count that it is held to, and of what."""
        here = [(item, (self.account, self.address)) for item in FROM_ONE_ADDRESS]
        spread = [(item, (self.address, ANY)) for item in AT_ANY_ACCOUNT]
        anywhere = [(item, (self.account, ANY)) for item in AT_ONE_ACCOUNT]
        return here + spread + ([] if self.known else anywhere)


class LoginThrottle:
    """Counts guesses; raises Unavailable when Redis is away, which then lets nobody guess."""

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self._redis = redis
        self._keys = keys
        # The pool is ours, with its timeouts and retries; the address is not looked at.
        storage = RedisStorage(
            "async+redis://",
            implementation="redispy",
            key_prefix=keys.throttle,
            connection_pool=redis.connection_pool,  # type: ignore[arg-type]  # documented, and not in its types
        )
        self._limiter = FixedWindowRateLimiter(storage)

    async def admit(self, username: str, address: str) -> Attempt:
        """Count an attempt to log in; raises TooManyRequests while there were too many before it."""
        account, address = _hashed(username), site_of(address)
        with redis_errors():
            known = bool(await self._redis.exists(self._keys.known_address(account, address)))
            attempt = Attempt(account, address, known)
            for done, (item, names) in enumerate(attempt.counters, start=1):
                if not await self._limiter.hit(item, *names):
                    stats = await self._limiter.get_window_stats(item, *names)
                    await self._take_back(attempt.counters[:done])
                    raise TooManyRequests(max(stats.reset_time - time.time(), 1.0))
        return attempt

    async def forgive(self, attempt: Attempt) -> None:
        """Take an attempt back whose password was right, and know its address from now on."""
        with redis_errors():
            for item in FROM_ONE_ADDRESS:
                await self._limiter.clear(item, attempt.account, attempt.address)
            await self._take_back(attempt.counters[len(FROM_ONE_ADDRESS) :])
            known = self._keys.known_address(attempt.account, attempt.address)
            await self._redis.set(known, b"", ex=KNOWN_SECONDS)

    async def take_back(self, attempt: Attempt) -> None:
        """Count an attempt no more that came to nothing."""
        with redis_errors():
            await self._take_back(attempt.counters)

    async def _take_back(self, counters: list[Counter]) -> None:
        for item, names in counters:
            await self._limiter.hit(item, *names, cost=-1)


def site_of(address: str) -> str:
    """What stands for an address where guesses are counted: itself, or its site in IPv6."""
    try:
        parsed = ip_address(address)
    except ValueError:  # a peer that has none
        return address
    return str(ip_network((parsed, SITE_BITS), strict=False)) if isinstance(parsed, IPv6Address) else address


def _hashed(username: str) -> str:
    """One text for all spellings that Postgres may take for the same name, and for some more."""
    apart = unicodedata.normalize("NFKD", username).casefold()
    folded = "".join(each for each in apart if not unicodedata.combining(each))
    return hashlib.sha256(folded.encode("utf-8", "surrogatepass")).hexdigest()[:32]
