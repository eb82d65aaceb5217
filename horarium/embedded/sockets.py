"""Where the unix sockets go.

A socket's address holds about a hundred bytes, and a data directory may be longer than that. The socket then goes
to a directory of its own under the temporary directory, named by a hash of the data directory: the same on every
start, and known without asking the server.

Anybody can make that directory first, so it is used only if it is a real directory, owned by the server's account
and closed to everybody else.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from horarium.errors import ConfigurationError

if TYPE_CHECKING:
    from horarium.embedded.accounts import Account

__all__ = ["make_socket_dir", "socket_dir"]

SOCKET_PATH_BYTES = 103  # of sockaddr_un: 104 with its terminator on macOS, 108 on Linux


def socket_dir(home: Path, name: str) -> Path:
    """The directory of the socket `name` of the server whose data is in `home`."""
    # Postgres and asyncpg read a comma as the end of one directory and the start of the next.
    if len(os.fsencode(home / name)) <= SOCKET_PATH_BYTES and "," not in str(home):
        return home
    digest = hashlib.sha256(os.fsencode(home)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"horarium-{digest}"


def make_socket_dir(directory: Path, owner: Account) -> None:
    """Make `directory` for `owner` alone, or raise ConfigurationError if somebody else was there first."""
    try:
        directory.mkdir(mode=0o700)
        os.chown(directory, owner.uid, owner.gid)
    except FileExistsError:
        found = directory.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != owner.uid or found.st_mode & 0o077:
            raise ConfigurationError(
                f"{directory} must be a directory that belongs to user {owner.uid} and that nobody else may enter: "
                "`chown` it and `chmod 700` it, or move it away if it is not Horarium's"
            ) from None
