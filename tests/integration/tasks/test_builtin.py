"""The built-in task types, and what an HTTP request tells its receiver."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from horarium.tasks.builtin import BODY_LIMIT_BYTES
from horarium.tasks.egress import Egress
from tests.support.names import Answering

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.workbench import Workbench

pytestmark = pytest.mark.anyio


class Receiver(TestServer):
    """Notes what it is asked, and answers what the path says."""

    def __init__(self) -> None:
        app = web.Application()
        app.router.add_route("*", "/{status:\\d+}", self.answer)
        app.router.add_route("*", "/charset/{charset:.*}", self.charset)
        app.router.add_route("*", "/never", self.never)
        app.router.add_route("*", "/pieces", self.pieces)
        app.router.add_route("*", "/again", self.again)
        app.router.add_route("*", "/astray", self.astray)
        app.router.add_route("*", "/onward", self.onward)
        super().__init__(app)
        self.seen: list[tuple[web.Request, bytes]] = []

    async def answer(self, request: web.Request) -> web.Response:
        self.seen.append((request, await request.read()))
        return web.Response(text="answer", status=int(request.match_info["status"]))

    async def charset(self, request: web.Request) -> web.Response:
        charset = request.match_info["charset"]
        return web.Response(body="é".encode("latin-1"), headers={"Content-Type": f"text/plain; charset={charset}"})

    async def never(self, _request: web.Request) -> web.Response:
        await asyncio.Event().wait()
        return web.Response()

    async def again(self, request: web.Request) -> web.Response:
        raise web.HTTPFound(request.rel_url)

    async def astray(self, request: web.Request) -> web.Response:
        raise web.HTTPFound(f"ftp://elsewhere/?{request.query_string}")

    async def onward(self, request: web.Request) -> web.Response:
        raise web.HTTPFound(request.query["to"])

    async def pieces(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(10):
            await response.write(b"x" * 10_000)
        return response

    def at(self, path: str) -> str:
        return str(self.make_url(path))


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as server:
        yield server


async def test_an_answer_is_the_result(bench: Workbench, receiver: Receiver) -> None:
    row = await bench.run("http_request", {"url": receiver.at("/200")})

    assert (row["status"], row["error"]) == ("success", None)
    assert row["result"] == {"status": 200, "content_type": "text/plain", "body": "answer"}


async def test_a_request_says_which_execution_it_belongs_to(bench: Workbench, receiver: Receiver) -> None:
    row = await bench.run(
        "http_request", {"url": receiver.at("/200"), "method": "PUT", "headers": {"X-Own": "yes"}, "body": {"a": [1]}}
    )

    ((request, body),) = receiver.seen
    assert request.method == "PUT"
    assert request.headers["Idempotency-Key"] == str(row["id"])
    assert request.headers["Horarium-Config"] == str(row["config_id"])
    assert request.headers["Horarium-Attempt"] == "1"
    assert request.headers["Horarium-Tick"] == ""
    assert request.headers["X-Own"] == "yes"
    assert request.content_type == "application/json"
    assert orjson.loads(body) == {"a": [1]}


async def test_a_retry_keeps_its_key_and_counts_its_attempt(bench: Workbench, receiver: Receiver) -> None:
    execution_id = await bench.row("http_request", {"url": receiver.at("/500")}, max_retries=1, retry_backoff_seconds=0)

    await bench.send(execution_id)
    await bench.reaches(execution_id, "retrying")
    await bench.publisher.step()
    await bench.reaches(execution_id, "failed")

    keys = [(request.headers["Idempotency-Key"], request.headers["Horarium-Attempt"]) for request, _ in receiver.seen]
    assert keys == [(str(execution_id), "1"), (str(execution_id), "2")]


@pytest.mark.parametrize(
    ("path", "expect_status", "status"),
    [("/204", None, "success"), ("/404", None, "failed"), ("/404", 404, "success"), ("/200", 201, "failed")],
)
async def test_what_counts_as_success_can_be_said(
    bench: Workbench, receiver: Receiver, path: str, expect_status: int | None, status: str
) -> None:
    row = await bench.run("http_request", {"url": receiver.at(path), "expect_status": expect_status})

    assert row["status"] == status


@pytest.mark.parametrize(("charset", "text"), [("latin-1", "é"), ("utf-8", "�"), ("martian", "�"), ("", "�")])
async def test_an_answer_is_text_whatever_charset_it_names(
    bench: Workbench, receiver: Receiver, charset: str, text: str
) -> None:
    row = await bench.run("http_request", {"url": receiver.at(f"/charset/{charset}")})

    assert (row["status"], row["result"]["body"]) == ("success", text)


async def test_a_failure_says_what_was_answered(bench: Workbench, receiver: Receiver) -> None:
    row = await bench.run("http_request", {"url": receiver.at("/503")})

    assert row["error"].endswith("/503 answered 503, expected 2xx")


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/503", "/503 answered 503, expected 2xx"),
        ("/again", "/again failed: TooManyRedirects"),
        ("/astray", "/astray failed: NonHttpUrlRedirectClientError"),
    ],
)
async def test_a_failure_shows_nothing_of_a_url_that_may_be_secret(
    bench: Workbench, receiver: Receiver, path: str, told: str
) -> None:
    url = receiver.at(path).replace("//", "//someone:hunter2@") + "?token=hunter2#hunter2"

    row = await bench.run("http_request", {"url": url})

    assert row["error"].endswith(f"GET {receiver.at(path).removesuffix(path)}{told}")
    assert "hunter2" not in row["error"]


@pytest.mark.parametrize(
    ("host", "told"),
    [
        ("10.1.2.3", "10.1.2.3 is private"),
        ("[::1]", "::1 is loopback"),
        ("2852039166", "169.254.169.254 is a metadata service"),
        ("localhost", "localhost is at ::1, which is loopback"),
    ],
)
async def test_a_host_that_is_not_public_fails_the_execution_and_is_named(
    bench: Workbench, host: str, told: str
) -> None:
    bench.broker.add_dependency_context({Egress: Egress([], Answering("::1"))})

    row = await bench.run("http_request", {"url": f"http://someone:hunter2@{host}:8080/x?token=hunter2#hunter2"})

    assert row["status"] == "failed"
    assert row["error"].endswith(f":8080/x refused: {told}; HORARIUM_HTTP_ALLOW can open a host or a network")
    assert "hunter2" not in row["error"]


async def test_a_worker_that_was_told_nothing_has_all_but_public_addresses_shut(
    bench: Workbench, receiver: Receiver
) -> None:
    del bench.broker.custom_dependency_context[Egress]

    row = await bench.run("http_request", {"url": receiver.at("/200")})

    assert "127.0.0.1 is loopback" in row["error"]
    assert receiver.seen == []


async def test_headers_of_a_config_stay_with_its_origin(bench: Workbench, receiver: Receiver) -> None:
    async with Receiver() as other:
        url = receiver.make_url("/onward").with_query(to=other.at("/200"))

        row = await bench.run("http_request", {"url": str(url), "headers": {"X-Api-Key": "hunter2"}})

        ((request, _),) = other.seen
        assert "X-Api-Key" not in request.headers
        assert request.headers["Idempotency-Key"] == str(row["id"])


async def test_a_server_that_never_answers_is_given_up(bench: Workbench, receiver: Receiver) -> None:
    row = await bench.run("http_request", {"url": receiver.at("/never"), "timeout_seconds": 0.2})

    assert row["status"] == "failed"
    assert "TimeoutError" in row["error"]


async def test_a_server_that_is_not_there_fails_the_execution(bench: Workbench) -> None:
    row = await bench.run("http_request", {"url": "http://127.0.0.1:1/"})

    assert row["status"] == "failed"
    assert "Cannot connect to host 127.0.0.1:1" in row["error"]


async def test_of_a_long_answer_the_beginning_is_kept(bench: Workbench, receiver: Receiver) -> None:
    row = await bench.run("http_request", {"url": receiver.at("/pieces")})

    assert row["status"] == "success"
    assert len(row["result"]["body"]) == BODY_LIMIT_BYTES


@pytest.mark.parametrize(
    ("task_type", "parameters", "status", "result"),
    [
        ("echo", {"message": "hello"}, "success", {"message": "hello"}),
        ("sleep", {"seconds": 0}, "success", {"slept_seconds": 0}),
        ("fail", {}, "failed", None),
    ],
)
async def test_the_small_ones_do_what_they_say(
    bench: Workbench, task_type: str, parameters: dict[str, Any], status: str, result: object
) -> None:
    row = await bench.run(task_type, parameters)

    assert (row["status"], row["result"]) == (status, result)
