"""The promises about letters, questions and watches, checked against the records of both ends.

Every accepted letter is in exactly one place: in the queue, with the actor, or buried; of those with the actor each was
handled, is in hand or was lost. A question comes to one end, and to no other question's answer. A watch tells of one
end, the one that it was set on.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from horarium.supervisor import AskTimeout, MailboxFull, TargetDown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.scripted import Actor, Letter
    from tests.support.troupe import Post, Troupe

__all__ = ["faults"]

SLACK = 1e-6
"""Seconds that sums of floats may be off."""


def faults(troupe: Troupe, now: float) -> list[str]:
    """Name every promise that is broken."""
    found = [fault for post in troupe.posts.values() for fault in _faults_of_post(post)]
    return [*found, *_faults_of_questions(troupe, now), *_faults_of_vigils(troupe)]


def _faults_of_post(post: Post) -> Iterator[str]:
    """Each accepted letter is in one place, each refused one in none, and the mailbox counts the same."""
    box, name = post.mailbox, post.mailbox.name
    new = box.dropped - post.dropped_before
    post.dropped_before = box.dropped
    post.buried += [dead.message for dead in list(box.dead_letters)[-new:]] if new else []
    waiting: list[Letter] = list(box._queue)
    places = Counter(post.actor.taken + post.buried + waiting)
    yield from _unless(all(count == 1 for count in places.values()), f"{name}: a letter is in two places")
    for letter, fate in post.sent.items():
        yield from _unless(fate != "accepted" or letter in places, f"{name}: letter {letter.number} has vanished")
        yield from _unless(fate != "refused" or letter not in places, f"{name}: refused {letter.number} was accepted")
    in_hand = [letter for life in post.actor.lives for letter in life.in_hand]
    accounted = Counter(post.actor.handled + post.lost + in_hand)
    yield from _unless(accounted == Counter(post.actor.taken), f"{name}: taken, but neither handled, lost nor in hand")
    told = {"accepted": box.accepted, "taken": box.taken, "dropped": box.dropped, "lost": box.lost}
    true = {
        "accepted": len(places),
        "taken": len(post.actor.taken),
        "dropped": len(post.buried),
        "lost": len(post.lost),
    }
    yield from _unless(told == true, f"{name} counts {told}, true is {true}")
    yield from _unless(box.depth == len(waiting) <= box.capacity, f"{name} holds {len(waiting)} of {box.capacity}")


def _faults_of_questions(troupe: Troupe, now: float) -> Iterator[str]:
    for question in troupe.questions:
        number, post = question.letter.number, question.post
        yield from _unless(len(question.came_to) <= 1, f"question {number} came to {question.came_to}")
        if question.came_to:
            [answer] = question.came_to
            fair = answer == number or isinstance(answer, AskTimeout | TargetDown | MailboxFull)
            yield from _unless(fair, f"question {number} was answered with {answer!r}")
            continue
        yield from _unless(now < question.until + SLACK, f"question {number} is open past its timeout")
        yield from _unless(not post.mailbox.closed, f"question {number} is open at a closed mailbox")
        taken = question.letter in post.actor.taken
        yield from _unless(not taken or _at_work(post.actor), f"question {number} is open, its reader gone")


def _faults_of_vigils(troupe: Troupe) -> Iterator[str]:
    for vigil in troupe.vigils:
        lives = troupe.actors[vigil.child].lives
        due = vigil.on is None or lives[vigil.on - 1].judged
        yield from _unless(len(vigil.told) == due, f"a watch on {vigil.child} {vigil.on} was told {vigil.told}")
        yield from _unless(len(vigil.fired) <= 1, f"a watch on {vigil.child} {vigil.on} fired {vigil.fired}")
        if not vigil.told:
            continue
        [down] = vigil.told
        if vigil.on is None:
            yield from _unless(down.reason == "not_running", f"a watch on {vigil.child} without a life says {down}")
        else:
            reasons = [event.reason for event in lives[vigil.on - 1].exits[:1]]
            yield from _unless([down.reason] == reasons, f"{vigil.child} {vigil.on}: {down}, but {reasons}")
            yield from _unless(down.incarnation == vigil.on, f"{vigil.child} {vigil.on}: {down}")


def _at_work(reader: Actor) -> bool:
    """Whether the incarnation that took it last is still there to answer."""
    return bool(reader.lives) and not reader.lives[-1].judged


def _unless(kept: bool, otherwise: str) -> Iterator[str]:
    if not kept:
        yield otherwise
