"""Mail: a plain text for each message, through the operator's own mail server.

The server is a setting and not a rule's, so its address needs no guard. A user and a password go without TLS only
where the URL says so. A mail's `Message-ID` is made of the message's id: a mail that was sent twice, because a
process died before it had written down the first, is one to whoever reads it by that. Fields of the head are set by
the standard library, which refuses a line break in them, and addresses are checked when a rule is written.
"""

from __future__ import annotations

import re
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import TYPE_CHECKING

import anyio
from aiosmtplib import SMTPException, SMTPRecipientsRefused, SMTPResponseException, send

from horarium.logs import redact
from horarium.notifying.channels import SEND_SECONDS, Delivered, Undelivered
from horarium.notifying.wording import mail
from horarium.troubles import reason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from horarium.notifying.channels import Message, Outcome
    from horarium.notifying.mail_server import MailServer

__all__ = ["Mailer"]

MOST_NOTE_CHARS = 300


class Mailer:
    """Hands mails in at a server, as coming from `sender`."""

    def __init__(self, server: MailServer, sender: str, *, seconds: float = SEND_SECONDS) -> None:
        self._server = server
        self._sender = sender
        self._domain = sender.rpartition("@")[2]
        self._seconds = seconds

    async def send(self, recipients: Sequence[str], message: Message) -> Outcome:
        """Try once; one address that the server takes is enough, for a second try would reach it a second time."""
        server = self._server
        try:
            with anyio.fail_after(self._seconds):
                refused, _ = await send(
                    self.written(recipients, message),
                    hostname=server.host,
                    port=server.port,
                    username=server.username,
                    password=server.password,
                    use_tls=server.use_tls,
                    start_tls=server.start_tls,
                    local_hostname=self._domain,  # else the resolver is asked for ours
                    timeout=self._seconds,
                )
        except SMTPRecipientsRefused as error:
            return Undelivered(_said(error.recipients[0]))
        except SMTPResponseException as error:
            return Undelivered(_said(error))
        except (SMTPException, OSError) as error:
            return Undelivered(f"the mail server cannot be reached: {reason(error)}")
        if not refused:
            return Delivered()
        return Delivered(f"not taken for {', '.join(sorted(refused))}"[:MOST_NOTE_CHARS])

    def written(self, recipients: Sequence[str], message: Message) -> EmailMessage:
        """The message as a mail."""
        said = mail(message.body)
        written = EmailMessage(policy=SMTP)
        written["From"] = self._sender
        written["To"] = ", ".join(recipients)
        written["Subject"] = said.subject
        written["Date"] = format_datetime(message.at)
        written["Message-ID"] = f"<{message.id}@{self._domain}>"
        written["Auto-Submitted"] = "auto-generated"
        written.set_content(said.text, cte="quoted-printable")  # for servers that take seven bits
        return written


def _said(error: SMTPResponseException) -> str:
    """What the mail server said, in a line and without anything secret."""
    words = " ".join(str(redact(re.sub(r"[^\x20-\x7e]", " ", error.message))).split())
    return f"the mail server answered {error.code} {words}"[:MOST_NOTE_CHARS]
