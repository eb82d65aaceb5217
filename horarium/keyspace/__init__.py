"""Redis: the pool, the key names, the Lua verbs, and one module for each thing that is kept there.

Everything here except refresh tokens can be rebuilt from Postgres; Redis may be flushed at any moment.
"""
