"""The live restorer: a causal generative network that runs inside an effect chain."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from uncodec.effects.parameter import Parameter
from uncodec.effects.reference import Reference
from uncodec.effects.restorer import Restorer
from uncodec.errors import CoreError
from uncodec.parameters import check_device, check_model, check_seed
from uncodec.streams.channel_groups import group_seed

if TYPE_CHECKING:
    import pedalboard

    from uncodec.streams.stream import Stream

__all__ = ["GANRestorer"]


class GANRestorer(Restorer):
    """Restores what a lossy codec took: the band above the cut-off and the holes in the spectrum.

    A causal network adds what is missing to the input (output = delayed input + amount * delta), in
    one pass and fast enough for live use. Surround sound is restored pair by pair, with another
    noise for each, see `channel_layout`.

    Parameters
    ----------
    amount : float
        How much of the restoration is added, from 0 (the input comes back bit for bit) to 1.
    seed : int
        Of the noise that fills the missing bands, 0 or more. The same seed, input and cut give the
        same bits.
    model : str or path
        Name of a released model, or a folder that holds one.
    device : str
        Where the network runs, as PyTorch names it (``"cpu"``, ``"cuda"``).
    brightness_db : float
        Tilts what is added, from -12 (darker) to 12 dB (brighter): nothing up to 2 kHz, all of it
        from 16 kHz on. What was there stays as it is.
    like : path, (audio, sample_rate) or Balance, optional
        A reference, such as a lossless song of the same album; a folder is the mean of what is in
        it. What is added is drawn towards its tonal balance, by 12 dB at most.
    like_amount : float
        How far towards the reference, 0 to 1.

    Raises
    ------
    InvalidType
        A parameter has the wrong type.
    InvalidValue
        `amount`, `seed`, `brightness_db` or `like_amount` is out of range; `like` holds no sound.
    AudioFileError
        `like` is a file that cannot be read.
    ModelError
        On first use: the model cannot be loaded.

    See Also
    --------
    Board : runs this and native pedalboard plugins as one chain.

    Examples
    --------
    >>> import numpy as np
    >>> from uncodec import GANRestorer
    >>> coded = np.random.default_rng(0).normal(0, 0.1, (2, 44100)).astype(np.float32)
    >>> restorer = GANRestorer(amount=0.8)
    >>> restorer(coded, 44100).shape
    (2, 44100)

    Block by block, aligned and complete:

    >>> restorer.reset()
    >>> blocks = [restorer.process(coded[:, i : i + 512], 44100, reset=False)
    ...           for i in range(0, 44100, 512)]
    >>> restored = np.concatenate([*blocks, restorer.flush()], axis=1)
    >>> restored.shape
    (2, 44100)
    """

    seed = Parameter(
        check_seed, "Seed of the noise, 0 or more; a change is heard from the next stream on."
    )
    model = Parameter(
        check_model,
        "Name or folder of the model; a change is heard from the next stream on.",
        Restorer._forget_latency,
    )
    device = Parameter(
        check_device, "Where the network runs; a change takes effect with the next stream."
    )

    def __init__(
        self,
        amount: float = 1.0,
        seed: int = 0,
        model: str | os.PathLike[str] = "live-gan",
        device: str = "cpu",
        brightness_db: float = 0.0,
        like: Reference | None = None,
        like_amount: float = 1.0,
    ) -> None:
        super().__init__(amount, brightness_db, like, like_amount)
        self.seed = seed
        self.model = model
        self.device = device

    def as_plugin(self) -> pedalboard.VST3Plugin:
        """A real plugin that does the same, for places where no Python class can go.

        Such a place is `pedalboard.Pedalboard`. The plugin gets its audio restored by a process of
        its own, the core, which is started with the first plugin, shared by all that have the same
        model and device, and ended with the last one, or with this process at the latest.

        The plugin has the amount, the brightness, the reference, the seed, the model and the device
        of this effect as they are now; later changes here do not reach it. Its own `amount` and
        `likeness`, both in percent, and `brightness_db` may be changed.

        Returns
        -------
        pedalboard.VST3Plugin

        Raises
        ------
        CoreError
            The plugin was not built, or the core cannot be started or does not have the sizes that
            the plugin was built for.

        Notes
        -----
        A plugin cannot fail: when its core dies, it gives out its input. See `uncodec.rendering`,
        which makes that an error.

        Examples
        --------
        >>> import pedalboard
        >>> from uncodec import GANRestorer, rendering
        >>> plugin = GANRestorer(amount=0.8).as_plugin()  # doctest: +SKIP
        >>> board = pedalboard.Pedalboard([plugin, pedalboard.Limiter()])  # doctest: +SKIP
        >>> with rendering(plugin):  # doctest: +SKIP
        ...     result = board(audio, sample_rate)
        """
        if sys.platform != "linux":
            raise CoreError(f"platform={sys.platform}: core and plugin run on Linux alone")
        from uncodec.bridge.plugin import load_attached

        return load_attached(
            model=self.model,
            device=self.device,
            amount=self.amount,
            seed=self.seed,
            brightness_db=self.brightness_db,
            like=self._wanted_like,
        )

    def _open_group(self, sample_rate: float, channels: int, number: int) -> Stream:
        # Imported on first use: it brings torch, which takes seconds to load.
        from uncodec.live import open_stream

        return open_stream(
            self.model,
            sample_rate=sample_rate,
            channels=channels,
            seed=group_seed(self.seed, number),
            amount=self.amount,
            device=self.device,
            brightness_db=self.brightness_db,
            like=self._wanted_like,
        )
