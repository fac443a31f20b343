"""Processes that do nothing, or do their work on the spot, and what a page would send."""

from __future__ import annotations

import json
import struct
from typing import ClassVar

import numpy as np

from uncodec.catalogue.receipts import ReceiptBook
from uncodec.catalogue.run import Performing
from uncodec.web.references import Measured

TOKEN = "a-token-of-tests"
PORT = 8765
RATE = 44100


class StillChild:
    """A process that is told things and says nothing; tests say it for it."""

    made: ClassVar[list[StillChild]] = []

    def __init__(self, serve, arguments, heard, ended, niceness=0):
        self.serve, self.arguments, self.heard, self.ended = serve, arguments, heard, ended
        self.sent = []
        self.stops = 0
        self.running = True
        StillChild.made.append(self)

    def send(self, message):
        self.sent.append(message)

    def stop(self):
        self.stops += 1


class PromptChild(StillChild):
    """Work of the queue is done where it is asked for."""

    def send(self, message):
        self.sent.append(message)
        if self.serve.__module__ != "uncodec.web.queue":
            return
        ticket = message
        like = Measured().like(ticket.like, ticket.knobs.like_amount)
        work = ticket.knobs.work(overwrite=ticket.overwrite, like=like)
        book = ReceiptBook(self.arguments[0], skip_done=True)

        def tell(name, *content):
            self.heard(("event", name, content))

        outcome = Performing(work, book).do(ticket.job, tell).state
        self.heard(("ended", ticket.id, outcome))


def noise(seconds=1.0, seed=0, level=0.05):
    samples = round(seconds * RATE)
    return np.random.default_rng(seed).normal(0, level, (2, samples)).astype(np.float32)


def drop(client, name, content):
    """Upload a file; returns its id."""
    asked = {"files": [{"name": name, "size": len(content)}]}
    told = client.post("/api/uploads", json=asked).json()
    assert told["refused"] == []
    key = told["accepted"][0]["id"]
    assert client.put(f"/api/uploads/{key}", content=content).status_code == 200
    return key


def frames(content):
    """The messages of a stream: heads and payloads."""
    out = []
    while content:
        size = struct.unpack("<I", content[:4])[0]
        head = json.loads(content[4 : 4 + size])
        end = 4 + size + head["bytes"]
        out.append((head, content[4 + size : end]))
        content = content[end:]
    return out
