"""Imported last by the process that worker processes are copies of, and nowhere else.

All that was imported before stays: the garbage collector of a copy need not look through it, which
would also end the sharing of its memory.
"""

import gc

gc.freeze()
