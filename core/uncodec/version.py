"""The release, as everything that tells it tells it."""

__all__ = ["__version__"]

__version__ = "0.2.0"
