"""`horarium status`: does it schedule, is there anybody to work, what waits; once or live.

A Horarium that nobody leads, or whose broker is away, cannot do its work just now, and the exit code says so: 6, as
for an API that does not answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer
from rich.text import Text

from horarium.client import ApiAway
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
from horarium.commands.words import age, counted, pairs, plain
from horarium.settings import load_settings

if TYPE_CHECKING:
    from datetime import datetime

    from horarium.client import ApiClient

__all__ = ["app", "status_lines"]

app = typer.Typer()


@app.command()
def status(
    watching: WatchOption = False,
    as_json: WatchJsonOption = False,
    interval: IntervalOption = DEFAULT_INTERVAL,
    url: UrlOption = None,
    token: TokenOption = None,
) -> None:
    """Show everything at a glance: scheduler, broker, workers, queues. Exit code 6 where no work can be done."""
    with refusals():
        settings = load_settings(api_url=url, token=token)
        answer = present(settings, STATUS, interval=interval if watching else None, as_json=as_json)
    if not (answer["scheduler_running"] and answer["broker_connected"]):
        raise typer.Exit(ApiAway.exit_code)


async def _read(client: ApiClient) -> Any:
    return await client.get("/system/status")


def status_lines(answer: dict[str, Any], url: str, now: datetime) -> list[Text]:
    """What a glance should see."""
    configs = (
        f"{answer['total_configs']}, {answer['active_configs']} active, {answer['total_scheduled_jobs']} scheduled"
    )
    rows: list[tuple[str, str | Text]] = [
        ("Scheduler", _scheduler(answer)),
        ("Broker", _good("connected") if answer["broker_connected"] else _bad("away: nothing is sent to workers")),
        ("Configs", configs),
        ("In flight", str(answer["total_active_tasks"])),
        *_workers(answer["worker"]["workers"]),
        *(
            ("Queue", f"{name}  {counted(queue['depth'], 'message')}")
            for name, queue in sorted(answer["queues"].items())
        ),
        *(("Event", _event(event, now)) for event in answer["recent_events"]),
    ]
    return [Text(plain(url), "bold"), *pairs(rows)]


def _scheduler(answer: dict[str, Any]) -> Text:
    scheduler = answer["scheduler"]
    if not answer["scheduler_running"]:
        return _bad("nobody schedules")
    who = (
        "this process leads" if scheduler["leader"] else f"led by {plain(scheduler['leader_id'] or 'another process')}"
    )
    return _good("running").append(f", {who}, take-over {scheduler['epoch']}", "")


def _workers(workers: list[dict[str, Any]]) -> list[tuple[str, str | Text]]:
    if not workers:
        return [("Worker", _bad("none: nothing is run"))]
    return [("Worker", _worker(worker)) for worker in workers]


def _worker(worker: dict[str, Any]) -> str:
    queues = ", ".join(worker["queues"])
    return f"{worker['id']}  {worker['active']} of {worker['concurrency']} at work, reads {queues}"


def _event(event: dict[str, Any], now: datetime) -> str:
    who = ".".join(filter(None, (event["supervisor"], event["child"])))
    return f"{age(event['at'], now)}  {event['event']}  {who}"


def _good(words: str) -> Text:
    return Text(words, "green")


def _bad(words: str) -> Text:
    return Text(words, "red")


STATUS = View("status", _read, status_lines)
