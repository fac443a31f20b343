"""The wrapper of neutone_sdk around the model, measured in an environment of its own.

neutone_sdk wants an older NumPy than this project runs on; `make bench` installs it beside, and
`bench/live_path.py` runs this file there: ``neutone_path.py MODEL BLOCK SECONDS`` prints a report
as JSON.
"""

# No postponed annotations here: TorchScript reads them.
import json
import sys
import types
import warnings
from dataclasses import asdict
from typing import Any

import torch

from live_paths import SAMPLE_RATE, Restorer, load_engine, measure_path
from uncodec.signals import Array

__all__ = ["NeutoneQueue"]


def _stand_in_for_torchaudio() -> None:
    """Let neutone_sdk be imported where torchaudio cannot be loaded beside this PyTorch.

    It reads audio files with it, and resamples offline; the queue measured here does neither.
    """
    try:
        import torchaudio  # noqa: F401
    except (ImportError, OSError, RuntimeError):
        for name in [name for name in sys.modules if name.split(".")[0] == "torchaudio"]:
            del sys.modules[name]
        package: Any = types.ModuleType("torchaudio")
        package.transforms = types.ModuleType("torchaudio.transforms")
        package.transforms.Resample = torch.nn.Module
        sys.modules |= {"torchaudio": package, "torchaudio.transforms": package.transforms}


def _wrap(restorer: Restorer) -> Any:
    """The model as neutone_sdk wants it: a stereo module of one rate and one buffer size."""
    from neutone_sdk import WaveformToWaveformBase

    class Wrapped(WaveformToWaveformBase):  # type: ignore[misc]
        def __init__(self) -> None:
            # First, because the base class asks for them.
            self.rates, self.sizes, self.delay = [SAMPLE_RATE], [restorer.hop], restorer.delay
            super().__init__(torch.nn.Identity())

        def get_model_name(self) -> str:
            return "uncodec"

        def get_model_authors(self) -> list[str]:
            return ["uncodec"]

        def get_model_short_description(self) -> str:
            return "benchmark"

        def get_model_long_description(self) -> str:
            return "benchmark"

        def get_technical_description(self) -> str:
            return "benchmark"

        def get_tags(self) -> list[str]:
            return ["benchmark"]

        def get_model_version(self) -> str:
            return "1"

        def is_experimental(self) -> bool:
            return True

        def is_input_mono(self) -> bool:
            return False

        def is_output_mono(self) -> bool:
            return False

        def get_native_sample_rates(self) -> list[int]:
            return self.rates

        def get_native_buffer_sizes(self) -> list[int]:
            return self.sizes

        @torch.jit.export
        def calc_model_delay_samples(self) -> int:
            return self.delay

        # Called from TorchScript as the Python function it is: the Rust STFT cannot be scripted.
        @torch.jit.ignore  # type: ignore[untyped-decorator]
        def do_forward_pass(self, x: torch.Tensor, params: dict[str, torch.Tensor]) -> torch.Tensor:
            restorer.push_into(x.numpy(), out.numpy())
            return out

    out = torch.zeros(2, restorer.hop)
    return Wrapped()


class NeutoneQueue:
    """neutone_sdk's queue, scripted as its plugin runs it.

    Parameters
    ----------
    restorer : Restorer
    block : int
        Samples of every call.
    """

    def __init__(self, restorer: Restorer, block: int) -> None:
        from neutone_sdk import SampleQueueWrapper
        from neutone_sdk.utils import model_to_torchscript

        wrapped = _wrap(restorer)
        queue = SampleQueueWrapper(wrapped, SAMPLE_RATE, daw_bs=block)
        with warnings.catch_warnings():
            # PyTorch calls all of TorchScript deprecated.
            warnings.simplefilter("ignore")
            self._queue = model_to_torchscript(queue)
        # As its plugin does, which brings parameters with every call.
        self._parameters = wrapped.get_numerical_params_default_values_0to1().repeat(1, block)
        self.latency_samples = int(
            self._queue.calc_buffering_delay_samples() + self._queue.calc_model_delay_samples()
        )

    def call_into(self, block: Array, out: Array) -> None:
        """Take a block, write its output."""
        with torch.inference_mode():
            result = self._queue.forward(torch.from_numpy(block), self._parameters)
            out[:] = result.numpy()


def main() -> None:
    """Measure, and print the report."""
    model, block, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    torch.set_flush_denormal(True)
    _stand_in_for_torchaudio()
    try:
        import neutone_sdk  # noqa: F401
    except ImportError as error:
        sys.exit(f"neutone_sdk cannot be imported: {error}")
    report = measure_path(
        "neutone_sdk", NeutoneQueue, load_engine(model), block=block, seconds=seconds
    )
    print(json.dumps(asdict(report)))


if __name__ == "__main__":
    main()
