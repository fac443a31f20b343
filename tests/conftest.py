"""Settings that hold for every test."""

import os

# One thread per process, set before torch is imported: the arrays here are small, and threads that
# wait for each other on a busy machine make the suite many times slower.
os.environ.setdefault("OMP_NUM_THREADS", "1")
