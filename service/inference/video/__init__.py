"""Videos in and out: recognised, read frame by frame within limits, written; no web framework."""
