"""Stance's service: loads pose bundles from ONNX files and answers pictures with people."""
