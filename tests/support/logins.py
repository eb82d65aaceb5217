"""A user's stored login, looked at and tampered with."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from horarium.client import LoginFile, StoredLogin
from horarium.model import TokenPair

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["a_login", "change", "expire", "stored"]

URL = "http://127.0.0.1:8080"


def a_login(name: str = "one") -> StoredLogin:
    """A login that no server knows."""
    expires_at = datetime.now(UTC) + timedelta(minutes=15)
    return StoredLogin(
        url=URL, tokens=TokenPair(access_token=f"access-{name}", refresh_token=f"refresh-{name}", expires_at=expires_at)
    )


def stored(config_dir: Path) -> StoredLogin:
    """The login that is stored there."""
    login = LoginFile(config_dir).read()
    assert login is not None
    return login


def change(config_dir: Path, **fields: object) -> None:
    """Store the tokens with other fields."""
    login = stored(config_dir)
    LoginFile(config_dir).write(login.model_copy(update={"tokens": login.tokens.model_copy(update=fields)}))


def expire(config_dir: Path) -> None:
    """Let the client believe that the access token has run out."""
    change(config_dir, expires_at=datetime.now(UTC) - timedelta(seconds=1))
