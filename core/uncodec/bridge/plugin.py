"""The plugin inside this process: loaded by pedalboard, served by a core of its own."""

from __future__ import annotations

import os
import struct
import threading
import warnings
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from uncodec.bridge.bundle import find_bundle
from uncodec.bridge.launcher import PrivateCore, wait_until
from uncodec.bridge.packed_reference import pack, read
from uncodec.errors import CoreError, DryRender, InvalidType

if TYPE_CHECKING:
    import pedalboard

    from uncodec.balance import Like

__all__ = [
    "PluginStatus",
    "core_at",
    "load_attached",
    "new_state",
    "plugin_status",
    "read_status",
    "rendering",
    "with_settings",
]

# The plugin's state; see "State" in plugin_bridge/effect/README.md.
_MAGIC = b"UNCODECS"
_STATE_BYTES = 1112
_VERSION = 3
_AMOUNT, _SAFETY_MS, _SEED, _MODEL, _BRIGHTNESS, _LIKENESS = 16, 24, 32, 40, 176, 184
_STATUS, _REASON, _REFERENCE = 192, 256, 512
_NAME_BYTES = 128
_SETTINGS = struct.Struct("<8sI")
_NUMBERS = struct.Struct("<2I6QI")
_CONNECTED = 2

CONNECTING_S = 10.0
# The plugin reads the socket's path from the environment while it is loaded.
_environment = threading.Lock()


@dataclass(frozen=True)
class PluginStatus:
    """What a plugin tells about itself.

    Attributes
    ----------
    connected : bool
        Whether a core serves it.
    latency_samples : int
    session : int
        Its number in the core's status; 0 without one.
    wet, dry : int
        Samples that came from the core, and that did not or only in part, since it was loaded.
    late, refused : int
        Hops that came late, and that held no audio.
    worst_callback_s : float
    reason : str
        Why there is no core.
    reference : str or None
        Name of its reference.
    """

    connected: bool
    latency_samples: int
    session: int
    wet: int
    dry: int
    late: int
    refused: int
    worst_callback_s: float
    reason: str
    reference: str | None = None


def _state_of(plugin: pedalboard.VST3Plugin) -> tuple[bytes, int]:
    """The plugin's preset, and where in it the state begins."""
    try:
        preset = bytes(plugin.preset_data)
    except AttributeError:
        raise InvalidType(f"plugin={plugin!r}: must be a pedalboard.VST3Plugin") from None
    start = preset.find(_MAGIC)
    if start < 0 or len(preset) < start + _STATE_BYTES:
        raise InvalidType(f"plugin={plugin!r}: must be the Uncodec plugin")
    _, version = _SETTINGS.unpack_from(preset, start)
    if version != _VERSION:
        raise CoreError(f"state: version={version}: must be {_VERSION}, that of this release")
    return preset, start


def plugin_status(plugin: pedalboard.VST3Plugin) -> PluginStatus:
    """What the plugin tells about itself: its core, its latency, what was restored and what not.

    Parameters
    ----------
    plugin : pedalboard.VST3Plugin
        An Uncodec plugin, from `GANRestorer.as_plugin` or `pedalboard.load_plugin`.

    Returns
    -------
    PluginStatus

    Raises
    ------
    InvalidType
        It is not the Uncodec plugin.
    CoreError
        It is that of another release.
    """
    preset, start = _state_of(plugin)
    return read_status(preset[start:])


def read_status(state: bytes) -> PluginStatus:
    """The status in a state of this release's plugin."""
    core, latency, session, wet, dry, late, refused, worst_ns, length = _NUMBERS.unpack_from(
        state, _STATUS
    )
    reason = state[_REASON:][:length].decode(errors="replace")
    reference = read(state[_REFERENCE:_STATE_BYTES])
    return PluginStatus(
        core == _CONNECTED,
        latency,
        session,
        wet,
        dry,
        late,
        refused,
        worst_ns * 1e-9,
        reason,
        None if reference is None else reference.name,
    )


def with_settings(
    state: bytes,
    *,
    amount: float,
    seed: int,
    latency_safety_ms: float | None = None,
    model: str | None = None,
    brightness_db: float | None = None,
    like: Like | None = None,
) -> bytes:
    """A state with other settings; those that are None stay."""
    patched = bytearray(state)
    struct.pack_into("<d", patched, _AMOUNT, amount)
    struct.pack_into("<Q", patched, _SEED, seed)
    if brightness_db is not None:
        struct.pack_into("<d", patched, _BRIGHTNESS, brightness_db)
    if like is not None:
        struct.pack_into("<d", patched, _LIKENESS, like.amount)
        patched[_REFERENCE:_STATE_BYTES] = pack(like.balance)
    if latency_safety_ms is not None:
        struct.pack_into("<d", patched, _SAFETY_MS, latency_safety_ms)
    if model is not None:
        name = model.encode()[:_NAME_BYTES]
        struct.pack_into(f"<I4x{_NAME_BYTES}s", patched, _MODEL, len(name), name)
    return bytes(patched)


def new_state(
    *,
    amount: float = 1.0,
    model: str = "live-gan",
    brightness_db: float = 0.0,
    like: Like | None = None,
) -> bytes:
    """The state of a new plugin with these settings."""
    state = bytearray(_STATE_BYTES)
    _SETTINGS.pack_into(state, 0, _MAGIC, _VERSION)
    struct.pack_into("<d", state, _LIKENESS, 1.0)
    return with_settings(
        bytes(state),
        amount=amount,
        seed=0,
        latency_safety_ms=10.0,
        model=model,
        brightness_db=brightness_db,
        like=like,
    )


def load_attached(
    *,
    model: str,
    device: str,
    amount: float,
    seed: int,
    brightness_db: float = 0.0,
    like: Like | None = None,
) -> pedalboard.VST3Plugin:
    """Load the plugin, attached to a core of this process; see `GANRestorer.as_plugin`."""
    import pedalboard

    bundle = find_bundle()
    core = PrivateCore.acquire(model, device)
    try:
        before = _dry_so_far(core)
        with core_at(core.path):
            try:
                plugin = pedalboard.VST3Plugin(os.fspath(bundle))
            except ImportError as error:
                raise CoreError(f"{bundle}: cannot be loaded ({error})") from error
        # The parameter itself has steps of 0.1 %, and there is none for the seed.
        preset, start = _state_of(plugin)
        patched = with_settings(
            preset[start:], amount=amount, seed=seed, brightness_db=brightness_db, like=like
        )
        plugin.preset_data = preset[:start] + patched
        if not wait_until(lambda: plugin_status(plugin).connected, CONNECTING_S):
            reason = plugin_status(plugin).reason or "the core does not answer"
            raise CoreError(f"the plugin found no core: {reason}")
        # What pedalboard plays to find out whether the plugin works is nobody's audio.
        core.excused += _dry_so_far(core) - before
    except BaseException:
        core.release()
        raise
    weakref.finalize(plugin, _detach, core)
    return plugin


def _dry_so_far(core: PrivateCore) -> int:
    """What is known of it; that something is not known is told in the end."""
    with suppress(CoreError):
        return core.dry_samples()
    return 0


@contextmanager
def core_at(path: Path) -> Iterator[None]:
    """Plugins that are loaded inside look for their core there."""
    name = "UNCODEC_CORE_SOCKET"
    with _environment:
        before = os.environ.get(name)
        os.environ[name] = os.fspath(path)
        try:
            yield
        finally:
            if before is None:
                del os.environ[name]
            else:
                os.environ[name] = before


def _detach(core: PrivateCore) -> None:
    """When a plugin is gone: end its core with the last one, and tell what nobody has seen."""
    what = _what_was_dry(core)
    if core.release() and what:
        warnings.warn(
            f"the plugin may have given out its input as it came: {what}; inside "
            "`with uncodec.rendering(plugin)` that is an error",
            RuntimeWarning,
            stacklevel=2,
        )


def _what_was_dry(core: PrivateCore) -> str:
    try:
        dry, refusal = core.dry_samples() - core.excused, core.last_refusal()
    except CoreError as error:
        return str(error)
    if refusal:
        # Its samples are counted by nobody who is still there.
        return f"the core refused a session ({refusal})"
    return f"{dry} samples were not restored" if dry else ""


@contextmanager
def rendering(*plugins: pedalboard.VST3Plugin) -> Iterator[None]:
    """Make it an error if plugins give out anything but restored audio.

    A plugin never fails: without its core it gives out its input, in time and in place. That is
    right on a stage and wrong in a render, so a render belongs inside this context.

    Parameters
    ----------
    *plugins : pedalboard.VST3Plugin
        Uncodec plugins, from `GANRestorer.as_plugin` or `pedalboard.load_plugin`; wherever they are
        used inside the context, alone or in a `pedalboard.Pedalboard`. A bypassed one counts as not
        restoring.

    Raises
    ------
    DryRender
        At the end of the context: some samples were not restored. What was rendered is not to be
        used.

    Examples
    --------
    >>> import pedalboard
    >>> from uncodec import GANRestorer, rendering
    >>> plugin = GANRestorer(amount=0.8).as_plugin()  # doctest: +SKIP
    >>> board = pedalboard.Pedalboard([plugin, pedalboard.Limiter()])  # doctest: +SKIP
    >>> with rendering(plugin):  # doctest: +SKIP
    ...     result = board(audio, sample_rate)
    """
    before = [plugin_status(plugin) for plugin in plugins]
    yield
    for plugin, earlier in zip(plugins, before, strict=True):
        now = plugin_status(plugin)
        dry = now.dry - earlier.dry
        if dry:
            why = f" ({now.reason})" if now.reason else ""
            raise DryRender(
                f"{dry} of {dry + now.wet - earlier.wet} samples were not restored: the core was "
                f"late or gone{why}"
            )
