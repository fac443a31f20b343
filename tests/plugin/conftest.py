"""The plugin's bundles, and a place where no core listens."""

import os
import platform
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def bundle() -> str:
    """Path of the bundle: `$UNCODEC_PLUGIN`, or what `make plugin` builds."""
    path = Path(os.environ.get("UNCODEC_PLUGIN", ROOT / "target" / "Uncodec.vst3"))
    module = path / "Contents" / f"{platform.machine()}-linux" / "Uncodec.so"
    if not module.is_file():
        pytest.fail(f"{module} is missing: build it with `make plugin`")
    return str(path)


@pytest.fixture(scope="session")
def clap_bundle() -> str:
    """Path of the CLAP that `make plugin` builds."""
    path = ROOT / "target" / "Uncodec.clap"
    if not path.is_file():
        pytest.fail(f"{path} is missing: build it with `make plugin`")
    return str(path)


@pytest.fixture
def no_core(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Plugins that are loaded from here on find no core."""
    monkeypatch.setenv("UNCODEC_CORE_SOCKET", str(tmp_path / "core.sock"))
