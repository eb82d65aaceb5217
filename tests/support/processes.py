"""`horarium` as a user has it: a process, what it prints, what it logs, and its API over HTTP alone."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any

import psutil  # type: ignore[import-untyped]  # ships no types

from tests.support.waiting import WAIT_SECONDS, until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from email.message import Message
    from pathlib import Path

__all__ = [
    "END_SECONDS",
    "PASSWORD",
    "START_SECONDS",
    "Answer",
    "Client",
    "Running",
    "environment",
    "horarium",
    "running",
    "servers_of",
]

PASSWORD = "a password of tests, and of tests only"
START_SECONDS = 120.0
"""How long is waited for what a process has to start for, beside others that start."""

END_SECONDS = 60.0
"""How long an end is waited for; whoever has promised one sooner measures it."""

CALL_SECONDS = 60.0
BANNER = re.compile(r"API\s+(http://\S+)/api/v1")
NUMBERS = count(1)


@dataclass(frozen=True)
class Answer:
    """What the API answered."""

    status: int
    body: Any
    headers: Message

    @property
    def faults(self) -> set[str]:
        """The fields that a problem document names, as dotted paths."""
        return {".".join(map(str, error["loc"])) for error in self.body.get("errors", ())}


@dataclass
class Client:
    """Calls one API, with a token once it is logged in."""

    url: str
    token: str | None = None
    ticking: list[int] = field(default_factory=list)
    """The configs that it has made and that fire by themselves."""

    def call(
        self, method: str, path: str, body: object = None, *, headers: Mapping[str, str] | None = None, **query: object
    ) -> Answer:
        """One request; `body` is sent as JSON, bytes as they are. Paths not of the root are under /api/v1."""
        path = path if path in ("/livez", "/readyz", "/openapi.json") else f"/api/v1{path}"
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(  # noqa: S310 - http, to our own process
            f"{self.url}{path}?{urllib.parse.urlencode(query)}",
            data,
            {**self._headers(), **(headers or {})},
            method=method,
        )
        try:
            with urllib.request.urlopen(request, timeout=CALL_SECONDS) as response:  # noqa: S310 - as above
                return Answer(response.status, _json(response.read()), response.headers)
        except urllib.error.HTTPError as refusal:
            with refusal:
                return Answer(refusal.code, _json(refusal.read()), refusal.headers)

    def get(self, path: str, **query: object) -> Any:
        """What a call that must succeed answers."""
        answer = self.call("GET", path, **query)
        assert answer.status == 200, answer
        return answer.body

    def post(self, path: str, body: object = None, **headers: str) -> Any:
        """What a call that must succeed answers."""
        answer = self.call("POST", path, body, headers=headers)
        assert answer.status in (200, 201, 202), answer
        return answer.body

    def log_in(self, password: str = PASSWORD) -> Any:
        """Log in as the admin, and stay so; answers the tokens."""
        pair = self.post("/auth/login", {"username": "admin", "password": password})
        self.token = pair["access_token"]
        return pair

    def config(self, **fields: object) -> int:
        """The id of a new config: by default one that echoes every second."""
        number = next(NUMBERS)
        every_second = {
            "name": f"config {number}",
            "task_type": "echo",
            "parameters": {"message": f"hello {number}"},
            "scheduler_type": "cron",
            "schedule_config": {"cron_expression": "* * * * * *"},
        }
        made = self.post("/task-configs", every_second | fields)
        if made["scheduler_type"] != "manual":
            self.ticking.append(made["id"])
        return int(made["id"])

    def every(self, path: str, **query: object) -> list[Any]:
        """All items of a list, page after page."""
        page = self.get(path, limit=200, **query)
        items = page["items"]
        while page["next_cursor"] is not None:
            page = self.get(path, limit=200, cursor=page["next_cursor"], **query)
            items += page["items"]
        return items

    def executions(self, config_id: int, **query: object) -> list[Any]:
        """All executions of a config, newest first."""
        return self.every(f"/task-configs/{config_id}/executions", **query)

    def ended(self, task_id: str, *, within: float = WAIT_SECONDS) -> Any:
        """An execution, once it is final."""

        def final() -> Any:
            execution = self.get(f"/executions/{task_id}")
            return execution if execution["completed_at"] else None

        return until(final, within=within)

    def _headers(self) -> dict[str, str]:
        authorization = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        return {"Content-Type": "application/json", **authorization}


@dataclass
class Running:
    """A started `horarium`."""

    process: subprocess.Popen[bytes]
    folder: Path

    @property
    def out(self) -> str:
        """What it has printed."""
        return (self.folder / "out").read_text()

    @property
    def log(self) -> str:
        """What it has written to stderr."""
        return (self.folder / "err").read_text()

    @property
    def events(self) -> list[dict[str, Any]]:
        """Its log lines."""
        return [json.loads(line) for line in self.log.splitlines() if line.startswith("{")]

    def printed(self, pattern: str | re.Pattern[str], *, within: float = START_SECONDS) -> str:
        """The first group of the pattern, once it is printed; fails as soon as the process has ended."""

        def look() -> re.Match[str] | None:
            over = self.process.poll() is not None  # before the text: what ends writes first
            found = re.search(pattern, self.out)
            assert found or not over, f"exit code {self.process.returncode}: {self.log[-3000:]}"
            return found

        return until(look, within=within)[1]

    def ended(self, *, within: float = END_SECONDS) -> int:
        """Its exit code, once it has ended."""
        return self.process.wait(within)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to stop; its exit code."""
        self.process.send_signal(number)
        return self.ended()

    def kill(self) -> None:
        """End it as `kill -9` does, and nothing but the process itself."""
        self.process.kill()
        self.process.wait()

    def tree(self) -> list[psutil.Process]:
        """Every process below it, as of now."""
        found: list[psutil.Process] = psutil.Process(self.process.pid).children(recursive=True)
        return found

    @property
    def url(self) -> str:
        """Where it serves, once it has said so."""
        return self.printed(BANNER)

    def client(self, password: str = PASSWORD) -> Client:
        """A client that is logged in."""
        client = Client(self.url)
        client.log_in(password)
        return client


def environment(**settings: object) -> dict[str, str]:
    """This process's environment with these settings (None: unset) and no others of ours."""
    others = {name: value for name, value in os.environ.items() if not name.startswith("HORARIUM_")}
    return others | {f"HORARIUM_{name.upper()}": str(value) for name, value in settings.items() if value is not None}


def servers_of(data_dir: Path) -> list[psutil.Process]:
    """The Postgres and Redis processes that work in a data directory, whoever their parent is."""
    found = psutil.process_iter(["cwd"])
    return [process for process in found if (process.info["cwd"] or "").startswith(f"{data_dir}/")]


@contextmanager
def running(
    data_dir: Path,
    /,
    *arguments: str,
    program: Sequence[str] = ("-m", "horarium"),
    output: Path | None = None,
    **settings: object,
) -> Iterator[Running]:
    """`horarium` with these arguments and settings (None: unset), whatever it does; killed when the block ends.

    `program` is what Python is given to run in its place, `output` where it writes to instead of files of its own.
    """
    folder = data_dir.parent / f"run-{next(NUMBERS)}"
    folder.mkdir()
    with (
        (output or folder / "out").open("wb") as out,
        (output or folder / "err").open("wb") as err,
        subprocess.Popen(  # noqa: S603 - ourselves
            [sys.executable, *program, *arguments],
            env=environment(**settings),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
        ) as process,
    ):
        try:
            yield Running(process, folder)
        finally:
            process.kill()


@contextmanager
def horarium(data_dir: Path, /, *arguments: str, **settings: object) -> Iterator[Running]:
    """`horarium up` on a free port, up; when the block ends it is stopped, and what it leaves behind is killed."""
    defaults = {"admin_password": PASSWORD, "data_dir": data_dir, "port": 0}
    with running(data_dir, "up", *arguments, **(defaults | settings)) as started:
        try:
            assert started.url
            yield started
            if started.process.poll() is None:
                assert started.stop() == 0
        finally:
            started.process.kill()
            started.process.wait()
            for server in servers_of(data_dir):
                server.kill()


def _json(raw: bytes) -> Any:
    return json.loads(raw) if raw else None
