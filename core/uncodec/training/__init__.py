"""Everything that makes models: clean mixes, coded pairs, losses and the training loop."""
