"""A server without sockets, and a client that has its token."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
from tests.browsing import browser, browser_session
from tests.web.desks import PORT, RATE, TOKEN, StillChild, noise

from uncodec.io import write_audio
from uncodec.web.app import make_app
from uncodec.web.desk import Desk, Places
from uncodec.web.guard import Keys
from uncodec.web.library import Limits

with warnings.catch_warnings():
    # Some releases ask for a successor of httpx, others know nothing of it.
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient


__all__ = ["browser", "browser_session"]


@pytest.fixture(autouse=True)
def no_children_left():
    StillChild.made.clear()


@pytest.fixture
def make_client(tmp_path):
    """Makes a client of a new server: ``make_client(folder=..., limits=..., child=...)``."""
    opened = []

    def made(*, folder=None, limits=None, child=StillChild, keys=None, state="state"):
        places = Places(tmp_path / state, tmp_path / "presets.json", tmp_path / "out", folder)
        keys = keys or Keys(TOKEN, PORT)
        left = []
        app = make_app(Desk(places, limits or Limits(), child), keys, lambda: left.append(1))
        client = TestClient(app, base_url=f"http://127.0.0.1:{PORT}", raise_server_exceptions=True)
        client.headers["authorization"] = f"Bearer {keys.token}"
        client.__enter__()
        client.left = left
        opened.append(client)
        return client

    yield made
    for client in opened:
        client.__exit__(None, None, None)


@pytest.fixture
def client(make_client):
    return make_client()


@pytest.fixture
def song(tmp_path):
    """Writes a short file and returns its path."""

    def written(name="song.flac", folder=None, seconds=1.0, seed=0):
        path = Path(folder or tmp_path / "songs") / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_audio(path, noise(seconds, seed), RATE)
        return path

    return written
