"""What only the pages that this product serves may call: the calls whose credential a browser sends by itself.

A cookie is sent by whoever makes the browser ask, so a call that reads one has to know which page asks (CSRF). Three
things are wanted, each of which alone keeps other pages out: the cookie is SameSite=Strict; the request has a field
that no form can set, and that no page of another origin may (`cors.py` never allows it); and the browser itself says
that the page is ours. It says so in `Sec-Fetch-Site`, or, where that is not sent (plain HTTP to a name, older
browsers), in `Origin`, whose host must be the one that was asked.

No other call reads the cookie, so nothing else needs this.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from horarium.errors import Forbidden

if TYPE_CHECKING:
    from aiohttp import web

__all__ = ["FIELD", "check_own_page", "is_secure"]

FIELD = "X-Horarium-Page"
REFUSED = "this call is for Horarium's own pages"


def check_own_page(request: web.Request) -> None:
    """Raise Forbidden unless the request comes from a page of this very origin."""
    if request.headers.get(FIELD) != "1" or not _is_ours(request):
        raise Forbidden(REFUSED)


def _is_ours(request: web.Request) -> bool:
    if (site := request.headers.get("Sec-Fetch-Site")) is not None and site != "same-origin":
        return False
    origin = request.headers.get("Origin")
    if site is None:
        return origin is not None and origin.partition("://")[2].lower() == request.host.lower()
    return True


def is_secure(request: web.Request) -> bool:
    """Whether the page was loaded by HTTPS, as its own browser says: what ends TLS before us may not tell us."""
    return request.headers.get("Origin", "").startswith("https://") or request.secure
