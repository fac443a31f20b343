"""The plugin's state has one layout: Python reads it where Rust writes it."""

from __future__ import annotations

import re
from pathlib import Path

from uncodec.bridge import plugin

SOURCE = (Path(__file__).parents[2] / "plugin_bridge/effect/src/state.rs").read_text()


def test_everything_stands_where_the_plugin_writes_it():
    puts = re.findall(r"put\(&mut bytes, (\d+)(?: \+ 8 \* place)?, &?\(?([\w.:]+)", SOURCE)
    assert {int(place): what for place, what in puts} == {
        0: "MAGIC",
        len(plugin._MAGIC): "VERSION.to_le_bytes",
        plugin._SETTINGS.size: "u32::from",
        plugin._AMOUNT: "settings.amount.to_le_bytes",
        plugin._SAFETY_MS: "settings.latency_safety_ms.to_le_bytes",
        plugin._SEED: "settings.seed.to_le_bytes",
        plugin._BRIGHTNESS: "settings.brightness_db.to_le_bytes",
        plugin._MODEL: "name.len",
        plugin._MODEL + 8: "name.as_bytes",
        plugin._STATUS: "status.core",
        plugin._STATUS + 4: "status.latency.to_le_bytes",
        plugin._STATUS + 8: "value.to_le_bytes",
        plugin._STATUS + plugin._NUMBERS.size - 4: "reason.len",
        plugin._REASON: "reason.as_bytes",
    }


def test_the_counters_come_in_the_order_that_they_are_read_in():
    assert "[status.session, wet, dry, late, refused, worst_callback_ns]" in SOURCE


def test_the_sizes_agree():
    def constant(name: str) -> str:
        found = re.search(rf"const {name}: [^=]+ = (.+);", SOURCE)
        assert found is not None, name
        return found[1]

    assert constant("MAGIC") == f'*b"{plugin._MAGIC.decode()}"'
    assert int(constant("VERSION")) == plugin._VERSION
    assert int(constant("BYTES")) == plugin._STATE_BYTES
    assert int(constant("MAX_NAME")) == plugin._NAME_BYTES
