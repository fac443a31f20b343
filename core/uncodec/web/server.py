"""Running the server: its sockets, its folder, its beginning and its end."""

from __future__ import annotations

import hashlib
import os
import secrets
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn

from uncodec.catalogue.run_lock import locked
from uncodec.catalogue.shards import Shard
from uncodec.errors import InvalidValue, UncodecError
from uncodec.web.app import make_app
from uncodec.web.desk import Desk, Places
from uncodec.web.guard import Keys
from uncodec.web.library import Limits
from uncodec.whole_files import reason_of

__all__ = ["Served", "serve_forever", "state_root"]

LOOPBACK = ("127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Served:
    """What is served, and to whom.

    Attributes
    ----------
    folder : Path or None
        The folder whose files are on the page.
    output : Path
        Where results of dropped files go.
    port : int
        0 for one that is free.
    host : str or None
        An address beside this machine's own; it needs a password.
    password : str
    """

    folder: Path | None
    output: Path
    port: int = 0
    host: str | None = None
    password: str = ""
    limits: Limits = field(default_factory=Limits)


def state_root() -> Path:
    """The folder in which servers keep queues, receipts and presets."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local"
    else:
        base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state"
    return Path(base) / "uncodec" / "web"


def serve_forever(
    served: Served, tell: Callable[[str], None], opened: Callable[[str], None]
) -> None:
    """Serve until somebody says to stop.

    Parameters
    ----------
    served : Served
    tell : callable
        Called with lines for the terminal.
    opened : callable
        Called with the address, token included, when the server answers.

    Raises
    ------
    InvalidValue
        Another host without a password.
    UncodecError
        The port is taken, a folder cannot be used, or a server for this folder is running already.
    """
    if served.host is not None and not served.password:
        raise InvalidValue("password: must be given where the host is not this machine itself")
    root = state_root()
    key = "dropped"
    if served.folder is not None:
        key = hashlib.sha256(os.fsencode(os.path.realpath(served.folder))).hexdigest()[:16]
    places = Places(root / key, root / "presets.json", served.output, served.folder)
    with _locked(places.state, served.folder), _sockets(served.port, served.host) as sockets:
        port = sockets[0].getsockname()[1]
        names = ("localhost",) if served.host is None else ("localhost", served.host.lower())
        keys = Keys(
            secrets.token_urlsafe(32), port, names, served.host is not None, served.password
        )
        desk = Desk(places, served.limits)

        def leave() -> None:
            server.should_exit = True
            desk.changes.end()

        app = make_app(desk, keys, leave)
        config = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            ws="none",
            timeout_graceful_shutdown=2,
        )
        server = _Server(config, leave, lambda: opened(_address(served.host, port, keys.token)))
        with suppress(KeyboardInterrupt):  # uvicorn raises it again when it has ended
            server.run(sockets=sockets)
        if not server.started:
            raise UncodecError("the server did not start")
        if lost := getattr(app.state, "lost", []):
            tell(f"not done, and gone with the page: {', '.join(lost)}; drop them again")
        if left := desk.queue.tickets:
            tell(f"{len(left)} files are still to be done; the next start goes on with them")


class _Server(uvicorn.Server):
    """Says when it answers, and lets nobody wait when it ends."""

    def __init__(
        self, config: uvicorn.Config, leave: Callable[[], None], ready: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._leave, self._ready = leave, ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._leave()
        await super().shutdown(sockets)


def _address(host: str | None, port: int, token: str) -> str:
    """The address that opens the page. What stands behind the # is sent to no server."""
    if host is None:
        return f"http://{LOOPBACK[0]}:{port}/#{token}"
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{port}/"


@contextmanager
def _locked(state: Path, folder: Path | None) -> Iterator[None]:
    """One server for each folder: two would do the same queue."""
    try:
        state.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = locked(state, Shard())
        lock.__enter__()
    except OSError as error:
        raise UncodecError(f"{state}: cannot be used: {reason_of(error)}") from error
    except UncodecError as error:
        what = "dropped files" if folder is None else str(folder)
        raise UncodecError(f"a server for {what} is running already ({error})") from error
    try:
        yield
    finally:
        lock.__exit__(None, None, None)


@contextmanager
def _sockets(port: int, host: str | None) -> Iterator[list[socket.socket]]:
    """Sockets at the addresses of this machine alone, and at one more where that is asked for."""
    opened: list[socket.socket] = []
    try:
        if host is not None:
            opened.append(_bound(host, port))
        else:
            for address in LOOPBACK:
                try:
                    opened.append(_bound(address, port))
                except OSError:
                    # Many machines have no IPv6; without the first address there is no server.
                    if address == LOOPBACK[0]:
                        raise
                port = port or opened[0].getsockname()[1]
        yield opened
    except OSError as error:
        if isinstance(error, UncodecError):
            raise
        where = f"{host or LOOPBACK[0]}, port {port}"
        raise UncodecError(f"{where}: cannot be listened at: {reason_of(error)}") from error
    finally:
        for each in opened:
            each.close()


def _bound(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    each = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":
            each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            each.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        each.bind((address, port))
        each.listen(128)
    except BaseException:
        each.close()
        raise
    return each
