"""The actors, one a file, in the order of the tree. None imports another: they talk through mailboxes."""
