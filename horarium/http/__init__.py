"""The HTTP side: one module a resource, one table of routes, one shape for problems.

Never importable as top-level `http`, which is the standard library's.
"""
