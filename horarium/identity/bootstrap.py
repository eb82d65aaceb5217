"""The first account, so that a new house can be entered at all.

Made once, on an empty users table. When several processes start at once the unique username lets one of them win; only
the winner knows, and prints, the password it made up.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from horarium.identity.passwords import Passwords
from horarium.sql.queries import QUERIES

if TYPE_CHECKING:
    from pydantic import SecretStr

    from horarium.sql.database import Database

__all__ = ["ADMIN", "ensure_admin"]

ADMIN = "admin"
PASSWORD_BYTES = 15  # 120 bits, 20 characters without padding


async def ensure_admin(database: Database, password: SecretStr | None) -> str | None:
    """Make the account `admin` when there is no account at all.

    Returns its password when one had to be made up: show it, nothing keeps it. Returns None when `password` was taken
    or nothing was made.
    """
    async with database.connection() as connection:
        if await QUERIES.user_count.value(connection) > 0:
            return None
    text = secrets.token_urlsafe(PASSWORD_BYTES) if password is None else password.get_secret_value()
    hashed = await Passwords().hash(text)
    async with database.connection() as connection:
        made = await QUERIES.user_insert.row(connection, username=ADMIN, role="admin", password_hash=hashed)
    return text if made is not None and password is None else None
