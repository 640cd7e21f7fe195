"""The HTTP door: wiring only."""
