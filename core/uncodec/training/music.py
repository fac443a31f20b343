"""Music that was coded before, as a teacher of levels: fetched, examined, listed.

Games in Debian ship hours of licensed music, nearly all of it coded. It cannot teach texture. Below
its own cut-off it can teach how loud each band is, so every recording is listed with that cut-off.

Run as ``python -m uncodec.training.music FOLDER``, or by ``make training-data``.
"""

from __future__ import annotations

import csv
import hashlib
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import soundfile as sf

from uncodec.cutoff import FRAME, cut_off
from uncodec.errors import AudioFileError, UncodecError
from uncodec.rates import NETWORK_RATES
from uncodec.training import renderings
from uncodec.whole_files import write_whole

__all__ = [
    "LOSSLESS",
    "PACKAGES",
    "Recording",
    "fetch_packages",
    "list_music",
    "read_manifest",
    "render_scores",
]

PACKAGES = (
    "0ad-data",
    "a7xpg-data",
    "abe-data",
    "adonthell-data",
    "amoebax-data",
    "angrydd",
    "ardentryst",
    "atanks-data",
    "berusky2-data",
    "blockout2",
    "boswars-data",
    "bumprace-data",
    "bzflag-data",
    "cavepacker-data",
    "colobot-common-sounds",
    "cube2-data",
    "davegnukem-data",
    "dreamchess-data",
    "dustracing2d-data",
    "endless-sky-data",
    "enigma-data",
    "extremetuxracer-data",
    "fillets-ng-data-cs",
    "flare-game",
    "foobillardplus-data",
    "freeciv-data",
    "freecol",
    "freedink-data",
    "freedroidrpg-data",
    "freeorion-data",
    "fretsonfire-songs-muldjord",
    "fretsonfire-songs-sectoid",
    "gamine-data",
    "garden-of-coloured-lights-data",
    "gigalomania-data",
    "glob2-data",
    "guitarix-common",
    "gunroar-data",
    "hedgewars-data",
    "hex-a-hop-data",
    "hyperrogue-music",
    "jag",
    "kajongg",
    "kanagram",
    "khangman",
    "klettres-data",
    "krank",
    "ktuberling-data",
    "lordsawar-data",
    "manaplus-data",
    "marsshooter-data",
    "mazeofgalious-data",
    "megaglest-data",
    "miceamaze",
    "mu-cade-data",
    "naev-data",
    "nexuiz-music",
    "noiz2sa-data",
    "open-invaders-data",
    "openclonk-data",
    "openssn-data",
    "orbital-eunuchs-sniper-data",
    "pangzero",
    "parsec47-data",
    "pathological",
    "pax-britannica-data",
    "performous",
    "phlipple-data",
    "pink-pony-data",
    "planetblupi-music-ogg",
    "plee-the-bear-data",
    "pokerth-data",
    "pushover-data",
    "pysiogame",
    "qabcs-data",
    "raincat-data",
    "redeclipse-data",
    "rrootage-data",
    "scorched3d-data",
    "searchandrescue-data",
    "singularity-music",
    "solarwolf",
    "sonic-pi-samples",
    "spacezero",
    "starfighter-data",
    "supertux-data",
    "supertuxkart-data",
    "titanion-data",
    "torcs-data",
    "torus-trooper-data",
    "trackballs-data",
    "trophy-data",
    "tumiki-fighters-data",
    "tuxfootball",
    "tuxmath-data",
    "tuxpaint-stamps-default",
    "tuxtype-data",
    "ufoai-music",
    "unknown-horizons",
    "warmux-data",
    "warzone2100-music",
    "wesnoth-1.16-music",
    "wesnoth-1.16-trow",
    "wesnoth-1.16-utbs",
    "widelands-data",
    "wizznic-data",
    "wordwarvi-sound",
    "zaz-data",
)
"""Debian packages with licensed music and, five of them, voices."""

LOSSLESS = (renderings.NAME, "sonic-pi-samples")
"""Folders of recordings that no codec has touched. What their treble lacks was never there, so they
teach all of their bands."""

SUFFIXES = frozenset({".ogg", ".opus", ".mp3", ".flac", ".wav"})
# Single words and calls are voice, which there is least of.
LEAST_BYTES = 16_000
LEAST_SECONDS = 0.7
MANIFEST = "manifest.csv"

_LOOKS = 10
_LOOK_SECONDS = 3.0


@dataclass(frozen=True)
class Recording:
    """One recording and how far up it can be trusted.

    Attributes
    ----------
    path : str
        Relative to the folder of the manifest.
    package, version, licence : str
        Where it comes from; `licence` is the file that tells, relative to the folder.
    seconds : float
    rate, channels : int
    cutoff_hz : int
        Where an encoder's low-pass ended it, see `uncodec.cutoff.cut_off`; half the rate of what is
        lossless.
    sha256 : str
    """

    path: str
    package: str
    version: str
    licence: str
    seconds: float
    rate: int
    channels: int
    cutoff_hz: int
    sha256: str


def fetch_packages(folder: Path, packages: tuple[str, ...] = PACKAGES) -> Iterator[str]:
    """Download and unpack Debian packages that are not there yet; yields their names.

    Nothing is installed: ``apt-get download``, ``dpkg -x``, then the archives (.pk3, .zip) inside.

    Raises
    ------
    UncodecError
        A package cannot be had.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for package in packages:
        done = folder / package / ".unpacked"
        if not done.exists():
            archives = folder / "packages"
            archives.mkdir(exist_ok=True)
            if not list(archives.glob(f"{package}_*.deb")):
                _run(["apt-get", "download", package], archives)
            found = sorted(archives.glob(f"{package}_*.deb"))
            if not found:
                raise UncodecError(f"{package}: apt-get downloaded nothing")
            _run(["dpkg", "-x", str(found[-1]), str(folder / package)], folder)
            for archive in [*(folder / package).rglob("*.pk3"), *(folder / package).rglob("*.zip")]:
                _unpack_sound(archive)
            done.write_text(found[-1].name.split("_")[1] + "\n")
        yield package


def _unpack_sound(archive: Path) -> None:
    with zipfile.ZipFile(archive) as content:
        wanted = [n for n in content.namelist() if Path(n).suffix.lower() in SUFFIXES]
        content.extractall(archive.parent, wanted)
    archive.unlink()


def _run(command: list[str], folder: Path) -> None:
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise UncodecError(f"{command[0]}: must be there to fetch packages (Debian)") from error
    except subprocess.CalledProcessError as error:
        said = (error.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise UncodecError(f"{' '.join(command)}: failed: {said}") from error


def render_scores(folder: Path) -> Iterator[str]:
    """Fetch sound fonts and scores and render them into a folder that counts as a package.

    Yields names of the files that were not there yet. The fonts and scores lie in ``scores``, and
    the copyright files of their packages in ``renderings``.

    Raises
    ------
    UncodecError
        A package cannot be had; fluidsynth is missing or fails.
    """
    sources, made = folder / "scores", folder / renderings.NAME
    packages = (*renderings.FONT_PACKAGES, *renderings.SCORE_PACKAGES)
    for _ in fetch_packages(sources, packages):
        pass
    fonts = [
        next(path for path in sorted((sources / package).rglob("*.sf2")))
        for package in renderings.FONT_PACKAGES
    ]
    scores = [
        path
        for package in renderings.SCORE_PACKAGES
        for path in (sources / package).rglob("*")
        if path.suffix.lower() in (".mid", ".midi")
    ]
    yield from renderings.render_all(made, fonts, scores)
    for package in packages:
        for licence in (sources / package).rglob("copyright"):
            (made / package).mkdir(exist_ok=True)
            write_whole(made / package / "copyright", licence.read_bytes())
    (made / ".unpacked").write_text("1\n")


def list_music(folder: Path) -> list[Recording]:
    """Examine all recordings of the unpacked packages and write the manifest.

    What the manifest lists already, unchanged in size, is not examined again.
    """
    known: dict[str, Recording] = {}
    if (folder / MANIFEST).exists():
        # Older manifests have a cut-off for lossless recordings as well.
        known = {
            entry.path: entry
            for entry in read_manifest(folder)
            if entry.package not in LOSSLESS or entry.cutoff_hz == entry.rate // 2
        }
    found: list[Recording] = []
    for mark in sorted(folder.glob("*/.unpacked")):
        root = mark.parent
        licences = sorted(root.rglob("copyright"))
        licence = licences[0].relative_to(folder).as_posix() if licences else ""
        for path in sorted(root.rglob("*")):
            if path.suffix.lower() not in SUFFIXES or not path.is_file():
                continue
            name = path.relative_to(folder).as_posix()
            if name in known:
                found.append(known[name])
                continue
            if path.stat().st_size < LEAST_BYTES:
                continue
            examined = _examine(path, root.name in LOSSLESS)
            if examined is not None:
                seconds, rate, channels, cutoff = examined
                digest = hashlib.sha256(path.read_bytes()).hexdigest()
                version = mark.read_text().strip()
                found.append(
                    Recording(
                        name, root.name, version, licence, seconds, rate, channels, cutoff, digest
                    )
                )
    with (folder / MANIFEST).open("w", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Recording)])
        writer.writeheader()
        writer.writerows(asdict(entry) for entry in found)
    return found


def read_manifest(folder: Path) -> list[Recording]:
    """Recordings that `list_music` found.

    Raises
    ------
    AudioFileError
        There is no manifest, or it is not one.
    """
    try:
        with (folder / MANIFEST).open(newline="") as file:
            return [
                Recording(
                    row["path"],
                    row["package"],
                    row["version"],
                    row["licence"],
                    float(row["seconds"]),
                    int(row["rate"]),
                    int(row["channels"]),
                    int(row["cutoff_hz"]),
                    row["sha256"],
                )
                for row in csv.DictReader(file)
            ]
    except (OSError, KeyError, ValueError) as error:
        place = folder / MANIFEST
        raise AudioFileError(f"{place}: must be a manifest of music ({error})") from error


def _examine(path: Path, lossless: bool) -> tuple[float, int, int, int] | None:
    """Seconds, rate, channels and cut-off in Hz; None for what cannot teach."""
    try:
        with sf.SoundFile(str(path)) as file:
            rate, channels, frames = file.samplerate, file.channels, file.frames
            if rate not in NETWORK_RATES or channels > 2 or frames < LEAST_SECONDS * rate:
                return None
            if lossless:
                return round(frames / rate, 3), rate, channels, rate // 2
            # Whole frames, so that none holds the join of two looks.
            size = int(min(_LOOK_SECONDS * rate, frames)) // FRAME * FRAME
            looks = []
            for place in np.linspace(0.0, 1.0, _LOOKS if frames > size else 1):
                file.seek(int(place * (frames - size)))
                looks.append(file.read(size, dtype="float32", always_2d=True).mean(axis=1))
    except (OSError, sf.LibsndfileError):
        return None
    cutoff = cut_off(np.concatenate(looks), rate)
    if cutoff is None:
        return None
    return round(frames / rate, 3), rate, channels, cutoff


def _main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print("usage: python -m uncodec.training.music FOLDER", file=sys.stderr)
        return 2
    folder = Path(arguments[0])
    try:
        for package in fetch_packages(folder):
            print(f"{package}: unpacked", flush=True)
        for name in render_scores(folder):
            print(f"{name}: rendered", flush=True)
        entries = list_music(folder)
    except UncodecError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for package in sorted({entry.package for entry in entries}):
        own = [entry for entry in entries if entry.package == package]
        cutoffs = np.array([entry.cutoff_hz for entry in own]) / 1000
        print(
            f"{package}: {len(own)} recordings, {sum(e.seconds for e in own) / 60:.0f} min, "
            f"cut-off {np.median(cutoffs):.1f} kHz (lowest tenth {np.percentile(cutoffs, 10):.1f})"
        )
    print(f"{len(entries)} recordings, {sum(e.seconds for e in entries) / 3600:.1f} h")
    return 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
