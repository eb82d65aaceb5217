"""Who is calling: passwords, access tokens, the cached user, and the first account.

Three truths, three owners. Postgres has the user, the password's hash and the *session version*. Redis has the refresh
tokens, hashed (`horarium.keyspace.tokens`), and a copy of the user that lives five minutes. An access token is signed
and carries the session version it was issued under; so does every refresh token. Raising the version in Postgres is
therefore what ends a session: everything issued before stops working, whether or not Redis remembers it, and a Redis
that comes back with yesterday's data revives nothing.

Checking an access token costs one read of Redis. With Redis away nobody is let in and nobody is called a liar:
the answer is Unavailable.
"""
