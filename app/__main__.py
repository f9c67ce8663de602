"""`python -m app` serves; `python -m app healthcheck` asks whether it does."""

from __future__ import annotations

import typer

from app.cli.healthcheck import healthcheck
from app.cli.serve import serve

cli = typer.Typer(add_completion=False, help="Socket servers that answer, run from a browser.")
cli.command()(serve)
cli.command()(healthcheck)


@cli.callback(invoke_without_command=True)
def main(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        serve()


if __name__ == "__main__":
    cli(prog_name="sockpit")
