"""Users, keys for machines, and the audit log."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - pydantic reads the annotations when the models are made
from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field, StringConstraints

from horarium.identity.password_rules import MIN_CHARS
from horarium.model.fields import Answer, Instant, Name, Patch, Request
from horarium.model.logins import Role  # noqa: TC001 - as above

__all__ = [
    "ApiKey",
    "ApiKeyCreate",
    "AuditEntry",
    "Login",
    "NewApiKey",
    "PasswordChange",
    "Refresh",
    "User",
    "UserCreate",
    "UserPatch",
]

Email = Annotated[str, StringConstraints(max_length=254, pattern=r"^[^@\s\x00]+@[^@\s\x00]+$")]
Password = Annotated[str, StringConstraints(min_length=1, max_length=1000), Field(repr=False)]
NewPassword = Annotated[str, StringConstraints(max_length=1000), Field(json_schema_extra={"minLength": MIN_CHARS})]
"""One that is to be: its least length is among the rules of `password_rules.py`, and said in their words."""


class Login(Request):
    """Credentials of a person."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"username": "admin", "password": "correct horse"}]})

    username: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    password: Password
    remember_me: bool = False


class Refresh(Request):
    """A refresh token, to be changed for a new pair."""

    refresh_token: Annotated[str, StringConstraints(min_length=1, max_length=500), Field(repr=False)]


class User(Answer):
    """A user, without anything secret."""

    id: int
    username: str
    email: str | None
    full_name: str | None
    role: Role
    is_active: bool
    created_at: datetime
    updated_at: datetime


class _Account(Request):
    """The fields of a user that may be left out."""

    email: Email | None = None
    full_name: Name | None = None
    role: Role = "viewer"
    is_active: bool = True


class UserCreate(_Account):
    """A new user."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"username": "ada", "password": "an engine of analysis", "role": "operator"}]}
    )

    username: Name
    password: Annotated[NewPassword, Field(repr=False)]


class UserPatch(Patch):
    """An edit of a user: the fields that are given change. A role, a password or a disabling end all its sessions."""

    username: Name | None = None
    email: Email | None = None
    full_name: Name | None = None
    role: Role | None = None
    is_active: bool | None = None
    password: Annotated[NewPassword | None, Field(repr=False)] = None

    emptied: ClassVar = frozenset({"email", "full_name"})


class PasswordChange(Request):
    """One's own password, and what it is to be."""

    current_password: Password
    new_password: Annotated[NewPassword, Field(repr=False)]


class ApiKeyCreate(Request):
    """A new API key; without `expires_at` it is good until it is deleted."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"name": "the deployment", "role": "operator", "expires_at": "2099-01-31T09:00:00Z"}]
        }
    )

    name: Name
    role: Role = "viewer"
    expires_at: Instant | None = None


class ApiKey(Answer):
    """An API key. `prefix` are its first characters; `last_used_at` is up to five minutes late."""

    id: int
    name: str
    prefix: str
    role: Role
    expires_at: datetime | None
    created_by: int | None
    created_at: datetime
    last_used_at: datetime | None


class NewApiKey(ApiKey):
    """A key that was just made: the one answer that holds its text, `key`."""

    key: Annotated[str, Field(repr=False)]


class AuditEntry(Answer):
    """A change: who made it, from which address, and the fields that differ. Secrets are masked."""

    id: int
    at: datetime
    actor_kind: Literal["user", "api_key", "system"]
    actor_id: int | None
    actor_name: str
    action: str
    target_kind: str
    target_id: str
    target_name: str | None
    address: str | None
    request_id: str | None
    before: dict[str, Any] | None
    after: dict[str, Any] | None
