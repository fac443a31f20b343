"""Whole-file renders: one file, or a batch of them, restored into new files."""
