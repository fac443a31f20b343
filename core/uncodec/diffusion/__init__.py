"""The offline path: a diffusion network sampled over whole signals, chunk by chunk."""
