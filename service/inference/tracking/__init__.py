"""Who is who from one frame to the next, and joints that do not tremble: pure numpy."""
