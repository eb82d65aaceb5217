"""Programs that write what `horarium import` reads, each with the other package itself; run as processes.

Each is a script that prints one JSON object: when the entries it has written are due by the other package's own
arithmetic. They are the oracle, and share nothing with Horarium.
"""
