"""The client's side of the API: what every command that asks a running Horarium is built on.

Address and credentials are looked for in the same order: the flag, the setting, the stored login; the address has a
default besides. A stored login is good for the address it was made at and is never sent to another one.

The server owns the truth about a login. A refresh token works once, and showing it a second time ends its whole
family; so whoever changes it holds the lock of the login's file, reads what the last holder left there, and has
written the new pair before letting go. Only a connection that breaks between the server's change and its answer can
still cost the login: then it says "log in again".

Whatever goes wrong is an `ApiError` with one line that says what to do, and an exit code. No line holds a secret.
"""

from __future__ import annotations

from horarium.client.api import ApiClient, Listing, address_of, knock, log_in, log_out, open_client
from horarium.client.configs import find_config, names_of
from horarium.client.errors import ApiAway, ApiError, Conflicting, Faulty, NoSuchThing, NotAllowed, NotLoggedIn, shaped
from horarium.client.events import Event
from horarium.client.login_file import LoginFile, StoredLogin

__all__ = [
    "ApiAway",
    "ApiClient",
    "ApiError",
    "Conflicting",
    "Event",
    "Faulty",
    "Listing",
    "LoginFile",
    "NoSuchThing",
    "NotAllowed",
    "NotLoggedIn",
    "StoredLogin",
    "address_of",
    "find_config",
    "knock",
    "log_in",
    "log_out",
    "names_of",
    "open_client",
    "shaped",
]
