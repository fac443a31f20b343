"""The routes: what the page asks for, over HTTP."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import cache
from importlib.resources import files
from string import Template
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from uncodec.errors import AudioFileError, InvalidType, InvalidValue, UncodecError
from uncodec.web.desk import Desk, seconds_of
from uncodec.web.guard import Guard, Keys
from uncodec.web.previews import Sent, framed

__all__ = ["make_app"]

_MOST_JSON = 2_000_000
_LONGEST_WAIT_S = 20.0
_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
# Of the listening page: its player, pictures and blind tests.
_SHARED = ("player.js", "abx.js", "blind.js", "picture.js", "main.js", "page.css")
_OWN = ("wire.js", "files.js", "hear.js", "keep.js", "app.js", "app.css")

Handler = Callable[[Request], Awaitable[Response]]


@cache
def _static(name: str) -> bytes:
    room = "uncodec.listening" if name in _SHARED else "uncodec.web"
    folder = "web" if name in _SHARED else "page"
    return (files(room) / folder / name).read_bytes()


@cache
def _index() -> str:
    text = (files("uncodec.web") / "page" / "index.html").read_text(encoding="utf-8")
    deck = (files("uncodec.listening") / "web" / "deck.html").read_text(encoding="utf-8")
    scripts = "\n".join(
        f'<script src="/static/{name}" defer></script>'
        for name in (*_SHARED, *_OWN)
        if name.endswith(".js")
    )
    return Template(text).substitute(deck=deck, scripts=scripts)


async def _json(request: Request) -> dict[str, Any]:
    """The body as an object, not larger than it may be."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MOST_JSON:
            raise InvalidValue(f"request: must have at most {_MOST_JSON} bytes")
    try:
        asked = json.loads(bytes(body) or b"{}")
    except (ValueError, RecursionError):
        raise InvalidValue("request: must be JSON") from None
    if not isinstance(asked, dict):
        raise InvalidType("request: must be an object")
    return asked


def make_app(desk: Desk, keys: Keys, leave: Callable[[], None] = lambda: None) -> Starlette:
    """The application.

    Parameters
    ----------
    desk : Desk
        Opened and closed with the application.
    keys : Keys
    leave : callable
        Ends the server.
    """

    async def index(request: Request) -> Response:
        return Response(_index(), media_type="text/html; charset=utf-8")

    async def static(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in _SHARED and name not in _OWN:
            return Response("there is no such file", 404, media_type="text/plain")
        kind = _TYPES["." + name.rpartition(".")[2]]
        return Response(_static(name), media_type=f"{kind}; charset=utf-8")

    async def login(request: Request) -> Response:
        asked = await _json(request)
        if not await keys.admit(asked.get("password")):
            return JSONResponse({"error": "this is not the password"}, 403)
        return JSONResponse({"token": keys.token})

    async def state(request: Request) -> Response:
        since = _whole(request.query_params.get("since", "0"))
        if since:
            await desk.changes.wait(since, _LONGEST_WAIT_S)
        return JSONResponse(desk.state(since))

    async def announce(request: Request) -> Response:
        return JSONResponse(desk.announce((await _json(request)).get("files")))

    async def upload(request: Request) -> Response:
        entry = desk.library.get(request.path_params["key"])
        try:
            await desk.library.receive(entry, request.stream())
        except ClientDisconnect:
            return Response(status_code=400)
        desk.examiner.go_on()
        return JSONResponse({})

    async def remove(request: Request) -> Response:
        desk.remove(request.path_params["key"])
        return JSONResponse({})

    async def look(request: Request) -> Response:
        desk.look_first(request.path_params["key"])
        return JSONResponse({})

    async def overview(request: Request) -> Response:
        return JSONResponse(await desk.overview(request.path_params["key"]))

    async def preview(request: Request) -> Response:
        coming = desk.preview(await _json(request))
        return StreamingResponse(_framed(coming), media_type="application/octet-stream")

    async def keep(request: Request) -> Response:
        asked = await _json(request)
        return JSONResponse(desk.keep(asked))

    async def copied(request: Request) -> Response:
        asked = await _json(request)
        # The first time it reads the card of the model.
        return JSONResponse(await run_in_threadpool(desk.copied, asked))

    async def ticket(request: Request) -> Response:
        asked = await _json(request)
        queue = desk.queue
        one = queue.get(request.path_params["key"])
        match asked.get("action"):
            case "cancel":
                queue.cancel(one)
            case "again":
                queue.again(one, overwrite=asked.get("overwrite") is True)
            case "earlier":
                queue.move(one, -1)
            case "later":
                queue.move(one, 1)
            case "forget":
                queue.forget(one)
            case other:
                raise InvalidValue(f"action={other!r}: is unknown")
        return JSONResponse({})

    async def queue(request: Request) -> Response:
        match (await _json(request)).get("action"):
            case "pause":
                desk.queue.pause("Paused. What is in work is finished.")
            case "resume":
                desk.queue.resume()
            case "forget":
                desk.queue.forget_finished()
            case other:
                raise InvalidValue(f"action={other!r}: is unknown")
        return JSONResponse({})

    async def report(request: Request) -> Response:
        asked = await _json(request)
        path = await desk.report(request.path_params["key"], seconds_of(asked, "start_s"))
        return JSONResponse({"path": path})

    async def offer(request: Request) -> Response:
        what = (await _json(request)).get("what")
        return JSONResponse({"link": desk.offer(request.path_params["key"], what)})

    async def download(request: Request) -> Response:
        path = desk.follow(request.path_params["link"])
        # Saved, never shown: it is no page of this server.
        return FileResponse(path, media_type="application/octet-stream", filename=path.name)

    async def preset(request: Request) -> Response:
        asked = await _json(request)
        if request.method == "DELETE":
            desk.delete_preset(asked.get("name"))
        else:
            desk.save_preset(asked.get("name"), asked.get("knobs"))
        return JSONResponse({})

    async def end(request: Request) -> Response:
        leave()
        return JSONResponse({})

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        app.state.going_on = desk.open()
        try:
            yield
        finally:
            app.state.lost = desk.close()

    return Starlette(
        routes=[
            Route("/", index),
            Route("/static/{name}", static),
            Route("/download/{link}", download),
            Route("/api/login", login, methods=["POST"]),
            Route("/api/state", state),
            Route("/api/uploads", announce, methods=["POST"]),
            Route("/api/uploads/{key}", upload, methods=["PUT"]),
            Route("/api/files/{key}", remove, methods=["DELETE"]),
            Route("/api/files/{key}/look", look, methods=["POST"]),
            Route("/api/files/{key}/overview", overview),
            Route("/api/preview", preview, methods=["POST"]),
            Route("/api/keep", keep, methods=["POST"]),
            Route("/api/copy", copied, methods=["POST"]),
            Route("/api/queue", queue, methods=["POST"]),
            Route("/api/queue/{key}", ticket, methods=["POST"]),
            Route("/api/queue/{key}/report", report, methods=["POST"]),
            Route("/api/queue/{key}/offer", offer, methods=["POST"]),
            Route("/api/presets", preset, methods=["POST", "DELETE"]),
            Route("/api/end", end, methods=["POST"]),
        ],
        middleware=[Middleware(Guard, keys=keys)],
        exception_handlers={UncodecError: _told},
        lifespan=lifespan,
    )


async def _told(request: Request, error: Exception) -> Response:
    """An error as a sentence: what the caller can mend, or what the machine refused."""
    wrong = isinstance(error, (InvalidValue, InvalidType))
    status = 400 if wrong else 507 if isinstance(error, AudioFileError) else 500
    return JSONResponse({"error": str(error).encode("utf-8", "replace").decode()}, status)


async def _framed(coming: AsyncIterator[Sent]) -> AsyncIterator[bytes]:
    async for sent in coming:
        yield framed(sent)


def _whole(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 15:
        raise InvalidValue(f"since={text[:40]!r}: must be a whole number")
    return int(text)
