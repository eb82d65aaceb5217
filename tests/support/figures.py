"""The figures of a running tree, read as Prometheus reads them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from prometheus_client.parser import text_string_to_metric_families

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.tree import House

__all__ = ["Figures", "figures"]


@dataclass(frozen=True)
class Figures:
    """Every sample of a scrape, by its name and its labels."""

    samples: Mapping[tuple[str, frozenset[tuple[str, str]]], float]

    @property
    def names(self) -> set[str]:
        """The names of all samples."""
        return {name for name, _ in self.samples}

    def __call__(self, name: str, **labels: str) -> float:
        """One sample's value, 0 where there is none yet."""
        return self.samples.get((f"horarium_{name}", frozenset(labels.items())), 0.0)


async def figures(house: House) -> Figures:
    """What /metrics says now."""
    async with house.session.get(f"{house.url}/metrics") as response:
        assert response.status == 200, response
        families = text_string_to_metric_families(await response.text())
    return Figures({(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples})
