"""Stance's service: loads pose bundles from ONNX files and answers pictures with people."""

VERSION = "0.1.0"
"""As in `pyproject.toml`, which the images do not have."""
