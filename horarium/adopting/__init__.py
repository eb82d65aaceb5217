"""Taking an existing taskiq app as it is: its broker, its tasks, and the schedules that it declares itself.

The app owns its broker: how a message is made (middlewares, formatter, serializer), where it goes and who may read it.
Horarium owns what it always does: the row before the message, the attempt that a worker claims, and how it ended. So
everything here stands around the app's objects, and changes none of them.
"""

from __future__ import annotations
