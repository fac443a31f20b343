"""An object store that is cut off in mid-run: for a while, or for good."""

import contextlib
import json
import socket
import struct
import threading
from functools import partial
from urllib.parse import urlsplit

import numpy as np
import pytest
import soundfile
from tests.catalogue.conftest import Recorder
from tests.catalogue.light_work import Halving

from uncodec.catalogue.cluster import each_on_cluster
from uncodec.catalogue.receipts import ReceiptBook
from uncodec.catalogue.run import each_here, run
from uncodec.catalogue.workers import each_in_processes
from uncodec.files.places import place
from uncodec.files.planning import plan

pytest.importorskip("moto.server")
pytest.importorskip("s3fs")

FILES = 8
# Each connection that is closed is reset: neither end waits for the other.
AT_ONCE = struct.pack("ii", 1, 0)


class Wire:
    """The way to a server, which can be cut: whoever is on it loses its connection, at once."""

    def __init__(self, server):
        parts = urlsplit(server)
        self._server, self._port = (parts.hostname, parts.port), 0
        self._ends, self._lock = set(), threading.Lock()
        self.join()

    @property
    def url(self):
        return f"http://127.0.0.1:{self._port}"

    def join(self):
        self._listener = socket.create_server(("127.0.0.1", self._port))
        self._port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def cut(self):
        with self._lock:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            for end in self._ends:
                with contextlib.suppress(OSError):
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
                    end.shutdown(socket.SHUT_RDWR)
                end.close()
            self._ends.clear()

    def _accept(self, listener):
        while True:
            try:
                near = listener.accept()[0]
                far = socket.create_connection(self._server)
            except OSError:
                return
            with self._lock:
                self._ends |= {near, far}
            for ends in ((near, far), (far, near)):
                threading.Thread(target=self._carry, args=ends, daemon=True).start()

    def _carry(self, come, go):
        with contextlib.suppress(OSError):
            while data := come.recv(65536):
                go.sendall(data)
        for end in (come, go):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def wire(server, bucket, monkeypatch):
    """The only way to the server, for this process and all that it starts from now on."""
    import s3fs

    wire = Wire(server)
    monkeypatch.setenv("AWS_ENDPOINT_URL", wire.url)
    # As they come they try for half a minute.
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    s3fs.S3FileSystem.clear_instance_cache()
    yield wire
    with contextlib.suppress(OSError):
        wire.cut()


class Cutting(Recorder):
    """Cuts the wire when the first file is done, and joins it when one has failed, if it may."""

    def __init__(self, wire, *, joins):
        super().__init__()
        self._wire, self._joins, self._whole = wire, joins, True

    def finished(self, report):
        super().finished(report)
        if self._whole:
            self._whole = False
            self._wire.cut()

    def failed(self, source, target, error):
        super().failed(source, target, error)
        if self._joins:
            self._joins = False
            self._wire.join()


@pytest.mark.parametrize(
    ("means", "passes"),
    [
        ("processes", True),
        ("cluster", False),
        pytest.param("processes", False, marks=pytest.mark.nightly),
        pytest.param("cluster", True, marks=pytest.mark.nightly),
    ],
)
def test_a_store_that_is_cut_off_loses_nothing(means, passes, wire, bucket, request, tmp_path):
    for number in range(FILES):
        noise = 0.1 * np.random.default_rng(number).standard_normal((9000, 2))
        soundfile.write(tmp_path / "song.wav", noise, 44100, subtype="PCM_16")
        place(f"{bucket}/in/{number}.wav").write_bytes((tmp_path / "song.wav").read_bytes())
    if means == "processes":
        each = partial(each_in_processes, processes=2)
    else:
        pytest.importorskip("distributed")
        each = partial(each_on_cluster, address=request.getfixturevalue("cluster").address)
    planned = plan([f"{bucket}/in"], f"{bucket}/out")
    book = ReceiptBook(place(f"{bucket}/notes"), skip_done=True)
    told = Cutting(wire, joins=passes)
    run(planned, Halving(pause_s=0.01), told, each=each, book=book)
    assert told.end["restored"] + told.end["failed"] == FILES
    assert told.end["failed"] >= 1
    if passes:
        assert told.end["restored"] >= 2
    else:
        wire.join()
        assert told.end["failed"] >= FILES - 3
    assert len(told.errors) == told.end["failed"]
    for error in told.errors:
        assert error.startswith(f"{bucket}/"), error
        assert "\n" not in error
        assert str(tmp_path) not in error
    whole = {path.name: path.read_bytes() for path in place(f"{bucket}/out").below()}
    for name, content in whole.items():
        (tmp_path / name).write_bytes(content)
        assert soundfile.info(tmp_path / name).frames == 9000
    for path in place(f"{bucket}/notes").below():
        json.loads(path.read_bytes())
    again = Recorder()
    run(planned, Halving(), again, each=each_here, book=book)
    assert again.end["failed"] == 0
    assert again.end["restored"] + again.end["skipped"] == FILES
    assert again.end["skipped"] >= told.end["restored"]
    stored = {path.name: path.read_bytes() for path in place(f"{bucket}/out").below()}
    assert len(stored) == FILES
    assert whole.items() <= stored.items()
