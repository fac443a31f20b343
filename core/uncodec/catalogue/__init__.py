"""Catalogue runs: many files by many processes and machines, with receipts that let a run go on."""
