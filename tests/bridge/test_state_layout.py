"""The plugin's state has one layout, a table: Rust writes and Python reads what it says."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import pytest

from uncodec.balance import Balance, Like
from uncodec.bridge import plugin
from uncodec.bridge.packed_reference import pack

EFFECT = Path(__file__).parents[2] / "plugin_bridge/effect"
README = (EFFECT / "README.md").read_text()
SOURCE = (EFFECT / "src/state.rs").read_text()


def table() -> dict[str, tuple[int, int]]:
    """First byte and length of what a state holds, by the first words of its description."""
    rows = [line.split("|")[1:-1] for line in README.splitlines() if line.startswith("|")]
    cells = [cell for row in rows if len(row) == 4 for cell in (row[:2], row[2:])]
    found = {}
    for what, where in cells:
        if span := re.fullmatch(r"(\d+)\.\.(\d+)", where.strip()):
            found[re.split("[,:]", what.strip())[0]] = (int(span[1]), int(span[2]) - int(span[1]))
    return found


TABLE = table()
BALANCE = Balance("song.flac", (450.0, 1250.0), (0.5, -3.0), 20_000.0)
COUNTERS = (
    "number of the session",
    "samples from the core",
    "samples that were not",
    "hops that came late",
    "hops that held no audio",
    "longest callback in nanoseconds",
)


def test_the_table_has_no_overlaps():
    spans = sorted(TABLE.values())
    ends = [start + length for start, length in spans]
    assert all(end <= start for end, (start, _) in zip(ends, spans[1:], strict=False))
    assert ends[-1] <= plugin._STATE_BYTES


def test_rust_writes_everything_where_the_table_says():
    puts = re.findall(r"put\(&mut bytes, (\d+)(?: \+ 8 \* place)?, &?\(?([\w.:]+)", SOURCE)
    assert {int(place): what for place, what in puts} == {
        TABLE["magic"][0]: "MAGIC",
        TABLE["version"][0]: "VERSION.to_le_bytes",
        TABLE["bypass"][0]: "u32::from",
        TABLE["amount"][0]: "settings.amount.to_le_bytes",
        TABLE["latency safety in milliseconds"][0]: "settings.latency_safety_ms.to_le_bytes",
        TABLE["seed"][0]: "settings.seed.to_le_bytes",
        TABLE["length of the model's name"][0]: "name.len",
        TABLE["name of the model"][0]: "name.as_bytes",
        TABLE["brightness in dB"][0]: "settings.brightness_db.to_le_bytes",
        TABLE["likeness"][0]: "settings.likeness.to_le_bytes",
        TABLE["reference"][0]: "reference.encode",
        TABLE["core"][0]: "status.core",
        TABLE["latency in samples"][0]: "status.latency.to_le_bytes",
        TABLE[COUNTERS[0]][0]: "value.to_le_bytes",
        TABLE["length of the reason"][0]: "reason.len",
        TABLE["why there is no core"][0]: "reason.as_bytes",
    }
    # In a row from the first one on.
    assert "[status.session, wet, dry, late, refused, worst_callback_ns]" in SOURCE
    first = TABLE[COUNTERS[0]][0]
    assert [TABLE[name] for name in COUNTERS] == [(first + 8 * n, 8) for n in range(6)]


def test_rust_reads_the_settings_where_the_table_says():
    reads = re.findall(r"(?:from_le_bytes\(eight|four)\((\d+)\)", SOURCE)
    settings = {start for start, _ in TABLE.values() if start < TABLE["core"][0]}
    # The name is read as a range; magic and version come before everything.
    first = {TABLE[name][0] for name in ("magic", "version", "name of the model")}
    assert {int(place) for place in reads} == settings - first
    # The reference is the last of it.
    assert "bytes[BYTES - REFERENCE_BYTES..]" in SOURCE
    assert TABLE["reference"] == (plugin._STATE_BYTES - 600, 600)


def constant(name: str) -> str:
    found = re.search(rf"const {name}: [^=]+ = (.+);", SOURCE)
    assert found is not None, name
    return found[1]


def test_the_sizes_agree():
    assert constant("MAGIC") == f'*b"{plugin._MAGIC.decode()}"'
    assert f"| magic, `{plugin._MAGIC.decode()}` |" in README
    assert len(plugin._MAGIC) == TABLE["magic"][1]
    assert int(constant("VERSION")) == plugin._VERSION
    assert f"| version, {plugin._VERSION} |" in README
    assert int(constant("BYTES")) == plugin._STATE_BYTES
    assert f": {plugin._STATE_BYTES} bytes, little endian" in README
    assert int(constant("MAX_NAME")) == plugin._NAME_BYTES == TABLE["name of the model"][1]
    assert int(constant("MAX_REASON")) == TABLE["why there is no core"][1]


def state_of(*fields: tuple[str, str, object]) -> bytes:
    """A state of these fields alone: form, name in the table, value."""
    state = bytearray(plugin._STATE_BYTES)
    for form, name, value in fields:
        start, length = TABLE[name]
        packed = struct.pack(f"<{form}", value)
        assert len(packed) == length or (form.endswith("s") and len(packed) < length), name
        state[start : start + len(packed)] = packed
    return bytes(state)


def text(length: str, name: str, value: str) -> tuple[tuple[str, str, object], ...]:
    encoded = value.encode()
    return ("I", length, len(encoded)), (f"{len(encoded)}s", name, encoded)


def test_python_writes_settings_where_the_table_says():
    expected = state_of(
        ("d", "amount", 0.25),
        ("d", "latency safety in milliseconds", 7.0),
        ("Q", "seed", 2**64 - 3),
        *text("length of the model's name", "name of the model", "some-model"),
        ("d", "brightness in dB", -4.5),
        ("d", "likeness", 0.75),
        ("600s", "reference", pack(BALANCE)),
    )
    written = plugin.with_settings(
        bytes(plugin._STATE_BYTES),
        amount=0.25,
        seed=2**64 - 3,
        latency_safety_ms=7.0,
        model="some-model",
        brightness_db=-4.5,
        like=Like(BALANCE, 0.75),
    )
    assert written == expected


@pytest.mark.parametrize(("core", "connected"), [(0, False), (1, False), (2, True)])
def test_python_reads_the_status_where_the_table_says(core, connected):
    assert "core: 0 not running, 1 connecting, 2 connected" in README
    reason = "kein Kern läuft"
    state = state_of(
        ("I", "core", core),
        ("I", "latency in samples", 1535),
        *(("Q", name, number) for number, name in enumerate(COUNTERS, 1)),
        *text("length of the reason", "why there is no core", reason),
        ("600s", "reference", pack(BALANCE)),
    )
    assert plugin.read_status(state) == plugin.PluginStatus(
        connected=connected,
        latency_samples=1535,
        session=1,
        wet=2,
        dry=3,
        late=4,
        refused=5,
        worst_callback_s=6 * 1e-9,
        reason=reason,
        reference="song.flac",
    )
