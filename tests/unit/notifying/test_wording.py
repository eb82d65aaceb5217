"""What a message says, as a webhook's body and as a mail; when it is tried again; how it is signed."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest

from horarium.notifying.channels import Message
from horarium.notifying.deciding import Notice, Rule, Told
from horarium.notifying.mail import Mailer
from horarium.notifying.mail_server import MailServer, is_address
from horarium.notifying.signing import is_secret, new_secret, signed_headers
from horarium.notifying.timetable import asked_delay, retry_delay
from horarium.notifying.webhook import is_webhook_url, without_path
from horarium.notifying.wording import MOST_ERROR_CHARS, content, content_of_test, facts_of, mail

NOON = datetime(2024, 5, 8, 12, tzinfo=UTC)
TASK_ID = UUID(int=7)
TRACEBACK = 'Traceback (most recent call last):\n  File "a.py", line 1, in run\nValueError: no rows, password=hunter2\n'
ROW = {
    "id": TASK_ID,
    "task_type": "reports.send",
    "trigger": "schedule",
    "status": "failed",
    "reason": None,
    "tick_at": NOON,
    "tick_until": None,
    "tick_count": 1,
    "attempt": 3,
    "worker": "w1",
    "started_at": NOON,
    "completed_at": NOON + timedelta(seconds=2),
    "error": TRACEBACK,
}


def body(errors: str = "message", name: str = "nightly", url: str | None = "https://h.example", **row: object) -> str:
    rule = Rule.of({"id": 1, "events": ["failed"], "config_ids": [], "tags": [], "repeat": "first", "errors": errors})
    notice = Notice(TASK_ID, "failed", 5, name, frozenset({"a"}), NOON, facts_of({**ROW, **row}))
    return content(Told(rule, notice), NOON, url)


def data(**given: Any) -> dict[str, Any]:
    return dict(orjson.loads(body(**given))["data"])


def test_a_body_tells_of_the_execution_and_leads_to_it() -> None:
    said = orjson.loads(body())

    assert (said["type"], said["timestamp"]) == ("execution.failed", "2024-05-08T12:00:00+00:00")
    assert said["data"] == {
        "config_id": 5,
        "config_name": "nightly",
        "tags": ["a"],
        "task_id": str(TASK_ID),
        "task_type": "reports.send",
        "trigger": "schedule",
        "status": "failed",
        "reason": None,
        "tick_at": "2024-05-08T12:00:00+00:00",
        "tick_until": None,
        "tick_count": 1,
        "attempt": 3,
        "worker": "w1",
        "started_at": "2024-05-08T12:00:00+00:00",
        "completed_at": "2024-05-08T12:00:02+00:00",
        "duration_seconds": 2.0,
        "error": "ValueError: no rows, password=***",
        "url": f"https://h.example/executions/{TASK_ID}",
    }


def test_an_error_goes_out_without_its_frames_its_secrets_and_its_length() -> None:
    assert data()["error"] == "ValueError: no rows, password=***"
    assert data(errors="kind")["error"] == "ValueError"
    assert len(data(error="x" * 5000)["error"]) == MOST_ERROR_CHARS


def test_a_config_in_error_says_what_is_wrong_and_that_it_does_not_run() -> None:
    rule = Rule.of({"id": 1, "events": [], "config_ids": [], "tags": [], "repeat": "first", "errors": "message"})
    facts = facts_of(dict.fromkeys(ROW), {"trigger": None, "status": "error", "error": "timezone: there is none"})
    notice = Notice(TASK_ID, "config_error", 5, "nightly", frozenset(), NOON, facts)

    told = content(Told(rule, notice), NOON, "https://h.example")

    said = orjson.loads(told)
    assert (said["type"], said["data"]["status"], said["data"]["task_id"]) == ("config.error", "error", None)
    assert (said["data"]["error"], said["data"]["url"]) == ("timezone: there is none", "https://h.example/configs/5")
    assert mail(told).subject == "[Horarium] nightly is in error, and does not run until it is mended and started"


def test_there_is_no_link_where_nobody_has_said_how_the_dashboard_is_reached() -> None:
    assert data(url=None)["url"] is None


def test_a_mail_says_the_same_in_lines() -> None:
    said = mail(body())

    assert said.subject == "[Horarium] nightly failed"
    assert "Error:         ValueError: no rows, password=***" in said.text.splitlines()
    assert f"See:           https://h.example/executions/{TASK_ID}" in said.text.splitlines()
    assert mail(content_of_test("ops", NOON, None)).text.startswith("A test of the rule ops.")


def test_no_name_puts_a_field_into_the_head_of_a_mail() -> None:
    named = mail(body(name="nightly\r\nBcc: everybody@example.org"))
    mailer = Mailer(MailServer("h", 25, use_tls=False, start_tls=None, username=None, password=None), "h@example.org")
    message = Message(TASK_ID, body(name="nightly\r\nBcc: everybody@example.org"), NOON)

    written = mailer.written(["a@example.org"], message)

    assert "\n" not in named.subject
    assert written["Bcc"] is None
    assert written["Message-ID"] == f"<{TASK_ID}@example.org>"
    assert written["Auto-Submitted"] == "auto-generated"


def test_a_signature_is_what_the_specification_says() -> None:
    """Computed by hand from https://github.com/standard-webhooks: HMAC-SHA256 over id.timestamp.payload, base64."""
    first, second = new_secret(), new_secret()

    headers = signed_headers(TASK_ID, 1_700_000_000, b'{"a":1}', [first, second])

    signed = f'{TASK_ID}.1700000000.{{"a":1}}'.encode()
    by_hand = [hmac.new(base64.b64decode(key[6:]), signed, hashlib.sha256).digest() for key in (first, second)]
    assert headers == {
        "webhook-id": str(TASK_ID),
        "webhook-timestamp": "1700000000",
        "webhook-signature": " ".join("v1," + base64.b64encode(digest).decode() for digest in by_hand),
    }


def test_the_test_vector_of_the_reference_libraries_is_signed_as_they_sign_it() -> None:
    key, body = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", b'{"test": 2432232314}'

    headers = signed_headers("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body, [key])

    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("whsec_" + base64.b64encode(b"k" * 24).decode(), True),
        ("whsec_" + base64.b64encode(b"k" * 64).decode(), True),
        ("whsec_" + base64.b64encode(b"k" * 23).decode(), False),
        ("whsec_" + base64.b64encode(b"k" * 65).decode(), False),
        (base64.b64encode(b"k" * 32).decode(), False),
        ("whsec_not base64!", False),
        ("whsec_ä" + base64.b64encode(b"k" * 32).decode(), False),
    ],
)
def test_a_secret_has_24_to_64_bytes(text: str, good: bool) -> None:
    assert is_secret(text) is good


def test_retries_double_from_five_seconds_to_a_quarter_of_an_hour() -> None:
    delays = [retry_delay(attempt, 0.5).total_seconds() for attempt in (1, 2, 3, 8, 9, 1000)]

    assert delays == [5, 10, 20, 640, 900, 900]
    assert retry_delay(1, 0.0) == timedelta(seconds=4.5)


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [
        ("120", 120), ("0", None), ("3601", 3600), ("9" * 5000, 3600), ("-5", None), ("1.5", None), ("٣", None),
        ("Wed, 08 May 2024 12:02:00 GMT", 120), ("Wed, 08 May 2024 12:02:00 -0000", 120),
        ("Wed, 08 May 2024 11:59:00 GMT", None), ("Fri, 31 Dec 9999 23:59:59 GMT", 3600),
        ("Wed, 08 May 2024 12:02:00 +99999999999999999", None), ("soon", None), ("", None),
    ],
)  # fmt: skip
def test_a_receiver_may_ask_for_an_hour_at_most_in_seconds_or_up_to_a_date(
    retry_after: str, seconds: float | None
) -> None:
    assert asked_delay(retry_after, NOON) == (None if seconds is None else timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://h", MailServer("h", 587, use_tls=False, start_tls=None, username=None, password=None)),
        ("smtp://h:25?tls=none", MailServer("h", 25, use_tls=False, start_tls=False, username=None, password=None)),
        ("smtps://h", MailServer("h", 465, use_tls=True, start_tls=False, username=None, password=None)),
        ("smtp://u%40x:p%2F@h", MailServer("h", 587, use_tls=False, start_tls=True, username="u@x", password="p/")),
    ],
)
def test_a_mail_server_is_a_url_and_a_password_is_not_sent_in_the_clear(url: str, server: MailServer) -> None:
    assert MailServer.parse(url) == server


@pytest.mark.parametrize(
    "rest",
    ["h:0x1", "h/path", "h?tls=maybe", "h?tls=none&tls=none", "h?more=1", "", "h#part"],
)
def test_what_is_no_mail_server_is_refused_without_being_quoted(rest: str) -> None:
    with pytest.raises(ValueError, match="must be smtp://") as refused:
        MailServer.parse(f"smtp://user:hunter2@{rest}")

    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("url", ["h:25", "http://h", "http://h:25", "smtp://", "smtp://u@h", "smtps://h?tls=none"])
def test_what_is_half_a_mail_server_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="must"):
        MailServer.parse(url)


@pytest.mark.parametrize("text", ["a@b", "a.b+c@example.org", "o'hara@x-y.example"])
def test_an_address_is_plain(text: str) -> None:
    assert is_address(text)


@pytest.mark.parametrize(
    "text", ["", "a", "a@", "@b", "a b@c", "a@b\n", "a@b,c@d", "<a@b>", '"a"@b', "a@-b", "ä@b", "a@b>"]
)
def test_what_could_be_two_addresses_or_a_line_of_the_head_is_none(text: str) -> None:
    assert not is_address(text)


@pytest.mark.parametrize(
    "url",
    [
        *("ftp://h/", "http://u:p@h/", "http://h/#f", "https:///x", "http://h/ä", "http://h:0/", "http://h/ b"),
        *("http://a..b/", f"http://{'a' * 64}.example/", "http://*/", "http://a%2fb/", "http://0x7f.1/"),
    ],
)
def test_a_webhook_is_a_plain_url(url: str) -> None:
    assert is_webhook_url("https://h.example:8443/hooks?key=1")
    assert not is_webhook_url(url)


def test_who_may_not_write_rules_sees_no_path() -> None:
    assert without_path("https://h.example:8443/hooks/T0/B0/x?key=1") == "https://h.example:8443/***"
