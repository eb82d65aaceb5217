"""The dashboard's files: strict about what runs, kept by browsers while they are the same, and none missing."""

from __future__ import annotations

import json
import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import pytest

from horarium.http.site import ADDRESSES, ASSETS, FOLDER, INDEX, POLICY, TYPES
from horarium.model import TaskConfigCreate

if TYPE_CHECKING:
    from tests.support.tree import House

pytestmark = pytest.mark.anyio

PLACES = [
    "/",
    "/login",
    "/configs",
    "/configs/new",
    "/configs/7/edit",
    "/executions",
    "/executions/7c1f",
    "/tree",
    "/audit",
]
MODULES = [name for name in ASSETS if name.endswith(".js")]
"""Scripts that the page itself asks for."""
FORBIDDEN = (
    r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\(|new Function|setAttribute\(.style|@import|url\("
)


@pytest.mark.parametrize("path", PLACES)
async def test_every_address_of_the_dashboard_answers_its_page(house: House, path: str) -> None:
    async with house.session.get(house.url + path) as answer:
        body = await answer.read()

    assert (answer.status, body) == (200, INDEX)
    assert answer.headers["Content-Security-Policy"] == POLICY
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-cache"


async def test_a_page_that_a_browser_has_is_not_sent_again(house: House) -> None:
    async with house.session.get(house.url) as first:
        tag = first.headers["ETag"]

    async with house.session.get(house.url, headers={"If-None-Match": tag}) as again:
        assert (again.status, await again.read()) == (304, b"")


@pytest.mark.parametrize("name", ASSETS)
async def test_each_file_is_served_with_its_type_and_kept_for_ever(house: House, name: str) -> None:
    async with house.session.get(f"{house.url}{FOLDER}/{name}") as answer:
        body = await answer.read()

    assert (answer.status, body) == (200, ASSETS[name])
    assert answer.content_type == TYPES[PurePosixPath(name).suffix]
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert answer.headers["Content-Security-Policy"] == POLICY


@pytest.mark.parametrize("path", ["/", f"{FOLDER}/main.js"])
async def test_a_browser_is_sent_it_in_fewer_bytes(house: House, path: str) -> None:
    async with (
        house.session.get(house.url + path, headers={"Accept-Encoding": "identity"}) as plain,
        house.session.get(house.url + path, headers={"Accept-Encoding": "gzip, br"}) as packed,
    ):
        assert await packed.read() == await plain.read()

    assert plain.headers["Vary"] == packed.headers["Vary"] == "Accept-Encoding"
    assert (plain.headers.get("Content-Encoding"), packed.headers["Content-Encoding"]) == (None, "gzip")
    assert int(packed.headers["Content-Length"]) < int(plain.headers["Content-Length"]) / 2


@pytest.mark.parametrize("path", ["/", f"{FOLDER}/main.js"])
async def test_the_head_alone_is_answered_as_well(house: House, path: str) -> None:
    async with house.session.head(house.url + path) as answer:
        assert (answer.status, await answer.read()) == (200, b"")
        assert int(answer.headers["Content-Length"]) > 0


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/dashboard/main.js",
        f"{FOLDER}/../site.py",
        f"{FOLDER}/%2e%2e/site.py",
        f"{FOLDER}/pages",
        "/api/v1/",
    ],
)
async def test_what_is_no_file_of_the_dashboard_is_not_found(house: House, path: str) -> None:
    answer = await house.call("GET", path, token=None)

    assert (answer.status, answer.body["code"]) == (404, "not_found")


def test_the_policy_lets_nothing_run_but_the_pages_own_files() -> None:
    assert POLICY.startswith("default-src 'none'; ")
    assert "unsafe" not in POLICY
    assert set(re.findall(r"-src ([^;]*)", POLICY)) == {"'none'", "'self'"}
    assert "require-trusted-types-for 'script'" in POLICY


def test_the_page_has_nothing_inline_and_names_what_is_served() -> None:
    page = INDEX.decode()
    named = re.findall(r'(?:href|src)="([^"]+)"', page)

    assert re.findall(r"<script(?![^>]*src=)|<style|\bstyle=|\bon\w+=", page) == []
    assert {path for path in named if path.startswith(FOLDER)} <= {f"{FOLDER}/{name}" for name in ASSETS}
    assert {path for path in named if not path.startswith(FOLDER)} == {"/docs"}


def test_the_page_names_at_once_every_module_that_would_else_be_found_one_after_the_other() -> None:
    """A page's own module is not among them: it is asked for by address, and the others when there is time."""
    named = re.findall(r'<link rel="modulepreload" href="([^"]+)">', INDEX.decode())

    assert len(named) == len({*named})
    assert {f"{FOLDER}{path}" for path in reached_from("/main.js") if path != "/main.js"} == {*named}
    assert f"{FOLDER}/pages/login.js" in named
    assert f"{FOLDER}/pages/config.js" not in named


@pytest.mark.parametrize("name", ASSETS)
def test_no_file_names_another_host_or_makes_markup_of_text(name: str) -> None:
    text = ASSETS[name].decode().replace("http://www.w3.org/2000/svg", "")

    assert re.findall(r"(?:https?:|wss?:|[\"'(]\s*)//[\w.-]*", text) == []
    assert re.findall(FORBIDDEN, text) == []


@pytest.mark.parametrize("name", MODULES)
def test_a_module_imports_what_is_served(name: str) -> None:
    imported = [*imported_by(f"/{name}"), *imported_by(f"/{name}", r'import\("(\.[\w./]+)"\)')]

    assert [path for path in imported if path.removeprefix("/") not in ASSETS] == []


@pytest.mark.parametrize("name", ASSETS)
def test_a_file_is_of_a_size_that_can_be_read(name: str) -> None:
    assert ASSETS[name].count(b"\n") <= 400


def test_the_editor_has_the_defaults_of_the_api() -> None:
    """It leaves none of them out of what it sends, so a default of its own would be the one that counts."""
    (literal,) = re.findall(r"DEFAULTS = (\{.*?\});", ASSETS["config_fields.js"].decode(), re.DOTALL)
    fields = TaskConfigCreate.model_fields

    defaults = {
        name: each.get_default(call_default_factory=True) for name, each in fields.items() if not each.is_required()
    }

    assert json.loads(literal) == {
        name: default
        for name, default in defaults.items()
        if name not in ("parameters", "schedule_config", "status", "queue")
    }


def test_every_address_that_the_router_knows_is_served() -> None:
    patterns = re.findall(r"\[/\^((?:\\/\w*)+)", ASSETS["main.js"].decode())
    known = {pattern.replace("\\/", "/") for pattern in patterns}

    assert {path.rstrip("/") or "/" for path in known} == {path.partition("/{")[0] or "/" for path in ADDRESSES}


def imported_by(path: str, how: str = r'from "(\.[\w./]+)"') -> list[str]:
    """The paths of the modules that one imports."""
    folder = PurePosixPath(path).parent
    return [_resolved(folder, each) for each in re.findall(how, ASSETS[path.removeprefix("/")].decode())]


def reached_from(path: str) -> set[str]:
    """A module, and what it needs before it can run."""
    found = {path}
    while more := {each for one in found for each in imported_by(one)} - found:
        found |= more
    return found


def _resolved(folder: PurePosixPath, named: str) -> str:
    parts = [*folder.parts]
    for part in PurePosixPath(named).parts:
        parts = parts[:-1] if part == ".." else [*parts, part]
    return str(PurePosixPath(*parts))
