"""Stance's training: COCO-format data in, one self-describing ONNX bundle out."""
