"""Codecs: from labels to targets in numpy, from network outputs to answers in `keras.ops`."""
