"""`python -m app` serves; `python -m app healthcheck` asks whether it does."""

from __future__ import annotations

import typer

from app.cli.healthcheck import healthcheck

cli = typer.Typer(add_completion=False, help="Socket servers that answer, run from a browser.")
cli.command()(healthcheck)


@cli.command()
def serve() -> None:
    """Run the panel, the API and the servers until SIGTERM or SIGINT."""
    # Imported here, since a health check, every few seconds, needs none of it.
    from app.cli.serve import serve as run

    run()


@cli.callback(invoke_without_command=True)
def main(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        serve()


if __name__ == "__main__":
    cli(prog_name="sockpit")
