"""Previews: a process that keeps the live engine warm and drops what a moved knob made stale."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
import struct
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from uncodec.errors import UncodecError
from uncodec.files.reporting import describe
from uncodec.lazy import uncollected
from uncodec.signals import Array
from uncodec.web.children import Child, Message
from uncodec.web.knobs import Knobs
from uncodec.web.references import Measured
from uncodec.web.reports import Report

if TYPE_CHECKING:
    from uncodec.web.excerpts import Excerpt

__all__ = ["Asked", "Previews", "framed", "serve"]

Sent = tuple[dict[str, Any], bytes]

_LAST = ("done", "failed", "stale")
_MOST_KEPT = 2
"""Excerpts that stay in memory, 8 MB each."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody wants to hear or to see.

    Attributes
    ----------
    what : {"preview", "overview", "report"}
    tab : str
        Who asks: a preview makes the earlier ones of the same tab stale.
    path : Path
    start_s : float
        Where the excerpt begins.
    at_s : float
        Where in the excerpt somebody listens.
    knobs : Knobs
    known : str
        The excerpt that the page holds already.
    title : str
        What the page calls the file.
    like : Path or None
        The reference.
    report : Report or None
        What goes into a report.
    """

    what: str
    tab: str
    path: Path
    start_s: float = 0.0
    at_s: float = 0.0
    knobs: Knobs = field(default_factory=Knobs)
    known: str = ""
    title: str = ""
    like: Path | None = None
    report: Report | None = None


class _Stale(Exception):
    """Nobody waits for it any more."""


class _Later(Exception):
    """Somebody wants to hear something first."""


def serve(connection: Connection) -> None:
    """The life of the process."""
    _Ear(connection).run()


class _Ear:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._waiting: dict[int, Asked] = {}
        self._excerpts: dict[str, Excerpt] = {}
        self._measured = Measured()

    def run(self) -> None:
        """Do what is asked for, previews first."""
        self._warm_up()
        while True:
            self._take(wait=not self._waiting)
            if not self._waiting:
                continue  # the only one was taken back
            # Of what is waited for, the newest preview; then the rest in order.
            number = max(self._previews, default=min(self._waiting))
            asked = self._waiting[number]
            try:
                for sent in self._work(asked):
                    self._take(wait=False)
                    if number not in self._waiting:
                        raise _Stale
                    if asked.what != "preview" and self._previews:
                        raise _Later
                    if sent is not None:
                        self._send(number, *sent)
                self._send(number, {"kind": "done"})
            except _Later:
                continue
            except _Stale:
                self._send(number, {"kind": "stale"})
            except (EOFError, BrokenPipeError):
                raise
            except Exception as error:
                self._send(number, {"kind": "failed", "message": _told(error, asked)})
            self._waiting.pop(number, None)

    @property
    def _previews(self) -> list[int]:
        return [n for n, asked in self._waiting.items() if asked.what == "preview"]

    def _warm_up(self) -> None:
        """The first second through a network takes many times as long as the next ones."""
        with uncollected():
            import torch

        torch.set_num_threads(1)
        try:
            noise = np.random.default_rng(0).normal(0, 0.01, (2, 32768)).astype(np.float32)
            for repairs in (False, True):
                stream = Knobs(repairs=repairs).preview_effect().open_stream(44100, 2, None)
                stream.push(noise)
                stream.finish()
        except UncodecError as error:
            # Told where somebody asks for a preview.
            self._send(0, {"kind": "warm", "message": describe(error)})
        else:
            self._send(0, {"kind": "warm"})

    def _take(self, *, wait: bool) -> None:
        while (wait and not self._waiting) or self._connection.poll():
            number, asked = self._connection.recv()
            if asked is None:
                self._waiting.pop(number, None)
                continue
            if asked.what == "preview":
                for other, earlier in list(self._waiting.items()):
                    if earlier.what == "preview" and earlier.tab == asked.tab:
                        del self._waiting[other]
                        self._send(other, {"kind": "stale"})
            self._waiting[number] = asked

    def _send(self, number: int, head: dict[str, Any], payload: bytes = b"") -> None:
        self._connection.send((number, head, payload))

    def _work(self, asked: Asked) -> Iterator[Sent | None]:
        if asked.what == "overview":
            from uncodec.web.excerpts import overview

            points = yield from overview(asked.path)
            yield {"kind": "overview", **points}, b""
        elif asked.report is not None:
            from uncodec.web.reports import write_report

            written = yield from write_report(asked.report)
            yield {"kind": "report", "path": str(written)}, b""
        else:
            yield from self._preview(asked)

    def _excerpt(self, asked: Asked) -> Generator[None, None, tuple[str, Excerpt]]:
        from uncodec.web.excerpts import read_excerpt

        told = f"{asked.path}@{asked.start_s:.3f}@{asked.path.stat().st_mtime_ns}"
        key = hashlib.sha256(told.encode("utf-8", "surrogateescape")).hexdigest()[:16]
        if key not in self._excerpts:
            excerpt = yield from read_excerpt(asked.path, asked.start_s)
            while len(self._excerpts) >= _MOST_KEPT:
                del self._excerpts[next(iter(self._excerpts))]
            self._excerpts[key] = excerpt
        return key, self._excerpts[key]

    def _preview(self, asked: Asked) -> Iterator[Sent | None]:
        from uncodec.web.excerpts import described, restored_pieces

        key, excerpt = yield from self._excerpt(asked)
        rate = excerpt.sample_rate
        channels, samples = excerpt.body.shape
        head = {
            "kind": "excerpt",
            "key": key,
            "rate": rate,
            "channels": channels,
            "samples": samples,
            "start_s": excerpt.start_s,
        }
        if asked.known != key:
            yield head, _bytes(excerpt.body)
        else:
            yield {**head, "kind": "same"}, b""
        restored: Array = np.zeros_like(excerpt.body)
        at = round(asked.at_s * rate)
        like = self._measured.like(asked.like, asked.knobs.like_amount)
        for piece in restored_pieces(excerpt, asked.knobs.preview_effect(like), at):
            if piece is None:
                yield None
                continue
            place, audio = piece
            restored[:, place : place + audio.shape[1]] = audio
            yield {"kind": "piece", "at": place, "samples": audio.shape[1]}, _bytes(audio)
        spectrogram, facts, cells = described([excerpt.body, restored], rate)
        sizes = [len(each) for each in cells]
        yield (
            {"kind": "facts", "spectrogram": spectrogram, "versions": facts, "cells": sizes},
            (b"".join(cells)),
        )


def _bytes(audio: Array) -> bytes:
    """Channel after channel, 32-bit floats, least byte first."""
    return np.ascontiguousarray(audio, dtype="<f4").tobytes()


def _told(error: Exception, asked: Asked) -> str:
    text = describe(error).replace(str(asked.path), asked.title or asked.path.name)
    return text if asked.like is None else text.replace(str(asked.like), asked.like.name)


class Previews:
    """The process, seen from the server."""

    def __init__(
        self, changed: Callable[[], None] = lambda: None, make: Callable[..., Child] = Child
    ) -> None:
        self._child = make(serve, (), self._heard, self._ended)
        self._numbers = itertools.count(1)
        self._open: dict[int, asyncio.Queue[Sent]] = {}
        self._changed = changed
        self.warm = False
        self.problem = ""

    def warm_up(self) -> None:
        """Load the engine before anybody asks."""
        self._child.send((0, None))

    async def ask(self, asked: Asked) -> AsyncIterator[Sent]:
        """Ask for something; yields what comes, the last one of kind done, failed or stale.

        Who does not listen to the end makes it stale.
        """
        number = next(self._numbers)
        coming: asyncio.Queue[Sent] = asyncio.Queue()
        self._open[number] = coming
        ended = False
        try:
            self._child.send((number, asked))
            while not ended:
                head, payload = await coming.get()
                ended = head["kind"] in _LAST
                yield head, payload
        finally:
            self._open.pop(number, None)
            if not ended and self._child.running:
                self._child.send((number, None))

    def _heard(self, message: Message) -> None:
        number, head, payload = message
        if head["kind"] == "warm":
            self.warm, self.problem = True, head.get("message", "")
            self._changed()
        elif number in self._open:
            self._open[number].put_nowait((head, payload))

    def _ended(self) -> None:
        self.warm = False
        lost = {"kind": "failed", "message": "the process that worked on it died; try again"}
        for coming in self._open.values():
            coming.put_nowait((lost, b""))
        self._changed()

    def stop(self) -> None:
        """End the process."""
        self._child.stop()


def framed(sent: Sent) -> bytes:
    """A message as it goes over the wire: length of the head, head, payload.

    The head is JSON, which tells the length of the payload as ``bytes``.
    """
    head, payload = sent
    text = json.dumps({**head, "bytes": len(payload)}).encode()
    return struct.pack("<I", len(text)) + text + payload
