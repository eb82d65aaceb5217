"""A resolver of names that tests have a say in, and may change its mind."""

from __future__ import annotations

import socket

from aiohttp.abc import AbstractResolver, ResolveResult

__all__ = ["Answering"]


class Answering(AbstractResolver):
    """Answers each question with the next of its answers, one address or several, and with the last one for ever."""

    def __init__(self, *answers: str | list[str]) -> None:
        self.answers = [[each] if isinstance(each, str) else each for each in answers]
        self.asked: list[str] = []

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked.append(host)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [ResolveResult(hostname=host, host=each, port=port, family=family, proto=0, flags=0) for each in answer]

    async def close(self) -> None:
        """Nothing is open."""
