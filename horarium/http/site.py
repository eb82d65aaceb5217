"""The dashboard's files: one page for every address of it, and what that page loads, from this origin alone.

They are read once, at import, since they are the package's own and the event loop reads no files. What the page loads
lies below a folder named by a digest of all of it: browsers keep such a file for ever, and a new release is another
folder, so that no page runs with modules of two. The page itself is asked for again each time, by its ETag. It is the
same for every address of the dashboard, and the script that it loads draws what the address says.

Modules are found by reading modules, which over a slow line is a chain of waits: so the page names at once all that are
needed wherever one goes. The module of the page itself is asked for by address, while the session is renewed, and those
of the others when there is time (`main.js`). Every file is sent packed where the browser takes that.

The policy is that of /docs (`pages.py`), and pictures of our own: nothing inline, no text that is read as HTML.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from aiohttp import web

from horarium.http import pages
from horarium.http.packing import fitting
from horarium.packing import Packed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Handler = Callable[[web.Request], Awaitable[web.Response]]

__all__ = ["ADDRESSES", "ASSETS", "FOLDER", "INDEX", "POLICY", "add_site"]

POLICY = f"{pages.POLICY}; img-src 'self'"
TYPES = {**pages.TYPES, ".svg": "image/svg+xml"}
ADDRESSES = (
    "/", "/login", "/configs", "/configs/new", "/configs/{rest:.*}", "/executions", "/executions/{rest:.*}", "/tree",
    "/workers", "/notifications", "/people", "/audit",
)  # fmt: skip
"""The addresses that the dashboard draws; the rest of a path is for its router."""
_ROOT = Path(__file__).with_name("dashboard")
_FILES = {
    path.relative_to(_ROOT).as_posix(): path.read_bytes()
    for path in sorted(_ROOT.rglob("*"))
    if path.suffix in TYPES and path.is_file()
}
ASSETS = {name: body for name, body in _FILES.items() if name != "index.html"}
DIGEST = hashlib.sha256(b"".join(name.encode() + b"\0" + body for name, body in _FILES.items())).hexdigest()[:16]
FOLDER = f"/dashboard/{DIGEST}"
FOR_EVER = "public, max-age=31536000, immutable"
_MAIN = "main.js"
_IMPORTED = re.compile(r'^(?:import|export)\b[^"]*"(\.[\w./]+)";$', re.MULTILINE)


def _modules() -> list[str]:
    """What the page's module needs before it can run, in the order in which that is met."""
    found = [_MAIN]
    for name in found:
        folder = PurePosixPath(name).parent
        for imported in _IMPORTED.findall(_FILES[name].decode()):
            module = _plain(folder / imported)
            if module not in found:
                found.append(module)
    return found[1:]


def _plain(path: PurePosixPath) -> str:
    """The path without its `..`."""
    parts: list[str] = []
    for part in path.parts:
        parts = parts[:-1] if part == ".." else [*parts, part]
    return "/".join(parts)


def _index_page() -> bytes:
    begin = f'  <script type="module" src="/dashboard/this/{_MAIN}"></script>\n'
    preloads = "".join(f'  <link rel="modulepreload" href="/dashboard/this/{name}">\n' for name in _modules())
    page = _FILES["index.html"].decode().replace(begin, begin + preloads)
    return page.replace("/dashboard/this", FOLDER).encode()


INDEX = _index_page()
_PAGE = Packed(INDEX)


def add_site(app: web.Application) -> None:
    """Put the page at each of its addresses, and its files below their folder; HEAD is answered as well."""
    for address in ADDRESSES:
        app.router.add_get(address, _index)
    for name, body in ASSETS.items():
        app.router.add_get(f"{FOLDER}/{name}", _asset(name, body))


async def _index(request: web.Request) -> web.Response:
    tag = f'W/"{DIGEST}"'  # weak: it is the same page, packed or not
    headers = {"Content-Security-Policy": POLICY, "Cache-Control": "no-cache", "ETag": tag}
    if tag in request.headers.get("If-None-Match", ""):
        return web.Response(status=304, headers=headers)
    body, more = fitting(request, _PAGE)
    return web.Response(body=body, headers={**headers, **more, "Content-Type": "text/html; charset=utf-8"})


def _asset(name: str, body: bytes) -> Handler:
    kind = TYPES[Path(name).suffix]
    headers = {"Content-Type": f"{kind}; charset=utf-8", "Content-Security-Policy": POLICY, "Cache-Control": FOR_EVER}

    file = Packed(body)

    async def serve(request: web.Request) -> web.Response:
        sent, more = fitting(request, file)
        return web.Response(body=sent, headers={**headers, **more})

    return serve
