"""A handful of lively configs for `horarium up --demo`, made once: what is there already is left as it is."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from horarium.errors import Conflict
from horarium.model import TaskConfigCreate
from horarium.tasks.addresses import Opening
from horarium.tasks.egress import Egress

if TYPE_CHECKING:
    from datetime import datetime

    from taskiq import AsyncBroker

    from horarium.lifecycle import TaskConfigs

__all__ = ["create_demo", "open_own_api"]

HOST = "127.0.0.1"


async def create_demo(task_configs: TaskConfigs, *, now: datetime, port: int) -> int:
    """Make the demo's configs; returns how many were new."""
    made = 0
    for config in _configs(now, port):
        try:
            await task_configs.create(config)
        except Conflict:  # made by an earlier start
            continue
        made += 1
    return made


def open_own_api(receiver: AsyncBroker, port: int) -> None:
    """Let requests of our own worker reach our own API, whose address is not public, and nothing beside it."""
    egress: Egress = receiver.custom_dependency_context[Egress]
    receiver.add_dependency_context({Egress: egress.also(Opening.parse(f"{HOST}:{port}"))})


def _configs(now: datetime, port: int) -> list[TaskConfigCreate]:
    soon = (now + timedelta(seconds=20)).isoformat()
    return [
        _config("demo: every second", "echo", {"message": "tick"}, "cron", {"cron_expression": "* * * * * *"}),
        _config("demo: every ten seconds", "sleep", {"seconds": 1.5}, "interval", {"seconds": 10}),
        _config("demo: once, soon", "echo", {"message": "only once"}, "date", {"run_date": soon}),
        _config(
            "demo: own health",
            "http_request",
            {"url": f"http://{HOST}:{port}/livez"},
            "interval",
            {"seconds": 15},
        ),
        _config(
            "demo: fails and retries",
            "fail",
            {"message": "this one always fails"},
            "cron",
            {"cron_expression": "*/30 * * * * *"},
            max_retries=2,
            retry_backoff_seconds=2,
        ),
        _config(
            "demo: runs past its timeout",
            "sleep",
            {"seconds": 60},
            "cron",
            {"cron_expression": "15,45 * * * * *"},
            timeout_seconds=3,
        ),
    ]


def _config(
    name: str, task_type: str, parameters: dict[str, object], kind: str, schedule: dict[str, object], **policies: object
) -> TaskConfigCreate:
    return TaskConfigCreate.model_validate(
        {
            "name": name,
            "task_type": task_type,
            "parameters": parameters,
            "scheduler_type": kind,
            "schedule_config": schedule,
            "tags": ["demo"],
            **policies,
        }
    )
