"""Identity: log in, renew, log out, who am I. Tokens are the token service's; this module only asks it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from horarium.audit_log import Target
from horarium.http.origin import client_address
from horarium.http.routing import IDEMPOTENCY_KEY, Empty, Reply, Route
from horarium.messages import EndSession, EndSessions, LogIn, RotateToken
from horarium.model import Login, Refresh, TokenPair, User

if TYPE_CHECKING:
    from horarium.http.routing import Call

__all__ = ["ROUTES"]

NO_STORE = {"Cache-Control": "no-store"}
ASK_SECONDS = 10.0
"""A login hashes a password; several at once wait for each other."""
RETRY_KEY = replace(
    IDEMPOTENCY_KEY,
    description="Answers get lost: who gives a key may ask again under it, and for 10 s gets the same refresh token."
    " Without one, or under another, a token that comes again ends its session",
)


async def log_in(call: Call) -> Reply:
    """A pair of tokens for a name and a password."""
    given: Login = call.body
    address = client_address(call.request, call.services.trusted_proxies)
    pair: TokenPair = await call.services.mailboxes.tokens.ask(
        lambda reply: LogIn(given.username, given.password, given.remember_me, reply, address), timeout=ASK_SECONDS
    )
    return Reply(pair, NO_STORE)


async def refresh_tokens(call: Call) -> Reply:
    """A new pair for a refresh token, which dies: presented again it ends its session."""
    token, key = call.body.refresh_token, call.idempotency_key
    pair: TokenPair = await call.services.mailboxes.tokens.ask(
        lambda reply: RotateToken(token, reply, key), timeout=ASK_SECONDS
    )
    return Reply(pair, NO_STORE)


async def revoke_session(call: Call) -> Reply:
    """The end of one session. A token that is not known has none, so this always answers the same (RFC 7009)."""
    token: str = call.body.refresh_token
    await call.services.mailboxes.tokens.ask(lambda reply: EndSession(token, reply), timeout=ASK_SECONDS)
    return Reply()


async def log_out(call: Call) -> Reply:
    """The end of every session of the caller, the one in use included."""
    user = call.user
    await call.services.mailboxes.tokens.ask(lambda reply: EndSessions(user.id, reply), timeout=ASK_SECONDS)
    await call.services.audit_log.note(call.author, "user.logged_out", Target("user", user.id, user.username))
    return Reply()


async def get_me(call: Call) -> Reply:
    """The caller, from the cache that every request reads anyway."""
    return Reply(call.user, NO_STORE)  # of which the answer shows what a User has


ROUTES = (
    Route(
        "POST", "/api/v1/auth/login", log_in, "Log in", None, TokenPair, body=Login,
        conflict=None, problems=(401, 429),
    ),
    Route(
        "POST", "/api/v1/auth/refresh", refresh_tokens, "A new pair for a refresh token", None, TokenPair, body=Refresh,
        reads=(RETRY_KEY,), conflict=None, problems=(401,),
    ),
    Route(
        "POST", "/api/v1/auth/revoke", revoke_session, "End one session", None, status=204, body=Refresh, conflict=None,
    ),
    Route(
        "POST", "/api/v1/auth/logout", log_out, "End every session of the caller", "viewer", status=204,
        body=Empty, body_required=False, conflict=None,
    ),
    Route("GET", "/api/v1/auth/me", get_me, "The caller", "viewer", User),
)  # fmt: skip
