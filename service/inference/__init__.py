"""From picture bytes to people: numpy, OpenCV, ONNX Runtime and pydantic, no web framework."""
