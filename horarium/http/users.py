"""Users: for admins. What changes who may do what ends the user's sessions at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from horarium.http.paging import Page, PageQuery, cut, read_cursor, write_cursor
from horarium.http.routing import Reply, Route
from horarium.identity.accounts import UserFilter
from horarium.model import PasswordChange, Role, User, UserCreate, UserPatch

if TYPE_CHECKING:
    import asyncpg

    from horarium.http.routing import Call

__all__ = ["ROUTES"]

BASE = "/api/v1/users"
ONE = f"{BASE}/{{user_id:[1-9][0-9]{{0,17}}}}"


class UsersQuery(PageQuery):
    """Filters; `q` is looked for in names and email addresses, `username` is all of one."""

    username: Annotated[str, Field(max_length=200)] | None = None
    role: Role | None = None
    is_active: bool | None = None
    q: Annotated[str, Field(max_length=200)] | None = None


async def list_users(call: Call) -> Reply:
    """A page of users."""
    query: UsersQuery = call.query
    parts = read_cursor(query.cursor, int)
    found, total = await call.services.accounts.page(
        UserFilter(query.username, query.role, query.is_active, query.q),
        after=parts[0] if parts else 0,
        limit=query.limit + 1,
    )
    rows, last = cut(found, query.limit)
    cursor = None if last is None else write_cursor(last["id"])
    return Reply(Page[User](items=[_shown(row) for row in rows], next_cursor=cursor, total=total))


async def create_user(call: Call) -> Reply:
    """A new user."""
    row = await call.services.accounts.create(call.body, by=call.author)
    return Reply(_shown(row), {"Location": f"{BASE}/{row['id']}"})


async def get_user(call: Call) -> Reply:
    """One user."""
    return Reply(_shown(await call.services.accounts.get(_user_id(call))))


async def edit_user(call: Call) -> Reply:
    """Change the fields that are given."""
    return Reply(_shown(await call.services.accounts.edit(_user_id(call), call.body, by=call.author)))


async def delete_user(call: Call) -> Reply:
    """Take a user away; what it made stays."""
    await call.services.accounts.delete(_user_id(call), by=call.author)
    return Reply()


async def change_password(call: Call) -> Reply:
    """Another password for the caller; every session ends."""
    given: PasswordChange = call.body
    await call.services.accounts.change_password(
        call.user.id, given.current_password, given.new_password, by=call.author
    )
    return Reply()


def _user_id(call: Call) -> int:
    return int(call.request.match_info["user_id"])


def _shown(row: asyncpg.Record) -> User:
    return User(**{name: row[name] for name in User.model_fields})


ROUTES = (
    Route("GET", BASE, list_users, "A page of users", "admin", Page[User], query=UsersQuery),
    Route(
        "POST", BASE, create_user, "A new user", "admin", User, status=201, body=UserCreate,
        gives=("Location",), conflict="Another user has the name",
    ),
    Route("GET", ONE, get_user, "One user", "admin", User),
    Route(
        "PATCH", ONE, edit_user, "Change a user", "admin", User, body=UserPatch,
        conflict="Another user has the name, or no active admin would be left",
    ),
    Route(
        "DELETE", ONE, delete_user, "Take a user away", "admin", status=204,
        conflict="No active admin would be left",
    ),
    Route(
        "POST", "/api/v1/auth/password", change_password, "Another password for the caller", "viewer", status=204,
        body=PasswordChange, conflict=None, problems=(429,),
    ),
)  # fmt: skip
