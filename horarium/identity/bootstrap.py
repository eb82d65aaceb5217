"""The first account, so that a new house can be entered at all.

Made once, on an empty users table. When several processes start at once the unique username lets one of them win; only
the winner knows, and prints, the password it made up.

That password is told before the account is committed. A process that ends between the two has told a password that is
good for nothing, and its next start tells another; the other way round it would leave an account that nobody can enter.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from horarium.identity.passwords import Passwords
from horarium.sql.queries import QUERIES

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import SecretStr

    from horarium.sql.database import Database

__all__ = ["ADMIN", "ensure_admin"]

ADMIN = "admin"
PASSWORD_BYTES = 15  # 120 bits, 20 characters without padding


async def ensure_admin(database: Database, password: SecretStr | None, tell: Callable[[str], None]) -> None:
    """Make the account `admin` when there is no account at all.

    Its password is `password`, or one that is made up and given to `tell`: show the last one told, nothing keeps it.
    """
    async with database.connection() as connection:
        if await QUERIES.user_count.value(connection) > 0:
            return
    text = secrets.token_urlsafe(PASSWORD_BYTES) if password is None else password.get_secret_value()
    hashed = await Passwords().hash(text)
    async with database.transaction() as connection:
        made = await QUERIES.user_insert.row(
            connection, username=ADMIN, email=None, full_name=None, role="admin", is_active=True, password_hash=hashed
        )
        if made is not None and password is None:
            tell(text)
