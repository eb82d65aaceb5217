from __future__ import annotations

import errno
import io
import json
import logging
import sys
import time
from typing import TYPE_CHECKING

import pytest
import structlog
from structlog.testing import capture_logs

from horarium.logs import configure_logging, redact

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    root, ours = logging.getLogger(), logging.getLogger("horarium")
    before = root.handlers[:], root.level, ours.level
    yield
    root.handlers[:] = before[0]
    root.setLevel(before[1])
    ours.setLevel(before[2])
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    captured = capsys.readouterr()
    assert captured.out == ""
    return [json.loads(line) for line in captured.err.splitlines()]


def fail_with_a_local_secret() -> None:
    hidden = "hunter2"
    raise ValueError("postgresql://app:pa55@db/horarium", len(hidden))


def test_an_event_is_one_json_line_with_time_level_logger_and_event_first(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("auto", "info")

    structlog.get_logger("horarium.actors.dispatcher").info("batch.published", size=3)

    (line,) = lines(capsys)
    assert list(line) == ["timestamp", "level", "logger", "event", "size"]
    assert str(line.pop("timestamp")).endswith("Z")
    assert line == {
        "level": "info",
        "logger": "horarium.actors.dispatcher",
        "event": "batch.published",
        "size": 3,
    }


def test_a_library_s_warning_looks_like_our_own_and_its_info_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("json", "info")

    logging.getLogger("taskiq").warning("task %s is unknown", "x")
    logging.getLogger("taskiq").info("chatter")

    (line,) = lines(capsys)
    assert (line["level"], line["logger"], line["event"]) == ("warning", "taskiq", "task x is unknown")


def test_debug_lets_libraries_speak_too(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("json", "debug")

    logging.getLogger("taskiq").debug("chatter")

    assert [line["event"] for line in lines(capsys)] == ["chatter"]


def test_events_below_the_level_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("json", "warning")

    structlog.get_logger("horarium").info("quiet")
    structlog.get_logger("horarium").warning("loud")

    assert [line["event"] for line in lines(capsys)] == ["loud"]


def test_the_later_configuration_wins_for_loggers_already_in_use(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("json", "info")
    log = structlog.get_logger("horarium.x")
    log.info("first")
    configure_logging("json", "error")

    log.info("second")

    assert [line["event"] for line in lines(capsys)] == ["first"]


def test_an_exception_comes_as_frames_without_locals_and_masked(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("json", "info")

    try:
        fail_with_a_local_secret()
    except ValueError:
        structlog.get_logger("horarium").exception("job.failed")

    text = capsys.readouterr().err
    (exception,) = json.loads(text)["exception"]
    assert exception["exc_type"] == "ValueError"
    assert exception["frames"][-1]["name"] == "fail_with_a_local_secret"
    assert "locals" not in exception["frames"][-1]
    assert "hunter2" not in text
    assert "pa55" not in text


def test_a_library_s_exception_is_structured_as_well(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("json", "info")

    try:
        fail_with_a_local_secret()
    except ValueError:
        logging.getLogger("aiohttp.server").exception("unhandled")

    (line,) = lines(capsys)
    assert isinstance(line["exception"], list)


def test_the_console_shows_a_readable_line_and_a_masked_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("console", "info")

    try:
        fail_with_a_local_secret()
    except ValueError:
        structlog.get_logger("horarium").exception("job.failed", attempt=2)

    text = capsys.readouterr().err
    assert "job.failed" in text
    assert "attempt=2" in text
    assert "ValueError: ('postgresql://app:***@db/horarium', 7)" in text
    assert "hidden" not in text.replace("len(hidden)", "")


@pytest.mark.parametrize(
    "key",
    [
        "password",
        "admin_password",
        "secret_key",
        "access_token",
        "Authorization",
        "x-api-key",
        "Set-Cookie",
        "refresh_tokens",
        "database_url",
        "broker_url",
        "credentials",
        "passwd",
        "passphrase",
    ],
)
def test_a_value_under_a_telling_key_is_masked_at_any_depth(key: str) -> None:
    assert redact({"request": [{key: "hunter2"}]}) == {"request": [{key: "***"}]}


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("amqp://guest:gu@st@mq:5672/", "amqp://guest:***@mq:5672/"),
        ("redis://:pa55@cache", "redis://:***@cache"),
        ("from postgresql+asyncpg://a:b@c/d to x", "from postgresql+asyncpg://a:***@c/d to x"),
        ("host=db password=pa55 user=a", "host=db password=*** user=a"),
        ("GET /x?token=abcdef&y=1", "GET /x?token=***&y=1"),
        ("Bearer abcdefghijklmnop.qr", "Bearer ***"),
        ("the key hk_3kTMd9_aaLq-x was used", "the key hk_*** was used"),
        ("signed with whsec_MfKQ9r8GKYqrTw/UPD8ILPZ+o2LaLaSw==, not", "signed with whsec_***, not"),
        ("got eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln, why", "got ***, why"),
        (
            "LogIn(username='a', password='it is secret', remember=True)",
            "LogIn(username='a', password=***, remember=True)",
        ),
        ("input_value={'password': 'pa55', 'n': 1}", "input_value={'password': ***, 'n': 1}"),
        ('{"refresh_token":"abc\\"def","n":1}', '{"refresh_token":***,"n":1}'),
        ("authorization: Basic dXNlcjpwYTU1", "authorization: ***"),
        ("GET / HTTP/1.1\r\nCookie: a=1; b=2\r\nX: y", "GET / HTTP/1.1\r\nCookie: ***\r\nX: y"),
        ("https://h/?api_key=abc&x=y", "https://h/?api_key=***&x=y"),
    ],
)
def test_a_secret_inside_a_text_is_masked(text: str, masked: str) -> None:
    assert redact(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "http://host:8080/users/a@b.c",
        "child token_service restarted",
        "5 tokens: 3",
        "a cookie a day",
        "{'message': 'hello', 'n': 1}",
        "the bearer of news",
        "eyJ is how they begin",
    ],
)
def test_a_harmless_text_stays_as_it_is(text: str) -> None:
    assert redact({"child": text}) == {"child": text}


@pytest.mark.parametrize(
    "text", ["token" * 200_000, "-eyJaaaaaaaaa" * 80_000, "://a:" * 200_000, "'token':" * 120_000, "bearer " * 140_000]
)
def test_a_megabyte_made_to_be_slow_to_look_through_is_not(text: str) -> None:
    began = time.process_time()

    redact(f"{text}=")

    assert time.process_time() - began < 2.0


def test_what_json_cannot_hold_is_still_written(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("json", "info")

    structlog.get_logger("horarium").info("odd", big=2**70, broken="\ud800", thing=object, keys={1: {2}})

    (line,) = lines(capsys)
    assert line["big"] == 2**70
    assert line["broken"] == "\ud800"
    assert line["keys"] == {"1": [2]}


def test_of_a_line_that_cannot_be_made_another_one_tells_and_not_with_its_arguments(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Logging's own complaint prints them as they are, and one may be a secret."""
    configure_logging("json", "info")
    (handler,) = [each for each in logging.getLogger().handlers if type(each).__module__ == "horarium.logs"]

    handler.handle(logging.LogRecord("app", logging.WARNING, "app.py", 7, "%d tries", ("hunter2",), None))

    text = capsys.readouterr().err
    line = json.loads(text)
    assert (line["event"], line["level"], line["error"]) == ("line.unwritable", "error", "TypeError")
    assert line["where"] == "app:7"
    assert "hunter2" not in text


class FullDisk(io.StringIO):
    """A stderr that takes nothing."""

    tries = 0

    def write(self, text: str) -> int:
        self.tries += 1
        raise OSError(errno.ENOSPC, f"no space for {len(text)} characters")


def test_a_full_disk_under_the_log_costs_the_line_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is nowhere to say so, and nobody is kept from the work."""
    disk = FullDisk()
    monkeypatch.setattr(sys, "stderr", disk)
    configure_logging("json", "info")

    structlog.get_logger("horarium").info("said.to_nobody")

    assert disk.tries == 1


def test_capture_logs_sees_the_events_of_a_logger_already_in_use() -> None:
    configure_logging("json", "error")
    log = structlog.get_logger("horarium.y")
    log.error("cached now")

    with capture_logs() as captured:
        log.error("seen", n=1)

    assert captured == [{"event": "seen", "n": 1, "log_level": "error"}]
