"""Sessions of the pages: the same tokens as for everybody, with the refresh token where no script can read it.

The refresh token travels in a cookie that is HttpOnly, SameSite=Strict and sent to these paths alone; it opens nothing
but a renewal. The access token is answered to the page, which keeps it in memory and sends it as every client does. So
a cookie is no credential for any other call, and what a page can do, and how its session ends, is what `auth.py` says.

Browsers do not tell cookies of several ports of a host apart, so the cookie's name has the port in it. Its first
character says whether the browser keeps it when it is closed; how long the session really lasts is for Redis to say.
"""

from __future__ import annotations

import re
from datetime import datetime  # noqa: TC003 - pydantic reads annotations at run time
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel

from horarium.errors import Unauthorized
from horarium.http.auth import ASK_SECONDS, NO_STORE, log_in, log_out
from horarium.http.own_page import FIELD, is_secure
from horarium.http.routing import Empty, HeaderField, Reply, Route
from horarium.identity.sessions import BAD_REFRESH_TOKEN
from horarium.messages import EndSession, RotateToken
from horarium.model import Login, TokenPair, User

if TYPE_CHECKING:
    from aiohttp import web

    from horarium.http.routing import Call

__all__ = ["PATH", "ROUTES", "cookie_name"]

PATH = "/api/v1/auth/browser"
LONGEST_SECONDS = 400 * 86_400
"""How long a browser keeps a cookie at most."""
VALUE = re.compile(r"([01])([A-Za-z0-9_-]{1,200})")
RETRY_KEY = "page"
"""What every tab knows its renewal by: they share the cookie, and where an answer is lost another one asks."""
OWN_PAGE = HeaderField(FIELD, None, "1. From a page that Horarium serves; whatever else asks is answered 403")


class BrowserSession(BaseModel):
    """What a page is told of its session; the refresh token is in the cookie."""

    access_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - the name of the scheme
    expires_at: datetime
    user: User


async def open_browser_session(call: Call) -> Reply:
    """Log in from a page: the refresh token becomes a cookie. One that the browser had before ends, whoever set it."""
    before = _presented(call.request)
    pair: TokenPair = (await log_in(call)).content
    if before is not None:
        await call.services.mailboxes.tokens.ask(lambda reply: EndSession(before[1], reply), timeout=ASK_SECONDS)
    return await _opened(call, pair, kept=call.body.remember_me)


async def renew_browser_session(call: Call) -> Reply:
    """A new access token for the cookie, which is changed for the next one."""
    presented = _presented(call.request)
    if presented is None:
        raise Unauthorized(BAD_REFRESH_TOKEN)
    kept, token = presented
    pair: TokenPair = await call.services.mailboxes.tokens.ask(
        lambda reply: RotateToken(token, reply, RETRY_KEY), timeout=ASK_SECONDS
    )
    return await _opened(call, pair, kept=kept)


async def close_browser_session(call: Call) -> Reply:
    """Log out, as `POST /auth/logout` does, and take the cookie away."""
    await log_out(call)
    return Reply(headers={"Set-Cookie": _cookie(call.request, "", seconds=0)})


def cookie_name(host: str) -> str:
    """The cookie's name for pages of this host; a port is in it, as one that is left out has none."""
    port = host.rpartition(":")[2]
    return f"horarium_session_{port}" if port.isdecimal() else "horarium_session"


async def _opened(call: Call, pair: TokenPair, *, kept: bool) -> Reply:
    caller = await call.services.authenticator.authenticate(f"Bearer {pair.access_token}")
    assert caller.user is not None, "an access token is a person's"  # noqa: S101 - the authenticator's promise
    session = BrowserSession(access_token=pair.access_token, expires_at=pair.expires_at, user=caller.user)
    value = f"{int(kept)}{pair.refresh_token}"
    cookie = _cookie(call.request, value, seconds=LONGEST_SECONDS if kept else None)
    return Reply(session, {**NO_STORE, "Set-Cookie": cookie})


def _presented(request: web.Request) -> tuple[bool, str] | None:
    """Whether the cookie is to be kept, and the token in it; None without one that we could have made."""
    found = VALUE.fullmatch(request.cookies.get(cookie_name(request.host), ""))
    return None if found is None else (found[1] == "1", found[2])


def _cookie(request: web.Request, value: str, *, seconds: int | None) -> str:
    parts = [f"{cookie_name(request.host)}={value}", f"Path={PATH}", "HttpOnly", "SameSite=Strict"]
    parts += [] if seconds is None else [f"Max-Age={seconds}"]
    parts += ["Secure"] if is_secure(request) else []
    return "; ".join(parts)


ROUTES = (
    Route(
        "POST", f"{PATH}/login", open_browser_session, "Log in from a page", None, BrowserSession, body=Login,
        reads=(OWN_PAGE,), gives=("Set-Cookie",), conflict=None, problems=(401, 403, 429), own_page=True,
    ),
    Route(
        "POST", f"{PATH}/refresh", renew_browser_session, "A new access token for a page", None, BrowserSession,
        body=Empty, body_required=False, reads=(OWN_PAGE,), gives=("Set-Cookie",), conflict=None, problems=(401, 403),
        own_page=True,
    ),
    Route(
        "POST", f"{PATH}/logout", close_browser_session, "Log out of a page", "viewer", status=204,
        body=Empty, body_required=False, gives=("Set-Cookie",), conflict=None,
    ),
)  # fmt: skip
