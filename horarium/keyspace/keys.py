"""Every Redis key, under one prefix; no other module spells a key.

schedule:due               ZSET    config id -> next tick, Unix ms      the dispatcher's cursor
schedule:spec              HASH    config id -> "version:json"          what to decide and send
schedule:loaded            STRING  set after a full load                gone: Redis was flushed, load again
schedule:history:{config}  LIST    newest first, 100 kept
schedule:status:{config}   STRING  latest state, 1 h
timeout:tasks              HASH    execution id -> attempt and worker
timeout:index              ZSET    execution id -> deadline, Unix ms
auth:token:{hash}          HASH    one refresh token, by its SHA-256
auth:family:{id}           HASH    the login it descends from
auth:retry:{hash}          STRING  half of what a token was changed for, where that may be asked again, 10 s
auth:user_tokens:{user}    ZSET    families of a user -> when each ends, Unix ms
auth:throttle:...          STRING  how often passwords were guessed, up to 15 min
auth:known:{acct}:{addr}   STRING  where an account was logged into, 30 d
cache:user:{id}            STRING  a user, 300 s
cache:api_key:{hash}       STRING  an API key, by its SHA-256, 300 s
worker:{id}                STRING  heartbeat of a worker, with TTL
queue:{name}               STREAM  task messages, when Redis is the broker
result:{task_id}           STRING  what a kicked task came to, for `wait_result()`, 1 h
delayed:{name}             ZSET    task messages that are not due yet -> when they are, Unix ms
events                     STREAM  what API clients are told live, about 10,000 kept
events:batch:{writer}      STRING  the last batch that a process wrote to it, 60 s
probe:{id}                 STRING  what the doctor writes to see whether it may, 5 s
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Keys"]


@dataclass(frozen=True, slots=True)
class Keys:
    """The key names under `prefix`, which ends with a colon."""

    prefix: str = "horarium:"

    @property
    def due(self) -> str:
        """The due index."""
        return f"{self.prefix}schedule:due"

    @property
    def spec(self) -> str:
        """What the dispatcher needs to know of each config in the due index."""
        return f"{self.prefix}schedule:spec"

    @property
    def loaded(self) -> str:
        """Says that the due index has been loaded since the last flush."""
        return f"{self.prefix}schedule:loaded"

    def history(self, config_id: int) -> str:
        """Recent events of a config."""
        return f"{self.prefix}schedule:history:{config_id}"

    def status(self, config_id: int) -> str:
        """The latest event of a config."""
        return f"{self.prefix}schedule:status:{config_id}"

    @property
    def timeout_tasks(self) -> str:
        """Running executions that have a deadline."""
        return f"{self.prefix}timeout:tasks"

    @property
    def timeout_index(self) -> str:
        """The same, by deadline."""
        return f"{self.prefix}timeout:index"

    def token(self, digest: str) -> str:
        """One refresh token, by the SHA-256 of its text."""
        return f"{self.prefix}auth:token:{digest}"

    def family(self, family: str) -> str:
        """The login that a refresh token descends from."""
        return f"{self.prefix}auth:family:{family}"

    def retry(self, digest: str) -> str:
        """What a token that was changed is answered with once more, by the SHA-256 of its text."""
        return f"{self.prefix}auth:retry:{digest}"

    def user_tokens(self, user_id: int) -> str:
        """The logins of a user."""
        return f"{self.prefix}auth:user_tokens:{user_id}"

    @property
    def throttle(self) -> str:
        """What stands before every count of guesses; a colon and what is counted follow."""
        return f"{self.prefix}auth:throttle"

    def known_address(self, account: str, address: str) -> str:
        """Says that an account was logged into from there."""
        return f"{self.prefix}auth:known:{account}:{address}"

    def user(self, user_id: int) -> str:
        """A cached user."""
        return f"{self.prefix}cache:user:{user_id}"

    def api_key(self, digest: str) -> str:
        """A cached API key, by the SHA-256 of its text."""
        return f"{self.prefix}cache:api_key:{digest}"

    def worker(self, worker_id: str) -> str:
        """The heartbeat of a worker."""
        return f"{self.prefix}worker:{worker_id}"

    def queue(self, name: str) -> str:
        """The stream of a queue."""
        return f"{self.prefix}queue:{name}"

    def delayed(self, name: str) -> str:
        """The messages for a queue that are not due yet."""
        return f"{self.prefix}delayed:{name}"

    @property
    def results(self) -> str:
        """What stands before the result of every kicked task; a colon and its id follow."""
        return f"{self.prefix}result"

    @property
    def events(self) -> str:
        """The stream of what happens, which the API passes on."""
        return f"{self.prefix}events"

    def events_batch(self, writer: str) -> str:
        """The last batch that a process has added to the stream."""
        return f"{self.prefix}events:batch:{writer}"

    def probe(self, name: str) -> str:
        """What is written to see whether it may be."""
        return f"{self.prefix}probe:{name}"
