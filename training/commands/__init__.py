"""The verbs of the command line: what each takes, and which code it calls."""
