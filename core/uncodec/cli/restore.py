"""The command ``uncodec restore``."""

from __future__ import annotations

from typing import Annotated

import typer

from uncodec.cli import options
from uncodec.cli.batches import Batch, run_batch, warm_up
from uncodec.cli.common import loading, parse_headroom, read_reference, told_errors

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command()(restore)


def restore(
    inputs: options.Inputs,
    output: Annotated[str | None, options.output_option("restored")] = None,
    amount: options.Amount = 1.0,
    brightness: options.Brightness = 0.0,
    like: options.LikePath = None,
    like_amount: options.LikeAmount = 1.0,
    repairs: options.Repairs = False,
    seed: options.Seed = 0,
    bits: options.Bits = 24,
    rate: options.Rate = None,
    headroom: options.Headroom = "0",
    model: Annotated[str, typer.Option(help="Name or folder of the model.")] = "live-gan",
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
    """Restore audio files that went through a lossy codec.

    The result is as long as its source and aligned to it, keeps its tags, and appears under its
    name only when it is complete. When one file fails the others are still done. Exit code: 0 all
    files restored, 1 some were not, 2 wrong use of the command, 130 stopped with Ctrl-C.
    """
    with told_errors(debug):
        if jobs not in (None, 1):
            warm_up("uncodec.catalogue.ready_to_restore", model)
        with loading():
            from uncodec.catalogue.work import Restoring
            from uncodec.files.planning import Settings, plan, with_deltas

        settings = Settings(
            bits=bits,
            rate=rate,
            headroom=parse_headroom(headroom),
            overwrite=overwrite,
            salvage=salvage,
            provenance=not no_provenance,
        )
        planned = plan(inputs, output, settings=settings)
        if delta is not None:
            planned = with_deltas(planned, delta, settings)
        reference = read_reference(like, like_amount)
        work = Restoring(settings, model, amount, seed, brightness, repairs, reference)
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
