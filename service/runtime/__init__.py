"""From request to worker thread: admission, the pool, loading and draining; no web framework."""
