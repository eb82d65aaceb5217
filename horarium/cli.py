"""The command line: every command by its name, and where it is. None is imported before it is called."""

from __future__ import annotations

import sys
from io import TextIOWrapper

import typer

from horarium.commands.lazy import Lazy, LazyGroup
from horarium.commands.stdout import OutputLost, give_up, guard_stdout, leave_nothing_in
from horarium.exit_codes import EXIT_CODES

__all__ = ["COMMANDS", "app", "main"]

COMMANDS = {
    "up": Lazy(
        "up", "Run the supervisor: scheduling, the API, and with no settings at all Postgres, Redis and a worker too."
    ),
    "worker": Lazy("worker", "Run tasks. Needs HORARIUM_DATABASE_URL and HORARIUM_REDIS_URL."),
    "login": Lazy("login", "Log in to a running Horarium and store the login for the other commands."),
    "logout": Lazy("login", "End every session of the stored login's user on the server, and forget the login here."),
    "status": Lazy(
        "status",
        "Show everything at a glance: scheduler, broker, workers, queues. Exit code 6 where no work can be done.",
    ),
    "tree": Lazy(
        "tree", "Show the supervised parts: state, restarts and why, uptime, mailboxes, what each is handling."
    ),
    "apply": Lazy("apply", "Make the configs as the files declare them, all of it or nothing."),
    "export": Lazy("apply", "Write all configs as a file that `apply` takes, and calls unchanged."),
    "schema": Lazy("apply", "Print the JSON Schema of horarium.yaml, for editors."),
    "next": Lazy("next_ticks", "Show when a schedule fires next, in its zone and in UTC. Needs no server."),
    "migrate": Lazy(
        "migrate", "Bring the database to the schema of this release; waits while another process does so."
    ),
    "doctor": Lazy(
        "doctor", "Check servers, versions, clocks, rights, settings and the running parts, and say what to do."
    ),
    "config": Lazy("config", "Task configs: what is scheduled, how, and what comes of it.", is_group=True),
    "execution": Lazy("execution", "Executions: what became of every tick and every run.", is_group=True),
    "workers": Lazy("workers", "Workers: who runs tasks, and whether they take more.", is_group=True),
    "limits": Lazy("task_limits", "Limits of queues and task types, over all workers.", is_group=True),
    "notifications": Lazy(
        "notifications",
        "Notifications: who is told when executions end badly, by webhook or by mail.",
        is_group=True,
    ),
    "user": Lazy("user", "Users: who may log in, and as what.", is_group=True),
    "api-key": Lazy("api_key", "API keys: for machines, each with a role and an end of its own.", is_group=True),
    "import": Lazy(
        "importing",
        "Carry over what another scheduler has. Shows what it would make, unless told to --apply.",
        is_group=True,
    ),
}


class _Commands(LazyGroup):
    """The root."""

    table = COMMANDS


app = typer.Typer(name="horarium", cls=_Commands, no_args_is_help=True, add_completion=True)


def main() -> None:
    """The entry point of the command `horarium`."""
    guard_stdout()
    if isinstance(sys.stderr, TextIOWrapper):
        sys.stderr.reconfigure(errors="replace")
    try:
        app()
    except OutputLost as lost:
        give_up(sys.stdout)
        if not lost.reader_gone:
            sys.stderr.write(f"horarium: {lost}\n")
        sys.exit(lost.exit_code)
    finally:
        if isinstance(sys.stderr, TextIOWrapper):
            leave_nothing_in(sys.stderr)


@app.callback(epilog=EXIT_CODES)
def _root() -> None:
    """Supervised scheduled work for Python teams."""
