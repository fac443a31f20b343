"""What a catalogue run does to each file, in this process or in another one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from uncodec.balance import Like
from uncodec.files.chunks import digest_file
from uncodec.files.planning import Job, Settings
from uncodec.files.render_settings import RenderSettings
from uncodec.files.restore import RestoreReport, StreamingEffect, restore_file
from uncodec.lazy import uncollected
from uncodec.model_folders import model_version, weight_files
from uncodec.version import __version__

if TYPE_CHECKING:
    from uncodec.effects import GANRestorer

__all__ = ["PROVENANCE", "Notice", "Progress", "Rendering", "Restoring", "Work"]

PROVENANCE = "restoration"
"""The field of the tags that says what a file was made with."""

Progress = Callable[[int, int | None], None]
"""Called with ``(frames_done, frames_total)``."""

Notice = Callable[[str], None]
"""Called with what was done differently than asked for."""


class Work(Protocol):
    """One kind of work. It is sent to worker processes before `begin`, and must survive that."""

    @property
    def overwrite(self) -> bool:
        """Whether any result that is there may be replaced."""
        ...

    def begin(self) -> None:
        """Load what is needed for all files, once a process; raises what makes it impossible."""
        ...

    def made_with(self, job: Job) -> dict[str, Any]:
        """Command, model and settings: what determines a result apart from its source."""
        ...

    def do(
        self, job: Job, *, ours: bool, resume: bool, progress: Progress, notice: Notice
    ) -> RestoreReport:
        """Make one result.

        Parameters
        ----------
        job : Job
        ours : bool
            A file that is there under the result's name may be replaced.
        resume : bool
            Go on with what an earlier run has left.
        progress, notice : callable
        """
        ...


@dataclass
class Restoring:
    """``uncodec restore``: one effect for all files."""

    command: ClassVar = "restore"

    settings: Settings
    model: str = "live-gan"
    amount: float = 1.0
    seed: int = 0
    brightness_db: float = 0.0
    repairs: bool = False
    like: Like | None = None
    _effect: StreamingEffect | None = field(default=None, init=False, repr=False)

    @property
    def overwrite(self) -> bool:
        """Whether any result that is there may be replaced."""
        return self.settings.overwrite

    def for_elsewhere(self) -> Restoring:
        """The same, where relative paths mean something else."""
        return replace(self, model=_whole(self.model))

    def begin(self) -> None:
        """Open the effect."""
        self._effect = self.effect()

    def effect(self) -> StreamingEffect:
        """What files go through, made anew."""
        effect = open_effect(self.model, self.amount, self.seed, self.brightness_db, self.like)
        return open_repairs(effect) if self.repairs else effect

    def made_with(self, job: Job) -> dict[str, Any]:
        """Command, model and settings."""
        return {
            "command": self.command,
            "model": self._weights,
            "settings": {
                "amount": self.amount,
                "seed": self.seed,
                **_voiced(self.brightness_db, self.like),
                **_repaired(self.repairs),
                **_described(self.settings, job),
            },
        }

    @cached_property
    def _weights(self) -> dict[str, str]:
        return _model(self.model)

    def provenance(self) -> dict[str, str]:
        """The tag of a result that says what it was made with."""
        asked = (self.amount, self.brightness_db, self.repairs, self.like)
        return _provenance(self.command, self.model, *asked)

    def do(
        self, job: Job, *, ours: bool, resume: bool, progress: Progress, notice: Notice
    ) -> RestoreReport:
        """Restore one file."""
        if self._effect is None:
            self._effect = self.effect()
        options = _options(self.settings, job, ours, self.provenance)
        return restore_file(job.source, job.target, self._effect, progress=progress, **options)


@dataclass
class Rendering:
    """``uncodec render``. The arguments are those of `uncodec.files.render.RenderSettings`."""

    command: ClassVar = "render"

    settings: Settings
    arguments: dict[str, Any]
    resume: bool = False
    repairs: bool = False

    @property
    def overwrite(self) -> bool:
        """Whether any result that is there may be replaced."""
        return self.settings.overwrite

    def for_elsewhere(self) -> Rendering:
        """The same, where relative paths mean something else."""
        arguments = {**self.arguments, "model": _whole(self.arguments["model"])}
        return replace(self, arguments=arguments)

    def begin(self) -> None:
        """Check the settings and load the model."""
        from uncodec.networks import load_diffusion

        wanted = self._wanted
        load_diffusion(wanted.model, wanted.device)

    @cached_property
    def _wanted(self) -> RenderSettings:
        return RenderSettings(**self.arguments)

    def made_with(self, job: Job) -> dict[str, Any]:
        """Command, model and settings."""
        taken = self._wanted.take(job.take)
        wanted = asdict(taken)
        # Where it was computed makes no difference that a listener could hear.
        for name in ("model", "device", "brightness_db", "like"):
            del wanted[name]
        voice = _voiced(taken.brightness_db, taken.like)
        return {
            "command": self.command,
            "model": self._weights,
            "settings": {
                **wanted,
                **voice,
                **_repaired(self.repairs),
                **_described(self.settings, job),
            },
        }

    @cached_property
    def _weights(self) -> dict[str, str]:
        return _model(self._wanted.model)

    def provenance(self) -> dict[str, str]:
        """The tag of a result that says what it was made with."""
        wanted = self._wanted
        asked = (wanted.amount, wanted.brightness_db, self.repairs, wanted.like)
        return _provenance(self.command, wanted.model, *asked)

    def do(
        self, job: Job, *, ours: bool, resume: bool, progress: Progress, notice: Notice
    ) -> RestoreReport:
        """Render one file."""
        from uncodec.files.render import render_file

        return render_file(
            job.source,
            job.target,
            self._wanted.take(job.take),
            resume=resume or self.resume,
            progress=progress,
            notice=notice,
            before=open_repairs() if self.repairs else None,
            **_options(self.settings, job, ours, self.provenance),
        )


def open_effect(
    model: str, amount: float, seed: int, brightness_db: float, like: Like | None = None
) -> GANRestorer:
    """The effect of ``uncodec restore``, on one thread."""
    with uncollected():
        import torch

        from uncodec.effects import GANRestorer

    # The network's steps are too small to share: with two threads on two busy cores a file took ten
    # times as long and ten times the processor time, because the threads wait for each other.
    torch.set_num_threads(1)
    effect = GANRestorer(amount=amount, seed=seed, model=model, brightness_db=brightness_db)
    if like is not None:
        effect.like, effect.like_amount = like.balance, like.amount
    return effect


def open_repairs(*behind: StreamingEffect) -> StreamingEffect:
    """The repairs that need no network, in the order of docs/repair.md, and what comes behind them.

    What no codec does (a delay between the channels, a changed level) is not among them.
    """
    from uncodec.effects import ArtefactRepair, Board, StereoRepair, TransientRepair

    return Board([StereoRepair(), ArtefactRepair(), TransientRepair(), *behind])


def _options(
    settings: Settings, job: Job, ours: bool, provenance: Callable[[], dict[str, str]]
) -> dict[str, Any]:
    """What `restore_file` and `render_file` are told alike."""
    return {
        "bits": settings.bits,
        "rate": settings.rate,
        "headroom": settings.headroom,
        "overwrite": settings.overwrite or ours,
        "salvage": settings.salvage,
        "add_tags": provenance() if settings.provenance else None,
        "delta": job.delta,
    }


def _described(settings: Settings, job: Job) -> dict[str, Any]:
    told = {**asdict(settings), "delta": job.delta is not None}
    del told["overwrite"]
    return told


def _whole(model: str) -> str:
    """A folder by its whole path; a name as it is."""
    path = Path(model)
    return str(path.absolute()) if path.is_dir() else model


def _voiced(brightness_db: float, like: Like | None) -> dict[str, Any]:
    """The settings where they are set: receipts of releases that did not know them stay valid."""
    told: dict[str, Any] = {"brightness_db": brightness_db} if brightness_db else {}
    if like is not None:
        told |= {"like": like.balance.digest, "like_amount": like.amount}
    return told


def _repaired(repairs: bool) -> dict[str, bool]:
    """The setting where it is made: receipts of releases that did not know it stay valid."""
    return {"repairs": True} if repairs else {}


def _model(model: str) -> dict[str, str]:
    """Name of a model and SHA-256 of its weights, of each file one."""
    digests = [digest_file(path) for path in weight_files(model)]
    return {"name": Path(model).name, "sha256": " ".join(digests)}


@cache
def _provenance(
    command: str,
    model: str,
    amount: float,
    brightness_db: float,
    repairs: bool,
    like: Like | None,
) -> dict[str, str]:
    """The tag of a result that says what it was made with."""
    name, release = model_version(model)
    text = f"uncodec {__version__} {command}, model {name} {release}, amount {amount:g}"
    if brightness_db:
        text += f", brightness {brightness_db:+g} dB"
    if repairs:
        text += ", repairs"
    if like is not None:
        text += f", like {Path(like.balance.name).name} {like.amount:g}"
    return {PROVENANCE: text}
