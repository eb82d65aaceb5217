"""The page that documents the API: static files that draw /openapi.json, and load nothing from any other host.

They are read once, at import, since they are the package's own and the event loop reads no files. The policy lets the
page's own scripts and styles run and nothing else: none inline, none from elsewhere, no HTML made from text, and
requests to this host alone. The files that can be served are those read, so no path leads out of the folder.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["POLICY", "add_pages"]

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
FILES = {path.name: path.read_bytes() for path in Path(__file__).with_name("docs").iterdir() if path.suffix in TYPES}


def add_pages(app: web.Application) -> None:
    """Put the page at /docs, and what it is made of below; HEAD is answered as well."""
    for name in FILES:
        path = "/docs" if name == "index.html" else f"/docs/{name}"
        app.router.add_get(path, _serve(name))


def _serve(name: str) -> Callable[[web.Request], Awaitable[web.Response]]:
    headers = {
        "Content-Type": f"{TYPES[Path(name).suffix]}; charset=utf-8",
        "Content-Security-Policy": POLICY,
        "Cache-Control": "no-cache",
    }

    async def serve(_request: web.Request) -> web.Response:
        return web.Response(body=FILES[name], headers=headers)

    return serve
