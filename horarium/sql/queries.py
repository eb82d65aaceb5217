"""The named queries of `queries/*.sql`, loaded strictly when this module is imported.

aiosql reads the files and turns `:name` into `$n`; what runs a query is ours, because aiosql's own functions would
take a connection from a pool without a timeout. Asking for a name that no file defines is an AttributeError at
import; a name defined twice is a QueryError; missing or surplus arguments are a TypeError before anything is sent.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from aiosql.adapters.asyncpg import AsyncPGAdapter
from aiosql.query_loader import QueryLoader

if TYPE_CHECKING:
    from collections.abc import Mapping

    import asyncpg

    Connection = asyncpg.pool.PoolConnectionProxy[asyncpg.Record] | asyncpg.Connection[asyncpg.Record]

__all__ = ["QUERIES", "Queries", "Query", "QueryError", "Row"]

QUERY_DIR = Path(__file__).parent / "queries"


class QueryError(Exception):
    """A .sql file is misshapen, or two define the same name."""


class Row(Protocol):
    """A row of an answer, by column name; asyncpg's Record is one, and so is a dict."""

    def __getitem__(self, column: str, /) -> Any:
        """The value of a column."""

    def get(self, column: str, /) -> Any:
        """The same; None where the answer has no such column."""


@dataclass(frozen=True, slots=True)
class Query:
    """One named statement; its methods take the parameters by name."""

    name: str
    sql: str
    parameters: tuple[str, ...]

    async def rows(self, connection: Connection, **values: object) -> list[asyncpg.Record]:
        """Every row of the answer."""
        return await connection.fetch(self.sql, *self._ordered(values))

    async def row(self, connection: Connection, **values: object) -> asyncpg.Record | None:
        """The first row, or None when there is none."""
        return await connection.fetchrow(self.sql, *self._ordered(values))

    async def value(self, connection: Connection, **values: object) -> Any:
        """The first column of the first row."""
        return await connection.fetchval(self.sql, *self._ordered(values))

    async def run(self, connection: Connection, **values: object) -> None:
        """Execute, for a statement that answers no rows."""
        await connection.execute(self.sql, *self._ordered(values))

    def _ordered(self, values: Mapping[str, object]) -> list[object]:
        if values.keys() != set(self.parameters):
            raise TypeError(f"{self.name} takes {sorted(self.parameters)}, not {sorted(values)}")
        return [values[name] for name in self.parameters]


class Queries:
    """All queries, by name: `QUERIES.execution_claim`."""

    def __init__(self, folder: Path = QUERY_DIR) -> None:
        adapter = AsyncPGAdapter()  # type: ignore[no-untyped-call]  # aiosql ships no types for it
        loader = QueryLoader(adapter, None)
        self._queries: dict[str, Query] = {}
        for path in sorted(folder.glob("*.sql")):
            for datum in loader.load_query_data_from_file(path):
                name = datum.query_name
                if name in self._queries:
                    raise QueryError(f"{path.name}: {name} is defined twice")
                self._queries[name] = Query(name, datum.sql, tuple(adapter.var_sorted[name]))

    def __getattr__(self, name: str) -> Query:
        try:
            return self._queries[name]
        except KeyError:
            raise AttributeError(f"no query is named {name}") from None

    def all(self) -> tuple[Query, ...]:
        """Every query, for the test that prepares them all."""
        return tuple(self._queries.values())


QUERIES = Queries()
