"""The web page: drop files, hear what restoring does to them, keep what sounds right.

A server for one person on one machine. `uncodec.web.server` runs it.
"""
