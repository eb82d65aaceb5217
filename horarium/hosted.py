"""A worker inside taskiq's own command: `taskiq worker app:broker --receiver horarium.tasks:Receiver`.

taskiq imports the app, starts its processes, takes the signals, and shuts the app's broker down at the end. What it
hands the broker to is the tree of `horarium worker`, whole: the same settings from the environment, the same claims,
heartbeat, fence and drain, beside any number of workers that were started the other way. taskiq's options decide how
much it takes on and how long it drains (`--max-async-tasks`, `--wait-tasks-timeout`) where they are given, the settings
where not. Options that would undo what is promised are named in a warning, and have no effect.

taskiq starts a process that ends again, for ever. Faulty settings do not mend by that: they are said once by each
process, and its parent is told to stop.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from typing import TYPE_CHECKING, Any, Never

import structlog
from taskiq.acks import AcknowledgeType
from taskiq.receiver import Receiver as TaskiqReceiver

from horarium.errors import ConfigurationError
from horarium.exit_codes import EXIT_MISCONFIGURED
from horarium.host import Host
from horarium.logs import join_logging
from horarium.resources import open_resources
from horarium.settings import load_settings
from horarium.supervisor import StallMonitor
from horarium.tree import worker_tree

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping
    from concurrent.futures import Executor

    from taskiq import AsyncBroker

    from horarium.settings import Settings

__all__ = ["Receiver"]

log = structlog.get_logger(__name__)

WITHOUT_EFFECT: Mapping[str, tuple[object, str]] = {
    "validate_params": (True, "--no-parse"),
    "max_async_tasks_jitter": (0, "--max-async-tasks-jitter"),
    "max_prefetch": (0, "--max-prefetch"),
    "propagate_exceptions": (True, "--no-propagate-errors"),
    "ack_type": (AcknowledgeType.WHEN_SAVED, "--ack-type"),
    "max_tasks_to_execute": (None, "--max-tasks-per-child"),
}
"""What taskiq's options are by themselves, and what they are called where they are something else."""

USUAL_ASYNC_TASKS = 100
"""What taskiq says when it is not told how many tasks to run at once."""


class Receiver(TaskiqReceiver):
    """What taskiq makes in each of its worker processes; it takes whatever taskiq's own receiver does.

    Raises ConfigurationError for faulty settings, or, in a process that taskiq's command has started, ends the command.
    """

    def __init__(self, broker: AsyncBroker, executor: Executor | None = None, **options: Any) -> None:
        super().__init__(broker, executor, **options)
        try:
            self._settings = _settings(options)
        except ConfigurationError as error:
            _refuse(error)
        join_logging(self._settings.log_level)
        in_vain = [name for option, (usual, name) in WITHOUT_EFFECT.items() if options.get(option, usual) != usual]
        if in_vain:
            log.warning("options.without_effect", options=in_vain)

    async def listen(self, finish_event: asyncio.Event) -> None:
        """Work until asked to finish; raises SystemExit when the tree gives up."""
        if self.run_startup:
            await self.broker.startup()
        try:
            code = await self._host(finish_event)
        except ConfigurationError as error:
            _refuse(error)
        if code:
            sys.exit(code)
        if self.on_exit is not None:
            self.on_exit(self)

    async def _host(self, finish_event: asyncio.Event) -> int:
        async with open_resources(self._settings, hosted_by=self.broker) as resources:

            async def when_ready() -> None:
                log.info("worker.ready", worker=resources.worker_id)

            spec = worker_tree(resources, supervisor=lambda: host.supervisor)
            host = Host(spec, StallMonitor(time.monotonic), asked=finish_event)
            return await host.run(when_ready)


def _settings(options: Mapping[str, Any]) -> Settings:
    tasks = options.get("max_async_tasks")
    settings = load_settings(
        worker_concurrency=tasks if tasks and tasks > 0 and tasks != USUAL_ASYNC_TASKS else None,
        drain_seconds=options.get("wait_tasks_timeout"),
    )
    settings.check_servers()
    return settings


def _refuse(error: ConfigurationError) -> Never:
    """End this process and the command that would start it again; raises the error where there is no such command."""
    parent = multiprocessing.parent_process()
    if parent is None or parent.pid is None:
        raise error
    sys.stderr.write(f"horarium: {error}\n")
    os.kill(parent.pid, signal.SIGTERM)
    sys.exit(EXIT_MISCONFIGURED)
