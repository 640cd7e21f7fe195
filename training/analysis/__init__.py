"""What stands behind an average precision: joints, sizes, scores, thresholds, kinds of errors."""
