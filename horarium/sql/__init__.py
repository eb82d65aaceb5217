"""Postgres: the pool, the migrations, the named queries, and one module of typed access for each table."""
