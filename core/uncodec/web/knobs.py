"""The knobs of the page, and what each setting of them is as work, as a command and as Python."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from uncodec.catalogue.work import PROVENANCE, Rendering, Restoring
from uncodec.errors import InvalidType, InvalidValue
from uncodec.files.headroom import Headroom, check_headroom
from uncodec.files.planning import Settings
from uncodec.files.restore import check_format
from uncodec.files.sources import MARK, RENDERED
from uncodec.parameters import (
    DEFAULT_STEPS,
    check_amount,
    check_brightness,
    check_number,
    check_seed,
    check_steps,
)
from uncodec.web.references import named

if TYPE_CHECKING:
    from uncodec.balance import Like
    from uncodec.files.restore import StreamingEffect

__all__ = ["ENGINES", "Knobs"]

ENGINES = ("live", "offline")


@dataclass(frozen=True, slots=True)
class Knobs:
    """How a file is restored.

    Attributes
    ----------
    engine : {"live", "offline"}
        ``uncodec restore`` or ``uncodec render``.
    amount : float
        0 to 1.
    brightness_db : float
        -12 to 12.
    repairs : bool
        The repairs without a network run before the engine.
    like_amount : float
        How far towards a reference, 0 to 1. Which one is told apart: it is a file on the page.
    steps : int
        Of the offline engine, 1 to 32.
    seed : int
    bits : {16, 24, 32}
    headroom : "auto" or float
        dB.
    salvage : bool
        Take what can be read of a damaged file.
    """

    engine: Literal["live", "offline"] = "live"
    amount: float = 1.0
    brightness_db: float = 0.0
    repairs: bool = False
    like_amount: float = 1.0
    steps: int = DEFAULT_STEPS
    seed: int = 0
    bits: int = 24
    headroom: Headroom = 0.0
    salvage: bool = False

    def __post_init__(self) -> None:
        if self.engine not in ENGINES:
            raise InvalidValue(f"engine={self.engine!r}: must be one of {', '.join(ENGINES)}")
        check_amount(self.amount)
        check_brightness(self.brightness_db)
        check_number("like_amount", self.like_amount, 0.0, 1.0)
        check_steps(self.steps)
        check_seed(self.seed)
        check_format(self.bits, None)
        check_headroom(self.headroom)
        for name in ("repairs", "salvage"):
            if not isinstance(getattr(self, name), bool):
                raise InvalidType(f"{name}={getattr(self, name)!r}: must be true or false")

    @classmethod
    def parse(cls, values: object) -> Knobs:
        """Read what a page or a file says; what it does not say is as it is by default.

        Raises
        ------
        InvalidValue, InvalidType
            An unknown knob, or a value outside its rule.
        """
        if not isinstance(values, Mapping):
            raise InvalidType(f"knobs={values!r}: must be an object")
        known = {field.name for field in fields(cls)}
        if unknown := sorted(set(map(str, values)) - known):
            raise InvalidValue(f"knobs: must be of {', '.join(sorted(known))}, got {unknown[0]!r}")
        return cls(**values)

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @property
    def mark(self) -> str:
        """What stands in the name of a result beside its source."""
        return MARK if self.engine == "live" else RENDERED

    def settings(self, *, overwrite: bool = False) -> Settings:
        """How results are written."""
        return Settings(
            bits=self.bits, headroom=self.headroom, overwrite=overwrite, salvage=self.salvage
        )

    def work(self, *, overwrite: bool = False, like: Like | None = None) -> Restoring | Rendering:
        """The work that the command line would do."""
        settings = self.settings(overwrite=overwrite)
        if self.engine == "live":
            return Restoring(
                settings,
                amount=self.amount,
                seed=self.seed,
                brightness_db=self.brightness_db,
                repairs=self.repairs,
                like=like,
            )
        return Rendering(
            settings,
            {
                "amount": self.amount,
                "seed": self.seed,
                "steps": self.steps,
                "brightness_db": self.brightness_db,
                "like": like,
            },
            repairs=self.repairs,
        )

    def preview_effect(self, like: Like | None = None) -> StreamingEffect:
        """What a preview runs: the live engine, whichever engine is chosen."""
        return replace(self, engine="live").work(like=like).effect()  # type: ignore[union-attr]

    def command(
        self, source: str | Path, target: str | Path, like: str | Path | None = None
    ) -> str:
        """The line for a shell that makes the same file."""
        words = ["uncodec", "restore" if self.engine == "live" else "render"]
        # A name may begin with a dash.
        words += [_not_an_option(source), "-o", _not_an_option(target)]
        for name, option in _OPTIONS.items():
            value = getattr(self, name)
            if value == _DEFAULTS[name] or (name == "steps" and self.engine == "live"):
                continue
            words += [option] if value is True else [option, _number(value)]
        if like is not None:
            words += ["--like", str(like)]
            words += ["--like-amount", _number(self.like_amount)] if self.like_amount != 1 else []
        return shlex.join(words)

    def python(
        self,
        source: str | Path,
        target: str | Path,
        like: str | Path | None = None,
        *,
        makes_folder: bool = False,
    ) -> str:
        """The lines of Python that make the same file, and its folder where that is missing."""
        work = self.work(like=named(like, self.like_amount))
        written = [f"bits={self.bits}"] if self.bits != 24 else []
        written += [f"headroom={self.headroom!r}"] if self.headroom != 0 else []
        written += ["salvage=True"] if self.salvage else []
        written += [f"add_tags={{{PROVENANCE!r}: {work.provenance()[PROVENANCE]!r}}}"]
        asked = [f"amount={self.amount:g}"] if self.amount != 1 else []
        asked += [f"brightness_db={self.brightness_db:g}"] if self.brightness_db else []
        asked += [f"seed={self.seed}"] if self.seed else []
        if like is not None and self.engine == "live":
            asked += [f"like={str(like)!r}"]
            asked += [f"like_amount={self.like_amount:g}"] if self.like_amount != 1 else []
        elif like is not None:
            asked += [f"like=Like(as_balance({str(like)!r}), {self.like_amount:g})"]
        if self.engine == "offline":
            asked += [f"steps={self.steps}"] if self.steps != DEFAULT_STEPS else []
        folder = str(Path(target).parent) if makes_folder else None
        return _script(self, str(source), str(target), asked, written, folder)


_OPTIONS = {
    "amount": "--amount",
    "brightness_db": "--brightness",
    "repairs": "--repairs",
    "steps": "--steps",
    "seed": "--seed",
    "bits": "--bits",
    "headroom": "--headroom",
    "salvage": "--salvage",
}
_DEFAULTS = {field.name: field.default for field in fields(Knobs)}


def _not_an_option(path: str | Path) -> str:
    text = str(path)
    return f"./{text}" if text.startswith("-") else text


def _number(value: object) -> str:
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def _script(
    knobs: Knobs,
    source: str,
    target: str,
    asked: list[str],
    written: list[str],
    folder: str | None,
) -> str:
    live = knobs.engine == "live"
    repairs = ["StereoRepair", "ArtefactRepair", "TransientRepair"] if knobs.repairs else []
    names = [*repairs, *(["Board"] if repairs else []), *(["GANRestorer"] if live else [])]
    listed = [f"{name}()" for name in repairs]
    settings = ", ".join(asked)
    lines = ["from pathlib import Path", ""] if folder else []
    lines += ["import torch"] if live else []
    lines += [f"from uncodec import {', '.join(sorted(names))}"] if names else []
    if "as_balance" in settings:
        lines += ["from uncodec.balance import Like"]
        lines += ["from uncodec.effects.reference import as_balance"]
    if live:
        lines.append("from uncodec.files import restore_file")
        made = f"GANRestorer({settings})"
        made = f"Board([{', '.join([*listed, made])}])" if repairs else made
    else:
        lines.append("from uncodec.files import RenderSettings, render_file")
        made = f"RenderSettings({settings})"
        written = [f"before=Board([{', '.join(listed)}])", *written] if repairs else written
    lines.append("")
    # As the command does: the network's steps are too small to be shared.
    lines += ["torch.set_num_threads(1)"] if live else []
    lines += [f"Path({folder!r}).mkdir(parents=True, exist_ok=True)"] if folder else []
    lines.append("restore_file(" if live else "render_file(")
    lines += [f"    {argument}," for argument in (repr(source), repr(target), made, *written)]
    return "\n".join([*lines, ")", ""])
