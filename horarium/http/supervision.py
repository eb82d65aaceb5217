"""The supervision tree over HTTP: how it stands, what happened in it, and the restart of one part.

Everything is read from the supervisor's own records and the mailboxes' counters, so it is to be had while an actor
hangs. Decisions and errors are told in the words of the log. A message that was dropped is told by its kind and never
by its content, which may be a password.
"""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - pydantic reads annotations at run time
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from horarium.audit_log import Target
from horarium.errors import Conflict, NotFound
from horarium.http.paging import LARGEST, Page, PageQuery, cut, read_cursor, write_cursor
from horarium.http.routing import Empty, Reply, Route
from horarium.logs import redact
from horarium.supervisor import NoSuchChild, NotRunning, StillRunning

if TYPE_CHECKING:
    from horarium.http.routing import Call
    from horarium.supervisor import DeadLetter, RecordedEvent, Supervisor, TreeNode

__all__ = ["ROUTES", "EventAnswer", "event_answer"]

BASE = "/api/v1/system"
ACTOR = f"{BASE}/actors/{{actor_id}}"
RECENT_EVENTS = 20
"""Events of one actor that its page shows."""


def _redacted(text: str) -> str:
    return str(redact(text))


class ExitAnswer(BaseModel):
    """Why the incarnation before this one ended, and what the supervisor decided."""

    model_config = ConfigDict(from_attributes=True)

    reason: Annotated[str, AfterValidator(_redacted)]
    decision: Annotated[str, AfterValidator(_redacted)]
    at: datetime


class MailboxAnswer(BaseModel):
    """How full a mailbox is, and what became of its messages.

    `accepted` is what was taken, waits (`depth`) or was `dropped`; of those taken, `lost` were in the hands of an
    incarnation that crashed.
    """

    model_config = ConfigDict(from_attributes=True)

    depth: int
    capacity: int
    overflow: str
    accepted: int
    taken: int
    dropped: int
    lost: int


class NodeAnswer(BaseModel):
    """A supervisor or an actor of the tree; `uptime` is in seconds since it was ready."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    kind: Literal["supervisor", "worker"]
    state: str
    incarnation: int
    restarts: int
    uptime: float | None
    restart_in: float | None
    last_exit: ExitAnswer | None
    mailbox: MailboxAnswer | None
    handling: str | None
    children: list[NodeAnswer]


class EventAnswer(BaseModel):
    """One event of the tree, as the log has it; `seq` is what `after` takes. What is not named here is its own."""

    model_config = ConfigDict(extra="allow")

    seq: int
    at: datetime
    event: str
    level: str
    supervisor: str
    child: str | None = None
    incarnation: int | None = None


class DeadLetterAnswer(BaseModel):
    """A message that nobody will read."""

    at: datetime
    why: Literal["overflow", "closed"]
    message: str


class ActorAnswer(NodeAnswer):
    """One part of the tree, with the newest of what happened to it, oldest first."""

    dead_letters: list[DeadLetterAnswer]
    recent_events: list[EventAnswer]


class RestartAnswer(BaseModel):
    """The part has been told to stop, and will be started again."""

    success: Literal[True] = True
    message: str
    action: Literal["restart"] = "restart"
    actor_id: str


class EventsQuery(PageQuery):
    """Events after a sequence number; without one, all that are kept."""

    after: Annotated[int, Field(ge=0, le=LARGEST)] = 0


async def get_tree(call: Call) -> Reply:
    """The supervision tree."""
    return Reply(NodeAnswer.model_validate(call.services.supervisor().snapshot()))


async def get_actor(call: Call) -> Reply:
    """One part of it."""
    supervisor = call.services.supervisor()
    node = _node(supervisor, _actor_id(call))
    letters = () if node.mailbox is None else node.mailbox.dead_letters
    recorded = [one for one in supervisor.events.recent() if node.id in _about(one)]
    return Reply(
        ActorAnswer(
            **NodeAnswer.model_validate(node).model_dump(),
            dead_letters=[_dead_letter(letter) for letter in letters],
            recent_events=[event_answer(one) for one in recorded[-RECENT_EVENTS:]],
        )
    )


async def restart_actor(call: Call) -> Reply:
    """Stop a part in order and start it again.

    The log is told first: what is restarted may be what keeps the log, and nothing is to happen that is not in it.
    """
    actor_id, supervisor = _actor_id(call), call.services.supervisor()
    try:
        supervisor.check_restart(actor_id)
        await call.services.audit_log.note(call.author, "actor.restarted", Target("actor", actor_id))
        supervisor.restart(actor_id, because=f"{call.author.name} asked for it")
    except NoSuchChild as error:
        raise NotFound("actor", "of that name") from error
    except (NotRunning, StillRunning) as error:
        raise Conflict("not_restartable", str(error)) from error
    return Reply(RestartAnswer(message=f"{actor_id} restarts", actor_id=actor_id))


async def list_tree_events(call: Call) -> Reply:
    """Recent events, oldest first."""
    query: EventsQuery = call.query
    parts = read_cursor(query.cursor, int)
    recorded = call.services.supervisor().events.recent(after=query.after)
    rest = [one for one in recorded if parts is None or one.sequence > parts[0]]
    shown, last = cut(rest, query.limit)
    cursor = None if last is None else write_cursor(last.sequence)
    return Reply(Page[EventAnswer](items=list(map(event_answer, shown)), next_cursor=cursor, total=len(recorded)))


def event_answer(recorded: RecordedEvent) -> EventAnswer:
    """An event as the API tells it: what the log line says, numbered and dated."""
    event = recorded.event
    told: dict[str, Any] = {name: redact(value) for name, value in event.log_fields().items()}
    return EventAnswer(seq=recorded.sequence, at=recorded.at, event=event.name, level=event.level, **told)


def _actor_id(call: Call) -> str:
    return str(call.request.match_info["actor_id"])


def _node(supervisor: Supervisor, actor_id: str) -> TreeNode:
    node = supervisor.snapshot().find(actor_id)
    if node is None:
        raise NotFound("actor", "of that name")
    return node


def _about(recorded: RecordedEvent) -> tuple[str, str | None]:
    return recorded.event.supervisor, getattr(recorded.event, "child", None)


def _dead_letter(letter: DeadLetter) -> DeadLetterAnswer:
    return DeadLetterAnswer(at=letter.at, why=letter.why, message=type(letter.message).__name__)


ROUTES = (
    Route("GET", f"{BASE}/tree", get_tree, "The supervision tree", "viewer", NodeAnswer),
    Route(
        "GET",
        f"{BASE}/events",
        list_tree_events,
        "Recent events of the tree",
        "viewer",
        Page[EventAnswer],
        query=EventsQuery,
    ),
    Route("GET", ACTOR, get_actor, "One part of the tree", "viewer", ActorAnswer),
    Route(
        "POST",
        f"{ACTOR}/restart",
        restart_actor,
        "Stop a part of the tree in order and start it again",
        "admin",
        RestartAnswer,
        body=Empty,
        body_required=False,
        conflict="The part is not in a state in which it can be restarted",
    ),
)
