"""The page about a run or a bundle: how it was trained, what it reaches, where it errs."""
