"""Converters from other tools' label formats to the COCO files that this project reads."""
