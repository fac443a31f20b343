"""Classical repair, without a network: what signal processing alone can give back."""
