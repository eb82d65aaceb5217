"""`horarium notifications`: who is told when executions end badly, and what came of each message."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from horarium.client import NoSuchThing, open_client
from horarium.client.configs import find_config
from horarium.clock import utc_now
from horarium.commands.console import complain, listed, print_json, refusals, remark, say
from horarium.commands.notification_words import EVENTS, MESSAGE_HEADINGS, RULE_HEADINGS, message_words, rule_words
from horarium.commands.talk import JsonOption, LinesOption, TokenOption, UrlOption, talk
from horarium.settings import load_settings

if TYPE_CHECKING:
    from horarium.client import ApiClient
    from horarium.settings import Settings

__all__ = ["app"]

app = typer.Typer(
    help="Notifications: who is told when executions end badly, by webhook or by mail.", no_args_is_help=True
)

RULES = "/notification-rules"
EXIT_NOT_DELIVERED = 1
Name = Annotated[str, typer.Argument(help="The rule's name.")]


@app.command("list")
def list_rules(as_json: LinesOption = False, url: UrlOption = None, token: TokenOption = None) -> None:
    """Show all rules, with what came of the last message of each."""
    with refusals():
        rows = talk(partial(_all, load_settings(api_url=url, token=token)))
    listed(rows, RULE_HEADINGS, rule_words(utc_now()), as_json=as_json)


@app.command()
def add(  # noqa: PLR0913, PLR0917 - each is an option of the command line
    name: Name,
    webhook: Annotated[str | None, typer.Option(help="URL that messages are posted to.")] = None,
    email: Annotated[list[str] | None, typer.Option(help="Address that mail goes to; again for another.")] = None,
    event: Annotated[list[str] | None, typer.Option(help="What is told; again for another (default: all).")] = None,
    config: Annotated[list[str] | None, typer.Option(help="Config, by name or id; again for another.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="Configs with this tag; again for another.")] = None,
    every: Annotated[bool, typer.Option("--every", help="Tell every failure in a row, not the first alone.")] = False,
    as_json: JsonOption = False,
    url: UrlOption = None,
    token: TokenOption = None,
) -> None:
    """Make a rule. For a webhook its secret is printed, this once: nothing else goes to stdout."""
    body: dict[str, Any] = {"name": name, "events": list(event or EVENTS), "tags": list(tag or ())}
    body |= {"repeat": "every" if every else "first"}
    body |= {} if webhook is None else {"webhook": {"url": webhook}}
    body |= {"email": {"to": list(email)}} if email else {}
    with refusals():
        made = talk(partial(_add, load_settings(api_url=url, token=token), body, list(config or ())))
    if as_json:
        print_json(made)
        return
    if made["secret"] is not None:
        typer.echo(made["secret"])
    remark(f"Made the rule {made['name']}." + (" Its secret is not shown again." if made["secret"] else ""))


@app.command()
def disable(name: Name, url: UrlOption = None, token: TokenOption = None) -> None:
    """Tell nothing by a rule until it is enabled again; what it has still to send is given up."""
    with refusals():
        talk(partial(_of_rule, load_settings(api_url=url, token=token), "PATCH", name, "", {"enabled": False}))
    say(f"The rule {name} tells nothing.")


@app.command()
def enable(name: Name, url: UrlOption = None, token: TokenOption = None) -> None:
    """Tell by a rule again."""
    with refusals():
        talk(partial(_of_rule, load_settings(api_url=url, token=token), "PATCH", name, "", {"enabled": True}))
    say(f"The rule {name} tells again.")


@app.command("rotate-secret")
def rotate_secret(name: Name, url: UrlOption = None, token: TokenOption = None) -> None:
    """Give a webhook another secret and print it, this once: nothing else goes to stdout. For a day both sign."""
    with refusals():
        made = talk(partial(_of_rule, load_settings(api_url=url, token=token), "POST", name, "/rotate-secret"))
    typer.echo(made["secret"])
    remark(f"The rule {made['name']} has another secret, which is not shown again. For a day both sign.")


@app.command()
def remove(name: Name, url: UrlOption = None, token: TokenOption = None) -> None:
    """Take a rule away, and with it its messages."""
    with refusals():
        talk(partial(_of_rule, load_settings(api_url=url, token=token), "DELETE", name, ""))
    say(f"Removed the rule {name}.")


@app.command("test")
def send_test(name: Name, as_json: JsonOption = False, url: UrlOption = None, token: TokenOption = None) -> None:
    """Send a test, and say what came of it; exit code 1 where it has not arrived."""
    with refusals():
        outcome = talk(partial(_of_rule, load_settings(api_url=url, token=token), "POST", name, "/test"))
    detail = f": {outcome['detail']}" if outcome["detail"] else ""
    if as_json:
        print_json(outcome)
    elif outcome["delivered"]:
        say(f"The test of {name} has arrived after {outcome['seconds']:g} s{detail}.")
    else:
        complain(f"the test of {name} has not arrived{detail}")
    if not outcome["delivered"]:
        raise typer.Exit(EXIT_NOT_DELIVERED)


@app.command()
def deliveries(
    status: Annotated[str | None, typer.Option(help="pending, delivered, failed or suppressed.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="How many, newest first.")] = 20,
    as_json: LinesOption = False,
    url: UrlOption = None,
    token: TokenOption = None,
) -> None:
    """Show the newest messages, and what came of each."""
    with refusals():
        rows = talk(partial(_messages, load_settings(api_url=url, token=token), status, limit))
    listed(rows, MESSAGE_HEADINGS, message_words(utc_now()), as_json=as_json)


@app.command()
def retry(
    message: Annotated[str, typer.Argument(help="The message's id, as `deliveries` shows it.")],
    url: UrlOption = None,
    token: TokenOption = None,
) -> None:
    """Try a message that has not arrived at once, and for another day."""
    with refusals():
        talk(partial(_retry, load_settings(api_url=url, token=token), message))
    say(f"The message {message} is sent again.")


async def _all(settings: Settings) -> list[dict[str, Any]]:
    async with open_client(settings) as client:
        return await client.items(RULES)


async def _add(settings: Settings, body: dict[str, Any], configs: list[str]) -> Any:
    async with open_client(settings) as client:
        ids = [(await find_config(client, each))["id"] for each in configs]
        return await client.call("POST", RULES, body={**body, "config_ids": ids})


async def _of_rule(settings: Settings, method: str, name: str, path: str, body: object = None) -> Any:
    async with open_client(settings) as client:
        return await client.call(method, f"{RULES}/{await _id_of(client, name)}{path}", body=body)


async def _messages(settings: Settings, status: str | None, limit: int) -> list[dict[str, Any]]:
    async with open_client(settings) as client:
        wanted = {} if status is None else {"status": status}
        page = await client.get("/notifications", limit=str(limit), **wanted)
        return list(page["items"])


async def _retry(settings: Settings, message: str) -> Any:
    async with open_client(settings) as client:
        return await client.call("POST", f"/notifications/{quote(message, safe='')}/retry")


async def _id_of(client: ApiClient, name: str) -> int:
    """The id of a rule; raises NoSuchThing."""
    found = [rule["id"] for rule in await client.items(RULES) if rule["name"].lower() == name.lower()]
    if not found:
        raise NoSuchThing(f"{client.url} knows no notification rule {name!r}")
    return int(found[0])
