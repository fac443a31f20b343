"""Who may ask: the address, the origin and the token of every request are looked at here."""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Guard", "Keys"]

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

# Nothing but the page's own files runs, and nothing but this server is spoken to.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data: blob:; media-src blob:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
_WRONG_PASSWORD_S = 1.0


@dataclass
class Keys:
    """What opens the server.

    Attributes
    ----------
    token : str
        Asked of every request that does or tells something.
    port : int
        The one that the server listens at.
    names : tuple of str
        What it may be called beside its addresses.
    anywhere : bool
        It is not bound to this machine's own addresses alone.
    password : str
        Gives the token to who knows it; where it is empty, nobody is given it.
    """

    token: str
    port: int = 0
    names: tuple[str, ...] = ("localhost",)
    anywhere: bool = False
    password: str = ""
    _asking: asyncio.Lock = field(default_factory=asyncio.Lock, repr=False)

    def knows(self, token: str) -> bool:
        """Whether a token is the right one."""
        return hmac.compare_digest(token.encode(), self.token.encode())

    async def admit(self, password: object) -> bool:
        """Whether a password is the right one; wrong ones are answered one a second."""
        async with self._asking:
            told = password if isinstance(password, str) else ""
            right = hmac.compare_digest(told.encode(), self.password.encode())
            if self.password and right:
                return True
            await asyncio.sleep(_WRONG_PASSWORD_S)
            return False

    def is_host(self, host: str) -> bool:
        """Whether a Host header names this server.

        A page of somebody else can have its own name lead here (DNS rebinding), but the browser
        still sends that name: only addresses and names that were told are taken.
        """
        name, _, port = host.rpartition(":")
        if not name or name.endswith(":") or (host.startswith("[") and host.endswith("]")):
            name, port = host, "80"
        if port != str(self.port):
            return False
        if name.lower() in self.names:
            return True
        try:
            address = ipaddress.ip_address(name.strip("[]"))
        except ValueError:
            return False
        return self.anywhere or str(address) in ("127.0.0.1", "::1")


class Guard:
    """Stands before the application.

    Refused are requests whose Host header names something else, that come from a page of another
    origin, or that lack the token where it is needed (all below ``/api/`` but ``/api/login``). No
    header of cross-origin sharing is ever sent.
    """

    def __init__(self, app: App, keys: Keys) -> None:
        self._app, self._keys = app, keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            # No web socket is spoken here.
            await send({"type": "websocket.close", "code": 1008})
            return

        async def guarded(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                told = [(name.lower(), value) for name, value in message.get("headers", [])]
                own = {name.encode(): value.encode() for name, value in _HEADERS.items()}
                kept = [(name, value) for name, value in told if name not in own]
                message = {**message, "headers": [*kept, *own.items()]}
            await send(message)

        refusal = self._refusal(scope)
        if refusal is None:
            await self._app(scope, receive, guarded)
            return
        status, text = refusal
        await guarded(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [(b"content-type", b"text/plain; charset=utf-8")],
            }
        )
        await guarded({"type": "http.response.body", "body": text.encode()})

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        headers = _only(scope["headers"], (b"host", b"origin", b"authorization", b"sec-fetch-site"))
        if headers is None:
            return 400, "a header was sent twice"
        host = headers.get("host", "")
        if not self._keys.is_host(host):
            return 403, "this server has another address"
        origin = headers.get("origin")
        if origin is not None and origin != f"http://{host}":
            return 403, "only the page of this server may ask"
        path = scope["path"]
        if not path.startswith(("/api/", "/download/")):
            return None
        if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            return 403, "only the page of this server may ask"
        if path == "/api/login" or path.startswith("/download/"):
            return None
        kind, _, token = headers.get("authorization", "").partition(" ")
        if kind != "Bearer" or not self._keys.knows(token):
            return 401, "open the address that the server printed: this one has no valid token"
        return None


def _only(headers: Iterable[tuple[bytes, bytes]], wanted: Iterable[bytes]) -> dict[str, str] | None:
    """Some of the headers; None if one is there twice."""
    found: dict[str, str] = {}
    names = set(wanted)
    for name, value in headers:
        if name.lower() in names:
            key = name.lower().decode("ascii")
            if key in found:
                return None
            found[key] = value.decode("latin-1")
    return found
