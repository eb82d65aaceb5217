"""The real tree inside the test's own event loop, over the test servers, with a client for its API."""

from __future__ import annotations

import io
import time
import uuid
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

import aiohttp
import anyio
import structlog

from horarium.clock import utc_now
from horarium.http.liveness import LIMIT_SECONDS, Liveness
from horarium.resources import open_resources
from horarium.settings import load_settings
from horarium.supervisor import StallMonitor, Supervisor, log_event
from horarium.supervisor.stall import THRESHOLD_SECONDS
from horarium.tree import supervisor_tree
from tests.support.identity import KEY

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from multidict import CIMultiDictProxy

    from horarium.resources import Resources
    from horarium.supervisor import SupervisorSpec

__all__ = ["PASSWORD", "Answer", "House", "a_tree", "credentials"]

PASSWORD = "a password of tests, and of tests only"
NUMBERS = count(1)
EVERY_SECOND = {"cron_expression": "* * * * * *"}

log = structlog.get_logger("tests.tree")


@dataclass(frozen=True)
class Answer:
    """What the API answered; `body` is None where there is none."""

    status: int
    body: Any
    headers: CIMultiDictProxy[str]

    @property
    def faults(self) -> set[str]:
        """The fields that a problem document names, as dotted paths."""
        return {".".join(map(str, error["loc"])) for error in self.body.get("errors", ())}


@dataclass
class House:
    """A running tree. `call` is made by a new admin unless a token is given."""

    resources: Resources
    supervisor: Supervisor
    url: str
    session: aiohttp.ClientSession
    tokens: dict[str, str] = field(default_factory=dict)

    async def call(
        self, method: str, path: str, body: object = None, *, headers: Mapping[str, str] | None = None, **options: Any
    ) -> Answer:
        """One request; `body` is sent as JSON, bytes as they are. `token` None: without one. Others: the query."""
        token = options.pop("token") if "token" in options else await self.token("admin")
        sent = {"data": io.BytesIO(body)} if isinstance(body, bytes) else {} if body is None else {"json": body}
        given = {"Authorization": f"Bearer {token}"} if token else {}
        typed = {"Content-Type": "application/json"} if isinstance(body, bytes) else {}
        query = {name: str(value) for name, value in options.items()}
        async with self.session.request(
            method, self.url + path, params=query, headers={**given, **typed, **(headers or {})}, **sent
        ) as response:
            if response.content_type == "text/event-stream":  # which has no end
                response.close()
                return Answer(response.status, None, response.headers)
            raw = await response.read()
            made = "json" in response.content_type and raw
            return Answer(response.status, await response.json(content_type=None) if made else None, response.headers)

    async def at_once(
        self, times: int, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> list[Answer]:
        """The same call so many times, all together."""
        await self.token("admin")
        answers: list[Answer] = []

        async def call() -> None:
            answers.append(await self.call(method, path, body, headers=headers))

        async with anyio.create_task_group() as group:
            for _ in range(times):
                group.start_soon(call)
        return answers

    async def get(self, path: str, **query: Any) -> Any:
        """What a call under /api/v1 that must succeed answers."""
        answer = await self.call("GET", f"/api/v1{path}", **query)
        assert answer.status == 200, answer
        return answer.body

    async def config(self, **fields: Any) -> int:
        """The id of a new config, which nothing fires."""
        by_hand = {"task_type": "echo", "parameters": {"message": "hello"}, "scheduler_type": "manual"}
        body = {"name": f"config {next(NUMBERS)}", **by_hand, **fields}
        answer = await self.call("POST", "/api/v1/task-configs", body)
        assert answer.status == 201, answer
        return int(answer.body["id"])

    async def token(self, role: str) -> str:
        """The token of a user of this role: always the same one."""
        if role not in self.tokens:
            self.tokens[role] = await self.new_token(role)
        return self.tokens[role]

    async def new_token(self, role: str) -> str:
        """The token of a new user of this role, made in SQL."""
        user_id = await self.sql(
            "INSERT INTO users (username, role, password_hash) VALUES ($1, $2, 'none') RETURNING id",
            f"{role}-{uuid.uuid4().hex}",
            role,
        )
        token, _ = self.resources.access_tokens.issue(user_id, 1, now=utc_now())
        return token

    async def user(self, **fields: Any) -> int:
        """The id of a new user with PASSWORD, a viewer if nothing else is said."""
        body = {"username": f"user {next(NUMBERS)}", "password": PASSWORD, **fields}
        answer = await self.call("POST", "/api/v1/users", body)
        assert answer.status == 201, answer
        return int(answer.body["id"])

    async def logged_in(self, **fields: Any) -> str:
        """The access token of a new user's login."""
        username = (await self.get(f"/users/{await self.user(**fields)}"))["username"]
        answer = await self.call("POST", "/api/v1/auth/login", credentials(username), token=None)
        assert answer.status == 200, answer
        return str(answer.body["access_token"])

    async def api_key(self, **fields: Any) -> dict[str, Any]:
        """A new API key, a viewer's if nothing else is said, with its text in `key`."""
        answer = await self.call("POST", "/api/v1/api-keys", {"name": f"key {next(NUMBERS)}", **fields})
        assert answer.status == 201, answer
        return dict(answer.body)

    async def sql(self, statement: str, *values: object) -> Any:
        """Run a statement; its first value."""
        async with self.resources.database.connection() as connection:
            return await connection.fetchval(statement, *values)


def credentials(username: str, password: str = PASSWORD) -> dict[str, str]:
    """What a login takes."""
    return {"username": username, "password": password}


@asynccontextmanager
async def a_tree(
    database_url: str,
    redis_url: str,
    prefix: str,
    *,
    stall_limit: float = LIMIT_SECONDS,
    change: Callable[[SupervisorSpec], SupervisorSpec] = lambda spec: spec,
    **settings: str,
) -> AsyncIterator[House]:
    """A tree with a worker, up, and its loop watched; stopped in order when the block ends.

    `change` may make another tree of the product's own.
    """
    known = {"database_url": database_url, "redis_url": redis_url, "key_prefix": prefix, "port": "0"}
    known |= {"secret_key": KEY, "admin_password": PASSWORD, "inline_worker": "1", "drain_seconds": "0"}
    environ = {f"HORARIUM_{name.upper()}": value for name, value in (known | settings).items()}
    ports: list[int] = []
    async with open_resources(load_settings(environ)) as resources, anyio.create_task_group() as group:
        stalls = StallMonitor(
            time.monotonic, threshold=min(THRESHOLD_SECONDS, stall_limit), on_lag=resources.measures.lag
        )
        spec = supervisor_tree(
            resources,
            supervisor=lambda: supervisor,
            tell_password=lambda _: None,
            listening=ports.append,
            liveness=Liveness(stalls.stalled_for, stall_limit),
        )
        supervisor = Supervisor(change(spec), on_event=partial(log_event, log))
        await group.start(partial(stalls.run, "horarium", supervisor.events, partial(log_event, log)))
        await group.start(_run, supervisor)
        async with aiohttp.ClientSession() as session:
            yield House(resources, supervisor, f"http://127.0.0.1:{ports[-1]}", session)
        supervisor.stop()
        assert await supervisor.wait_stopped() == ()
        group.cancel_scope.cancel()


async def _run(supervisor: Supervisor, *, task_status: Any) -> None:
    await supervisor.run(task_status=task_status)
