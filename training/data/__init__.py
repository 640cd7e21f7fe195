"""COCO-format records, augmentation, and batches of samples."""
