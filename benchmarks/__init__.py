"""Measurements on this machine; nothing here is part of the product."""
