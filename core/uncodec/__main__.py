"""``python -m uncodec`` is the ``uncodec`` command."""

from uncodec.cli import main

main()
