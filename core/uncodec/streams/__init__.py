"""What every engine stands on: blocks in and out, aligned, at any rate and for any channels."""
