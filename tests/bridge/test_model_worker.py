"""The worker's turns, one by one: who is let in, who comes first, what is left behind."""

import gc
import json
import os
import socket
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from uncodec._native import read_request
from uncodec.balance import Balance
from uncodec.bridge import model_worker as worker_module
from uncodec.bridge.load import Times, has_room
from uncodec.bridge.model_worker import ModelWorker
from uncodec.bridge.packed_reference import pack, written
from uncodec.bridge.sockets import listen
from uncodec.errors import CoreError
from uncodec.live.times import Percentiles
from uncodec.rates import network_rate

HOP, WINDOW = 64, 256


def open_files():
    """Descriptors that this process has open, and one for looking."""
    return len(list(Path("/proc/self/fd").iterdir()))


class Door:
    """The supervisor's part: takes connections and hands them to a worker that takes its turns."""

    def __init__(self, worker, control, path):
        self.worker = worker
        self.control = control
        self.path = path
        self.listener = listen(path)
        self.number = 0

    def open(self, host, model="small", may_wait=False, reference=None):
        """Open a session; what the host gets."""
        got = []

        def ask():
            try:
                session = host.path.open(
                    self.path, model=model, may_wait=may_wait, reference=reference, timeout_s=20
                )
                got.append(session)
            except CoreError as error:
                got.append(error)

        asking = threading.Thread(target=ask)
        asking.start()
        connection, _ = self.listener.accept()
        with connection:
            name, seed, pid, may_wait, brought = read_request(connection.fileno(), 5)
            self.number += 1
            order = {
                "do": "open",
                "session": self.number,
                "model": name,
                "seed": seed,
                "host_pid": pid,
                "may_wait": may_wait,
                "reference": "" if brought is None else written(brought),
            }
            socket.send_fds(self.control, [json.dumps(order).encode()], [connection.fileno()])
        while asking.is_alive():
            self.worker.turn()
        asking.join()
        if isinstance(got[0], CoreError):
            raise got[0]
        return got[0]


@pytest.fixture
def make_door(control, short_path, loaded):
    doors = []

    def make_door(load_limit=None):
        ours, theirs = control
        door = Door(ModelWorker(theirs, loaded, load_limit), ours, short_path)
        doors.append(door)
        return door

    yield make_door
    for door in doors:
        door.listener.close()


@pytest.fixture
def play(noise):
    """Runs a host that is served by a worker's turns."""

    def play(host, door, hops=30):
        host.answer = door.worker.turn
        host.path.activate()
        host.run(noise(hops * HOP))
        return host.path.counters()

    return play


def test_there_is_room_up_to_the_limit():
    assert has_room([0.3, 0.2], 0.2, 0.7)
    assert not has_room([0.3, 0.2], 0.21, 0.7)
    assert has_room([], 5.0, 0.7), "nobody else is there to be harmed"


def test_percentiles_are_of_the_last_times():
    times = Times(kept=1000)
    assert times.percentiles() == Percentiles(0.0, 0.0, 0.0, 0.0)
    for duration in range(5000):
        times.add(duration)
    expected = np.percentile(np.arange(4000, 5000), [50, 99, 99.9, 100]) * 1e-9
    np.testing.assert_allclose(list(times.percentiles().described().values()), expected)
    assert times.count == 5000


def test_a_session_has_the_reference_that_it_brings(make_door, make_host, play):
    door = make_door()
    balance = Balance("song.flac", (450.0, 1250.0), (0.5, -3.0), 20_000.0)
    for reference in (None, pack(balance)):
        host = make_host()
        session = door.open(host, reference=reference)
        assert play(host, door)["dry"] == 0
        (told,) = door.worker.describe()["sessions"]
        assert told["reference"] == (None if reference is None else "song.flac")
        session.close()
        while door.worker.describe()["sessions"]:
            door.worker.turn()


def test_a_session_that_would_not_fit_is_refused_with_the_numbers(make_door, make_host):
    door = make_door(load_limit=0.7)
    # 40 % of a hop's period each.
    door.worker._rehearsed.add(round(0.4 * HOP / 48000 * 1e9))
    first = door.open(make_host())
    with pytest.raises(CoreError, match=r"load=0\.80: must be at most 0\.70 with 2 sessions"):
        door.open(make_host())
    assert not first.is_over
    first.close()
    while door.worker._sessions:
        door.worker.turn()
    assert not door.open(make_host()).is_over


def set_expected_load(worker, share):
    """Let the worker take so much of a hop's period for what a session needs."""
    worker._rehearsed.add(round(share * HOP / 48000 * 1e9))


def test_a_host_that_sets_up_anew_is_not_in_its_own_way(make_door, make_host):
    door = make_door(load_limit=0.7)
    set_expected_load(door.worker, 0.4)
    session = door.open(make_host())
    for _ in range(10):
        # Both are there when the worker next looks: the end of one, the wish for another.
        session.close()
        session = door.open(make_host())
    assert len(door.worker._sessions) == 1
    assert door.worker.describe()["refused"] == {"count": 0, "last": ""}


def test_one_hiccup_of_a_short_session_is_no_load(make_door, make_host):
    door = make_door(load_limit=0.7)
    set_expected_load(door.worker, 0.1)
    first = door.open(make_host())
    (session,) = door.worker._sessions.values()
    period_ns = round(session.period_s * 1e9)
    for _ in range(99):
        session.work_times.add(period_ns // 10)
    session.work_times.add(50 * period_ns)
    second = door.open(make_host())
    assert not first.is_over
    assert not second.is_over


def test_a_session_that_takes_much_all_the_time_is_one(make_door, make_host):
    door = make_door(load_limit=0.7)
    set_expected_load(door.worker, 0.1)
    kept = door.open(make_host())
    (session,) = door.worker._sessions.values()
    for _ in range(100):
        session.work_times.add(round(0.65e9 * session.period_s))
    with pytest.raises(CoreError, match=r"load=0\.75"):
        door.open(make_host())
    # With enough of them, what they take at the worst counts.
    for _ in range(4096):
        session.work_times.add(round(0.1e9 * session.period_s))
    second = door.open(make_host())
    for _ in range(10):
        session.work_times.add(round(0.6e9 * session.period_s))
    with pytest.raises(CoreError, match=r"load=0\.80"):
        door.open(make_host())
    assert door.worker.describe()["refused"]["count"] == 2
    assert not kept.is_over
    assert not second.is_over


def test_a_render_is_admitted_whatever_the_load_and_adds_nothing_to_it(make_door, make_host, play):
    door = make_door(load_limit=0.7)
    set_expected_load(door.worker, 0.4)
    hosts = [make_host() for _ in range(4)]
    sessions = [door.open(hosts[0])]
    sessions += [door.open(host, may_wait=True) for host in hosts[1:]]
    for host in hosts:
        assert play(host, door)["dry"] == 0
    sessions[0].close()
    # Renders alone are no load for one that plays.
    sessions.append(door.open(make_host()))
    assert len(door.worker._sessions) == 4
    told = door.worker.describe()
    assert [session["may_wait"] for session in told["sessions"]] == [True, True, True, False]
    assert told["load"] == 0


def test_hops_of_renders_come_after_all_others(make_door, make_host, noise):
    door = make_door()
    hosts = [make_host(), make_host(block=8 * HOP)]
    sessions = [door.open(hosts[0], may_wait=True), door.open(hosts[1])]
    for host in hosts:
        host.path.activate()
        host.push(noise(HOP))
    render, plays = door.worker._sessions.values()
    plays._budget_ns = render._budget_ns + 10**9
    door.worker.turn()
    assert (plays.describe()["published_hops"], render.describe()["published_hops"]) == (1, 0)
    door.worker.turn()
    assert render.describe()["published_hops"] == 1
    assert not any(session.is_over for session in sessions)


def test_a_render_that_finds_no_place_is_told_to_come_again(make_door, make_host, monkeypatch):
    monkeypatch.setattr(worker_module, "MOST_SESSIONS", 1)
    door = make_door()
    kept = door.open(make_host())
    with pytest.raises(CoreError, match="the core is not ready: sessions=1: there can be no more"):
        door.open(make_host(), may_wait=True)
    kept.close()
    assert not door.open(make_host(), may_wait=True).is_over


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 44100, 48000, 88200, 96000, 176400, 384000])
def test_a_newcomer_counts_with_the_rate_that_its_network_will_run_at(make_door, rate):
    worker = make_door().worker
    worker._rehearsed.add(1_000_000)
    assert worker._expected_load(rate) == pytest.approx(1e-3 * network_rate(rate) / HOP)


def test_a_start_on_a_busy_machine_is_not_held_against_newcomers(make_door, monkeypatch):
    engine_of = worker_module.restoring_engine

    def kept_waiting(*arguments, **options):
        engine = engine_of(*arguments, **options)
        push_into = engine.push_into

        def push_late_into(audio, out):
            time.sleep(0.02)
            push_into(audio, out)

        engine.push_into = push_late_into
        return engine

    monkeypatch.setattr(worker_module, "restoring_engine", kept_waiting)
    monkeypatch.setattr(worker_module, "REHEARSAL_HOPS", 20)
    worker = make_door(load_limit=0.7).worker
    worker.rehearse()
    assert 0 < worker._rehearsed.percentiles().p50 < 0.01


def test_without_a_limit_everybody_is_let_in(make_door, make_host):
    door = make_door()
    door.worker._rehearsed.add(round(0.4 * HOP / 48000 * 1e9))
    sessions = [door.open(make_host()) for _ in range(4)]
    assert len(door.worker._sessions) == 4
    assert [session.number for session in sessions] == [1, 2, 3, 4]


def test_there_are_not_more_sessions_than_the_status_can_tell(make_door, make_host, monkeypatch):
    monkeypatch.setattr(worker_module, "MOST_SESSIONS", 2)
    door = make_door()
    kept = [door.open(make_host()) for _ in range(2)]
    with pytest.raises(CoreError, match="sessions=2: there can be no more"):
        door.open(make_host())
    assert not any(session.is_over for session in kept)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"hop": 128, "block": 128}, "window 256 and hop 64"),
        ({"window": 512}, "window 256 and hop 64"),
        ({"channels": 3}, "channels=3: must be 1 or 2"),
    ],
)
def test_a_plugin_set_up_for_something_else_is_refused(make_door, make_host, options, reason):
    with pytest.raises(CoreError, match=reason):
        make_door().open(make_host(**options))


def test_the_hop_that_is_due_first_is_done_first(make_door, make_host, noise):
    door = make_door()
    # The second one's latency leaves less time.
    hosts = [make_host(block=8 * HOP), make_host(block=HOP)]
    sessions = [door.open(host) for host in hosts]
    for host in hosts:
        host.path.activate()
        host.push(noise(HOP))
    urgent, patient = door.worker._sessions.values()
    urgent, patient = patient, urgent
    patient._budget_ns = urgent._budget_ns + 10**9
    door.worker.turn()
    assert urgent.describe()["published_hops"] == 1
    assert patient.describe()["published_hops"] == 0
    door.worker.turn()
    assert patient.describe()["published_hops"] == 1
    assert not any(session.is_over for session in sessions)


def test_two_plugins_are_served_at_once(make_door, make_host, play):
    door = make_door()
    hosts = [make_host(), make_host(channels=1)]
    sessions = [door.open(host) for host in hosts]
    assert play(hosts[0], door)["dry"] == 0
    assert len(sessions) == 2


def test_a_session_ends_with_its_connection_and_leaves_nothing(make_door, make_host, play):
    door = make_door()
    gc.collect()
    before = open_files()
    for _ in range(20):
        host = make_host()
        session = door.open(host)
        assert play(host, door)["dry"] == 0
        session.close()
        while door.worker._sessions:
            door.worker.turn()
        del host, session
    gc.collect()
    assert open_files() == before
    assert door.worker.describe()["sessions"] == []


def test_what_comes_on_a_session_s_connection_ends_it(make_door, make_host):
    door = make_door()
    kept = door.open(make_host())
    (session,) = door.worker._sessions.values()
    with socket.socket(fileno=os.dup(session.side.fileno())) as same:
        same.shutdown(socket.SHUT_RDWR)
    while door.worker._sessions:
        door.worker.turn()
    del session
    assert kept.is_over


def test_a_session_whose_engine_breaks_down_ends_alone(make_door, make_host, noise):
    door = make_door()
    hosts = [make_host(), make_host()]
    sessions = [door.open(host) for host in hosts]
    broken, sound = door.worker._sessions.values()

    def fail(_):
        raise RuntimeError("no more")

    broken.work = fail
    for host in hosts:
        host.path.activate()
        host.push(noise(HOP))
    for _ in range(4):
        door.worker.turn()
    assert list(door.worker._sessions.values()) == [sound]
    assert [session.is_over for session in sessions] == [True, False]
    assert sound.describe()["published_hops"] == 1


def test_signs_of_life_are_given_also_when_nothing_is_to_be_done(make_door, make_host, wait):
    door = make_door()
    host = make_host()
    session = door.open(host)

    def is_fresh():
        door.worker.turn()
        return host.path.heartbeat_age(time.monotonic_ns()) < 0.1

    time.sleep(0.12)
    assert host.path.heartbeat_age(time.monotonic_ns()) > 0.1
    wait(is_fresh)
    session.close()


class Waits:
    """Poll that does not wait, and knows for how long it was asked to."""

    def __init__(self, real):
        self.real, self.milliseconds = real, []

    def __getattr__(self, name):
        return getattr(self.real, name)

    def poll(self, milliseconds):
        self.milliseconds.append(milliseconds)
        return self.real.poll(0)


def test_audio_that_begins_after_a_pause_is_seen_well_within_its_budget(make_door, make_host):
    door = make_door()
    worker = door.worker

    def longest_wait():
        worker._poll = waits = Waits(worker._poll)
        worker._busy_ns = 0
        worker.turn()
        worker._poll = waits.real
        return waits.milliseconds[-1]

    assert longest_wait() == pytest.approx(20), "nobody is there"
    patient = door.open(make_host(turnaround_s=0.05))
    assert longest_wait() == pytest.approx(0.25 * 50, abs=2)
    hurried = door.open(make_host(turnaround_s=0.01))
    assert longest_wait() == pytest.approx(0.25 * 10, abs=1)
    door.open(make_host(turnaround_s=0.0)).close()
    assert longest_wait() > 0, "it does not spin"
    hurried.close()
    while len(worker._sessions) > 1:
        worker.turn()
    assert longest_wait() == pytest.approx(0.25 * 50, abs=2)
    patient.close()


@pytest.mark.parametrize(
    "message", [b"{", b"{}", b'{"do": "dance"}', b'{"do": "open"}', b"\xff\xfe", b"[]", b"3"]
)
def test_orders_without_sense_are_passed_over(make_door, make_host, play, message):
    door = make_door()
    door.control.send(message)
    host = make_host()
    session = door.open(host)
    assert play(host, door)["dry"] == 0
    session.close()


def test_it_stops_when_the_supervisor_is_gone(make_door, control):
    door = make_door()
    for _ in range(100):
        door.worker.turn()
    assert not door.worker._stopping
    control[0].close()
    while not door.worker._stopping:
        door.worker.turn()
