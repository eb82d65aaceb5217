"""The API's answers as people read them in a terminal: plain functions from an answer to lines of text.

Whoever prints decides about width and colour. A line holds the most important first, since a narrow terminal cuts
its end; nothing is said by colour alone. Texts come from a server and from the errors of other people's code, so
whatever could move the cursor or break a line is taken out.
"""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - pydantic reads annotations at run time
from itertools import zip_longest
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

__all__ = ["LastExit", "MailboxState", "TreeNode", "columns", "human_duration", "printable", "tree_lines"]

HEADINGS = ("ACTOR", "STATE", "RUN", "RESTARTS", "UPTIME", "MAILBOX", "NOW")
RIGHT = frozenset({"RUN", "RESTARTS", "UPTIME", "MAILBOX"})
GAP = "  "
NOTE_CELLS = 160
"""An error may quote a server's last hundred lines; all of it is in the API's answer."""

STATE_STYLES = {
    "running": "green",
    "waiting": "yellow",
    "starting": "yellow",
    "draining": "yellow",
    "stopping": "yellow",
    "backoff": "yellow",
    "unstopped": "bold red",
    "stopped": "dim",
}


class _Read(BaseModel):
    """What is read of an answer; a newer server may say more."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class LastExit(_Read):
    """Why the incarnation before this one ended, and what the supervisor decided."""

    reason: str
    decision: str
    at: datetime


class MailboxState(_Read):
    """How full a mailbox is; how many messages never got in, and how many died with a crash of their reader."""

    depth: int
    capacity: int
    overflow: str
    dropped: int = 0
    lost: int = 0

    @property
    def is_bell(self) -> bool:
        """Whether it has room for one message alone, and whoever rings again says nothing new."""
        return self.capacity == 1 and self.overflow == "drop_newest"


class TreeNode(_Read):
    """A supervisor or an actor; `uptime` and `restart_in` in seconds."""

    id: str
    kind: Literal["supervisor", "worker"]
    state: str
    incarnation: int
    restarts: int
    uptime: float | None = None
    restart_in: float | None = None
    last_exit: LastExit | None = None
    mailbox: MailboxState | None = None
    handling: str | None = None
    children: tuple[TreeNode, ...] = ()


def tree_lines(root: TreeNode, now: datetime) -> list[Text]:
    """A heading, and one line an actor in aligned columns; below it what its last exit and its mailbox complain of."""
    placed = list(_placed(root, "", ""))
    rows = [[Text.assemble((lead, "dim"), _name(node)), *_cells(node)] for lead, _, node in placed]
    heading, *lines = columns([HEADINGS, *rows], right=RIGHT)
    shown = [heading]
    for line, (_, below, node) in zip(lines, placed, strict=True):
        shown += [line, *(Text.assemble((below, "dim"), note) for note in _notes(node, now))]
    return shown


def human_duration(seconds: float) -> str:
    """A duration in its two largest units: `4s`, `3m 20s`, `5h 7m`, `12d 3h`."""
    minutes, second = divmod(max(0, int(seconds)), 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    if days:
        return f"{days}d {hour}h"
    if hours:
        return f"{hour}h {minute}m"
    return f"{minute}m {second}s" if minutes else f"{second}s"


def printable(text: str) -> str:
    """One line of the text, without anything that a terminal would obey."""
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())


def _placed(node: TreeNode, lead: str, below: str) -> Iterator[tuple[str, str, TreeNode]]:
    """Each node of the tree, top to bottom, with the guides of its own line and of the notes below it."""
    yield lead, below + ("│   " if node.children else "    "), node
    for child, following in zip_longest(node.children, node.children[1:]):
        corner, guide = ("└─ ", "   ") if following is None else ("├─ ", "│  ")
        yield from _placed(child, below + corner, below + guide)


def _name(node: TreeNode) -> Text:
    return Text(printable(node.id), "bold" if node.kind == "supervisor" else "")


def _cells(node: TreeNode) -> list[Text]:
    """What stands after the name, in the order of the headings."""
    mailbox = node.mailbox
    return [
        Text(printable(node.state), STATE_STYLES.get(node.state, "")),
        Text(str(node.incarnation), "dim" if node.incarnation <= 1 else ""),
        Text(str(node.restarts), "yellow" if node.restarts else "dim"),
        Text("-" if node.uptime is None else human_duration(node.uptime)),
        Text("-") if mailbox is None else Text(f"{mailbox.depth}/{mailbox.capacity}", _fullness(mailbox)),
        _present(node),
    ]


def _fullness(mailbox: MailboxState) -> str:
    return "red" if mailbox.depth >= mailbox.capacity else ""


def _present(node: TreeNode) -> Text:
    if node.restart_in is not None:
        return Text(f"restarts in {max(0.0, node.restart_in):.1f}s", "yellow")
    return Text(printable(node.handling or ""))


def _notes(node: TreeNode, now: datetime) -> Iterator[Text]:
    if node.last_exit is not None and (node.restarts or node.incarnation > 1):
        ago = f"{human_duration((now - node.last_exit.at).total_seconds())} ago"
        # the decision repeats the reason, which stands in the line above it
        decision = node.last_exit.decision.replace(f", exit {node.last_exit.reason}", "")
        yield Text.assemble((ago, "dim"), GAP, _short(node.last_exit.reason, "yellow"))
        yield Text.assemble(" " * len(ago), GAP, _short(decision, "dim"))
    if node.mailbox is not None and node.mailbox.dropped and not node.mailbox.is_bell:
        yield Text(f"{node.mailbox.dropped} messages dropped ({printable(node.mailbox.overflow)})", "red")
    if node.mailbox is not None and node.mailbox.lost:
        yield Text(f"{node.mailbox.lost} messages lost in a crash", "red")


def _short(text: str, style: str) -> Text:
    short = Text(printable(text), style)
    short.truncate(NOTE_CELLS, overflow="ellipsis")
    return short


def columns(
    rows: Sequence[Sequence[str | Text]], *, right: Collection[str] = (), most: int | None = None
) -> list[Text]:
    """Rows of words as lines, each column as wide as its widest word; the first row is the headings.

    The columns named in `right` are aligned there. No column but the last gets more than `most` cells.
    """
    cells = [[*(_cell(word, most) for word in row[:-1]), _cell(row[-1], None)] for row in rows]
    widths = [max(cell.cell_len for cell in column) for column in zip(*cells, strict=True)]
    to_the_right = [str(heading) in right for heading in rows[0]]
    heading, *lines = [_joined(row, widths, to_the_right) for row in cells]
    heading.stylize("dim")
    return [heading, *lines]


def _cell(word: str | Text, most: int | None) -> Text:
    """A cell of its own: a Text is taken as made for the terminal, a string is made so."""
    cell = word.copy() if isinstance(word, Text) else Text(printable(word))
    if most is not None:
        cell.truncate(most, overflow="ellipsis")
    return cell


def _joined(cells: Sequence[Text], widths: Sequence[int], to_the_right: Sequence[bool]) -> Text:
    for cell, width, right in zip(cells, widths, to_the_right, strict=True):
        cell.align("right" if right else "left", width)
    line = Text(GAP).join(cells)
    line.rstrip()
    return line
