"""The data directory: one owner at a time, closed to other users, home of the signing key.

Two supervisors on one directory would each take the other's servers for leftovers and stop them, so whoever works
in it holds an exclusive flock on `<data_dir>/lock`. The kernel drops the lock with its holder, however that ends:
there is no stale lock to clear after a kill -9. The file's content, a pid, only serves the error message.

The directory may have to be traversable (Postgres refuses to run as root, see `accounts`), so no secret relies on it:
every file made here has mode 0600.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from typing import IO, TYPE_CHECKING, Self

from horarium.errors import ConfigurationError
from horarium.files import make_private, open_private

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

__all__ = ["DataDir", "signing_key"]

KEY_BYTES = 32


class DataDir:
    """Owns `path` inside a `with` block; created when missing.

    Entering raises ConfigurationError when another process holds the directory, or when it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: IO[str] | None = None

    def __enter__(self) -> Self:
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._hold(open_private(self.path / "lock", "a+"))
        except OSError as error:
            self._forget()
            raise ConfigurationError(
                f"cannot write to the data directory {self.path}: {error.strerror}; "
                "set HORARIUM_DATA_DIR to a directory that can be"
            ) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._forget()

    def _hold(self, lock: IO[str]) -> None:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            holder = lock.read().strip() or "unknown"
            lock.close()
            raise ConfigurationError(
                f"the data directory {self.path} is in use by process {holder}; "
                "stop that one first, or set HORARIUM_DATA_DIR to another directory"
            ) from error
        self._lock = lock
        os.ftruncate(lock.fileno(), 0)
        os.write(lock.fileno(), str(os.getpid()).encode())
        # A forked child shares the lock and would keep it after its parent was killed: it lets go of its copy.
        os.register_at_fork(after_in_child=self._forget)

    def _forget(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None


def signing_key(data_dir: Path) -> str:
    """The key that signs access tokens, from `<data_dir>/secret.key`; made, and its directory too, on first use.

    Raises ConfigurationError for a key that other users can read or that is shorter than 32 bytes: such a key is
    never used, and never replaced either, since replacing it ends every session.
    """
    path = data_dir / "secret.key"
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            make_private(path, secrets.token_hex(KEY_BYTES))
    except FileExistsError:
        pass  # made by another process, just now
    except OSError as error:
        raise ConfigurationError(
            f"cannot keep a signing key in {data_dir}: {error.strerror}; set HORARIUM_SECRET_KEY or HORARIUM_DATA_DIR"
        ) from error
    return _read_key(path)


def _read_key(path: Path) -> str:
    with path.open(encoding="utf-8") as file:
        mode = os.fstat(file.fileno()).st_mode & 0o777
        key = file.read().strip()
    if mode & 0o077:
        raise ConfigurationError(f"{path} can be read by others (mode {mode:o}); `chmod 600` it, or make a new key")
    if len(key.encode()) < KEY_BYTES:
        raise ConfigurationError(f"{path} is shorter than {KEY_BYTES} bytes; delete it, and a new one is made")
    return key
