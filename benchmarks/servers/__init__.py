"""Other servers around the same pipeline, each in an environment of its own."""
