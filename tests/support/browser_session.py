"""The cookie session of a page, as a browser has it: what it sends by itself, and what it is told to keep."""

from __future__ import annotations

from http.cookies import SimpleCookie
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from horarium.http.browser import PATH, cookie_name
from horarium.http.own_page import FIELD
from tests.support.tree import PASSWORD, credentials

if TYPE_CHECKING:
    from http.cookies import Morsel

    from tests.support.tree import Answer, House

__all__ = ["OWN_PAGE", "BrowserTab", "cookie_of", "kept"]

OWN_PAGE = {FIELD: "1", "Sec-Fetch-Site": "same-origin"}
"""What a page that Horarium serves sends with each call, by itself and by its browser."""


class BrowserTab:
    """One tab: calls the session's paths with the cookie that it has."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.name = cookie_name(urlsplit(house.url).netloc)
        self.value: str | None = None

    async def post(self, path: str, body: object = None, token: str | None = None, **headers: str) -> Answer:
        """One call; keeps what cookie the answer has. Headers: with underscores for hyphens, empty to leave one out."""
        given = OWN_PAGE | {name.replace("_", "-"): value for name, value in headers.items()}
        cookie = {} if self.value is None else {"Cookie": f"{self.name}={self.value}"}
        sent = {name: value for name, value in (given | cookie).items() if value}
        answer = await self.house.call("POST", f"{PATH}/{path}", body, token=token, headers=sent)
        if "Set-Cookie" in answer.headers:
            self.value = kept(answer, self.name).value or None
        return answer

    async def log_in(self, username: str = "admin", *, remember: bool = False, **headers: str) -> Answer:
        """Log in; must succeed."""
        body = credentials(username, PASSWORD) | {"remember_me": remember}
        answer = await self.post("login", body, **headers)
        assert answer.status == 200, answer
        return answer


def kept(answer: Answer, name: str) -> Morsel[str]:
    """The cookie that an answer sets."""
    return SimpleCookie(answer.headers["Set-Cookie"])[name]


async def cookie_of(house: House) -> dict[str, str]:
    """The field of the head that a tab sends which has logged in."""
    tab = BrowserTab(house)
    await tab.log_in()
    return {"Cookie": f"{tab.name}={tab.value}"}
