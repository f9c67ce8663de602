"""`python -m app` serves; its other commands ask whether it does, back it up, restore that."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.cli.healthcheck import healthcheck
from app.private import make_private

cli = typer.Typer(add_completion=False, help="Socket servers that answer, run from a browser.")
cli.command()(healthcheck)


@cli.command()
def serve() -> None:
    """Run the panel, the API and the servers until SIGTERM or SIGINT."""
    # Imported here, since a health check, every few seconds, needs none of it.
    from app.cli.serve import serve as run

    run()


@cli.command()
def backup(
    target: Annotated[Path, typer.Argument(help="A folder that is not there yet.")],
) -> None:
    """Back the data directory up, while the instance runs or not."""
    from app.cli.backup import backup as run

    run(target)


@cli.command()
def restore(
    source: Annotated[Path, typer.Argument(help="A folder that `backup` made.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Move what is there to a folder in it.")
    ] = False,
) -> None:
    """Make the data directory of a backup, while no instance runs on it."""
    from app.cli.backup import restore as run

    run(source, replace)


@cli.command()
def passwd(
    name: Annotated[str, typer.Argument(help="The user's name; one that is not there is made.")],
) -> None:
    """Give a user another password, while the instance runs or not."""
    from app.cli.passwd import passwd as run

    run(name)


@cli.callback(invoke_without_command=True)
def main(context: typer.Context) -> None:
    make_private()
    if context.invoked_subcommand is None:
        serve()


if __name__ == "__main__":
    cli(prog_name="sockpit")
