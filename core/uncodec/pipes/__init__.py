"""Sound through pipes: bytes in on one side, restored bytes out on the other, as they come."""
