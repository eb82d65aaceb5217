"""The login that `horarium login` stores: one file, closed to other users, replaced whole, changed under a lock.

The lock is a file of its own beside the login, since a lock on the login would stay with the file that was replaced.
The kernel drops it with its holder, so there is no stale one to clear. It is waited for by asking again: a thread that
waits inside `flock` could not be called off by Ctrl-C.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

import anyio
from pydantic import BaseModel, ConfigDict, ValidationError

from horarium.client.errors import ApiAway, NotLoggedIn
from horarium.errors import ConfigurationError
from horarium.files import open_private, replace_private
from horarium.model.logins import TokenPair  # noqa: TC001 - pydantic reads annotations at run time

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path
    from typing import IO

__all__ = ["LoginFile", "StoredLogin"]

LOCK_SECONDS = 20.0
"""Longer than one holder's call to the API can take."""

POLL_SECONDS = 0.05


class StoredLogin(BaseModel):
    """Where somebody is logged in, and the tokens that prove it."""

    model_config = ConfigDict(frozen=True)

    url: str
    tokens: TokenPair


class LoginFile:
    """`<config_dir>/login.json`. `write` and `remove` are for who holds the lock."""

    def __init__(self, config_dir: Path) -> None:
        self.path = config_dir / "login.json"
        self._lock = config_dir / "login.lock"

    def read(self) -> StoredLogin | None:
        """The stored login, or None where nobody is logged in. Raises ConfigurationError for an unusable file."""
        with self._usable():
            try:
                with self.path.open(encoding="utf-8") as file:
                    mode = os.fstat(file.fileno()).st_mode & 0o777
                    content = file.read()
            except FileNotFoundError:
                return None
        if mode & 0o077:
            raise ConfigurationError(
                f"{self.path} can be read by others (mode {mode:o}); `chmod 600` it, or delete it and log in again"
            )
        try:
            return StoredLogin.model_validate_json(content)
        except ValidationError:
            # from None: pydantic's error repeats the content, which is secret
            raise NotLoggedIn(f"{self.path} is no stored login; delete it and run `horarium login`") from None

    def write(self, login: StoredLogin) -> None:
        """Put this login in the place of the one before."""
        with self._usable():
            replace_private(self.path, login.model_dump_json())

    def remove(self) -> None:
        """Forget the login."""
        with self._usable():
            self.path.unlink(missing_ok=True)

    @asynccontextmanager
    async def locked(self) -> AsyncIterator[None]:
        """Keep every other command from changing the login. Makes the directory, closed to others, when missing."""
        with self._usable():
            self._lock.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = open_private(self._lock, "a")
        with lock:
            await self._hold(lock)
            yield

    async def _hold(self, lock: IO[str]) -> None:
        deadline = anyio.current_time() + LOCK_SECONDS
        while anyio.current_time() < deadline:
            try:
                with self._usable(waiting=BlockingIOError):
                    return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                await anyio.sleep(POLL_SECONDS)
        raise ApiAway(f"another command holds {self._lock} for {LOCK_SECONDS:g} s; try again")

    @contextmanager
    def _usable(self, waiting: type[OSError] | tuple[()] = ()) -> Iterator[None]:
        """Say what to do when the directory does not work; `waiting` is an error that is none."""
        try:
            yield
        except waiting:
            raise
        except OSError as error:
            raise ConfigurationError(
                f"cannot keep a login in {self.path.parent}: {error.strerror}; "
                "set HORARIUM_CONFIG_DIR to a directory that can be written"
            ) from error
