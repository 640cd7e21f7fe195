"""Self-contained HTML pages: one file, no script, no request to anywhere."""
