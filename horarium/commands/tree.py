"""`horarium tree`: the supervision tree as the API has it, once or live."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from horarium.client import shaped
from horarium.commands.console import refusals
from horarium.commands.talk import TokenOption, UrlOption  # noqa: TC001 - typer reads annotations at run time
from horarium.commands.watching import (
    DEFAULT_INTERVAL,
    IntervalOption,
    View,
    WatchJsonOption,
    WatchOption,
    present,
)
from horarium.settings import load_settings
from horarium.terminal import TreeNode, tree_lines

if TYPE_CHECKING:
    from datetime import datetime

    from rich.text import Text

    from horarium.client import ApiClient

__all__ = ["TREE", "app"]

app = typer.Typer()


@app.command()
def tree(
    watching: WatchOption = False,
    as_json: WatchJsonOption = False,
    interval: IntervalOption = DEFAULT_INTERVAL,
    url: UrlOption = None,
    token: TokenOption = None,
) -> None:
    """Show the supervised parts: state, restarts and why, uptime, mailboxes, what each is handling."""
    with refusals():
        settings = load_settings(api_url=url, token=token)
        present(settings, TREE, interval=interval if watching else None, as_json=as_json)


async def _read(client: ApiClient) -> Any:
    return await client.get("/system/tree")


def _lines(answer: Any, url: str, now: datetime) -> list[Text]:
    """The tree that was seen. Raises ApiError for an answer that is no tree."""
    return tree_lines(shaped(TreeNode, answer, url), now)


TREE = View("tree", _read, _lines)
