"""The command ``uncodec render``: masters from the offline engine.

The exit codes are those of ``uncodec restore``.
"""

from __future__ import annotations

from typing import Annotated

import typer

from uncodec.cli import options
from uncodec.cli.batches import Batch, run_batch, warm_up
from uncodec.cli.common import loading, parse_headroom, read_reference, told_errors
from uncodec.parameters import DEFAULT_STEPS

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command()(render)


def render(
    inputs: options.Inputs,
    output: Annotated[str | None, options.output_option("rendered")] = None,
    steps: Annotated[
        int, typer.Option(help="Calls of the network, 1 to 32; the time taken grows with them.")
    ] = DEFAULT_STEPS,
    amount: options.Amount = 1.0,
    brightness: options.Brightness = 0.0,
    like: options.LikePath = None,
    like_amount: options.LikeAmount = 1.0,
    repairs: options.Repairs = False,
    seed: options.Seed = 0,
    takes: Annotated[
        int,
        typer.Option(
            metavar="N",
            help="Results of each source, with N seeds from --seed on: song.rendered.take1.flac "
            "and so on.",
        ),
    ] = 1,
    sampler: Annotated[
        str, typer.Option(help="ode: deterministic. sde: with fresh noise in every step.")
    ] = "ode",
    ceiling_db: Annotated[
        float | None,
        typer.Option(
            metavar="DB",
            help="Keep true peaks below this, -20 to 0. Without it the level is left as it is.",
            show_default=False,
        ),
    ] = None,
    bits: options.Bits = 24,
    rate: options.Rate = None,
    headroom: options.Headroom = "0",
    model: Annotated[str, typer.Option(help="Name or folder of the model.")] = "diffusion",
    device: Annotated[
        str, typer.Option(help="Where the network runs, as PyTorch names it: cpu, cuda.")
    ] = "cpu",
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a render that was stopped.")
    ] = False,
    overwrite: options.Overwrite = False,
    salvage: options.Salvage = False,
    delta: options.Delta = None,
    no_provenance: options.NoProvenance = False,
    jobs: options.Jobs = None,
    scheduler: options.Scheduler = None,
    receipts: options.Receipts = None,
    skip_done: options.SkipDone = False,
    shard: options.ShardText = None,
    only_damaged: options.OnlyDamaged = False,
    plan_only: options.PlanOnly = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Render audio files with the offline engine, which is slower than restore and looks ahead.

    The result is aligned to its source, keeps its length, its level and its tags, and appears under
    its name only when it is complete. A render that is stopped, with Ctrl-C or by a full disk,
    leaves its finished chunks in a hidden folder beside the result; --resume goes on with them.
    """
    with told_errors(debug, stopped="stopped; --resume goes on with what is finished"):
        if jobs not in (None, 1):
            # Copies of a process that has used a graphics card cannot use it.
            warm_up("uncodec.catalogue.ready_to_render", model if device == "cpu" else "")
        with loading():
            from uncodec.catalogue.work import Rendering
            from uncodec.files.planning import Settings, plan, with_deltas
            from uncodec.files.sources import RENDERED

        arguments = {
            "steps": steps,
            "seed": seed,
            "amount": amount,
            "brightness_db": brightness,
            "like": read_reference(like, like_amount),
            "sampler": sampler,
            "model": model,
            "device": device,
            "ceiling_db": ceiling_db,
        }
        settings = Settings(
            bits=bits,
            rate=rate,
            headroom=parse_headroom(headroom),
            overwrite=overwrite,
            salvage=salvage,
            provenance=not no_provenance,
        )
        planned = plan(inputs, output, settings=settings, mark=RENDERED, takes=takes)
        if delta is not None:
            planned = with_deltas(planned, delta, settings)
        work = Rendering(settings, arguments, resume, repairs)
        batch = Batch(
            jobs=jobs,
            scheduler=scheduler,
            receipts=receipts,
            skip_done=skip_done,
            shard=shard,
            only_damaged=only_damaged,
            plan_only=plan_only,
            json=json,
            quiet=quiet,
            debug=debug,
        )
        run_batch(planned, work, batch)
