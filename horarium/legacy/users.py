"""A user of the older system as one of ours. Pure.

Who was an administrator is one. Any other role that is not called as ours are becomes viewer, which may look: whoever
is to do more is given it by somebody who knows. A password goes on working where its hash is bcrypt's or argon2's, and
is hashed anew at the first login; any other hash locks the account until an admin gives it a password.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, get_args

from pydantic import ValidationError

from horarium.identity.passwords import can_be_verified
from horarium.legacy.words import USER_COLUMNS, LeftOut, Reading, shown
from horarium.model import Role, UserPatch

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["NewUser", "new_user"]

ADMINS = ("admin", "administrator", "superuser", "superadmin", "super_admin", "owner", "root")
LOCKED = "!"
"""The hash of no password."""


@dataclass(frozen=True)
class NewUser:
    """What is to be written, and the id it had."""

    legacy_id: object
    wanted_id: int | None
    values: dict[str, Any] = field(repr=False)
    """The columns, the password's hash among them."""
    remarks: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The username."""
        return str(self.values["username"])


def new_user(row: Mapping[str, Any]) -> NewUser:
    """The user that a row describes. Raises LeftOut."""
    read = Reading(row, USER_COLUMNS)
    if read.flag("is_deleted"):
        raise LeftOut("was deleted there")
    values: dict[str, Any] = {
        "username": _username(read),
        "email": _allowed(read, "email", read.text("email")),
        "full_name": _allowed(read, "full_name", _full_name(read)),
        "role": _role(read),
        "is_active": not read.flag("is_disabled") and read.flag("is_active") is not False,
        "password_hash": _hash(read),
        "created_at": read.instant("created_at"),
    }
    return NewUser(read.get("id"), read.identity(), values, tuple(read.remarks))


def _username(read: Reading) -> str:
    name = read.text("username")
    if name is None:
        raise LeftOut("has no name")
    try:
        return str(UserPatch(username=name).username)
    except ValidationError as error:
        raise LeftOut(f"the name {error.errors()[0]['msg']}") from None


def _allowed(read: Reading, name: str, value: str | None) -> str | None:
    try:
        UserPatch.model_validate({name: value})
    except ValidationError:
        read.remarks.append(f"{name} {shown(value)} is not one here, left out")
        return None
    return value


def _full_name(read: Reading) -> str | None:
    parts = [part for part in (read.text("first_name"), read.text("last_name")) if part]
    return read.text("full_name") or " ".join(parts) or None


def _role(read: Reading) -> str:
    role = (read.text("role") or "").lower()
    if read.flag("is_admin") or role in ADMINS:
        return "admin"
    if role in get_args(Role):
        return role
    read.remarks.append(
        f"role {shown(role)} is unknown here, viewer instead" if role else "has no role, viewer instead"
    )
    return "viewer"


def _hash(read: Reading) -> str:
    hashed = read.text("password_hash")
    if hashed is not None and can_be_verified(hashed):
        return hashed
    why = "has no password" if hashed is None else "its password is hashed in a way that cannot be checked here"
    read.remarks.append(f"{why}: give it one with `horarium user passwd`")
    return LOCKED
