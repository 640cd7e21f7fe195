"""Tables of the pages that are written by a command, so that they cannot go stale."""
