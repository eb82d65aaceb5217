"""The page that documents the API: it is served, strict about what it runs, and knows no host but its own."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import PurePath
from typing import TYPE_CHECKING

import pytest

from horarium.http.pages import FILES, POLICY, TYPES

if TYPE_CHECKING:
    from tests.support.tree import House

pytestmark = pytest.mark.anyio

PATHS = {name: "/docs" if name == "index.html" else f"/docs/{name}" for name in FILES}


class Tags(HTMLParser):
    """Every tag of a page with its attributes, and the text that stands in scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.attributes: list[tuple[str, str, str | None]] = []
        self.inline = ""
        self._tag = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._tag = tag
        self.attributes += [(tag, name, value) for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.inline += data.strip() if self._tag in ("script", "style") else ""


@pytest.mark.parametrize(("name", "path"), PATHS.items())
async def test_each_file_of_the_page_is_served_to_everybody(house: House, name: str, path: str) -> None:
    async with house.session.get(house.url + path) as answer:
        body = await answer.read()

    assert (answer.status, body) == (200, FILES[name])
    assert answer.headers["Content-Security-Policy"] == POLICY
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.content_type == TYPES[PurePath(name).suffix]


def test_the_policy_lets_nothing_run_but_the_pages_own_files() -> None:
    assert POLICY.startswith("default-src 'none'; ")
    assert "unsafe" not in POLICY
    assert set(re.findall(r"-src ([^;]*)", POLICY)) == {"'none'", "'self'"}


@pytest.mark.parametrize("name", FILES)
def test_no_file_names_another_host(name: str) -> None:
    text = FILES[name].decode()

    assert re.findall(r"(?:https?:|wss?:|[\"'(]\s*)//[\w.-]*", text) == []
    assert re.findall(r"url\(|@import|importScripts|eval\(|innerHTML|localStorage|sessionStorage|cookie", text) == []


def test_the_page_has_nothing_inline_and_refers_to_what_is_served_alone() -> None:
    page = Tags(FILES["index.html"].decode())
    named = {str(value) for _, name, value in page.attributes if name in ("href", "src")}

    assert page.inline == ""
    assert [name for _, name, _ in page.attributes if name == "style" or name.startswith("on")] == []
    assert {path for path in named if not path.startswith("#")} <= {*PATHS.values(), "/openapi.json"}


@pytest.mark.parametrize("name", [name for name in FILES if name.endswith(".js")])
def test_a_module_imports_what_is_served_alone(name: str) -> None:
    imported = re.findall(r'from "\./([\w.]+)"', FILES[name].decode())

    assert set(imported) <= set(FILES)
