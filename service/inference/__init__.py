"""From picture bytes to people: numpy, OpenCV, ONNX Runtime and pydantic, no web framework."""

import os

# Libraries read these when they are loaded, and any module of this package may load them first.
# The pixel limit is the second line of defence: `image.decode_image` reads the header first.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(2**28))
# A broken picture is an answer to its sender, not a line on the server's stderr.
os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
# ONNX Runtime reports usage to its maker unless told otherwise before it is loaded.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
