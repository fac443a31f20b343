"""The core: processes that serve plugins in audio hosts, and what starts and asks them.

A supervisor listens for plugins and starts a worker for each model; a worker runs the network for
many plugin sessions over shared memory. `uncodec._native` and the crate ``uncodec-proto`` hold the
protocol.
"""
