"""The command line: parse, call one thing, say one sentence that ends in the next command."""

import difflib
import importlib
import os
import sys
from typing import NoReturn

import rich_click as click

from cryoal.cli.common import machine_failure, release, verbosity_options
from cryoal.core.errors import CryoalError, MachineError
from cryoal.core.version import __version__

#: Command -> where it lives; a module is imported when its command is needed.
COMMANDS = {
    "inspect": "cryoal.cli.inspect:inspect",
    "convert": "cryoal.cli.convert:convert",
    "extract": "cryoal.cli.extract:extract",
    "select": "cryoal.cli.rounds:select",
    "sheet": "cryoal.cli.sheet:sheet",
    "annotate": "cryoal.cli.annotate:annotate",
    "label": "cryoal.cli.label:label",
    "train": "cryoal.cli.rounds:train",
    "predict": "cryoal.cli.rounds:predict",
    "pretrain": "cryoal.cli.pretrain:pretrain",
    "export": "cryoal.cli.export:export",
    "status": "cryoal.cli.status:status",
    "report": "cryoal.cli.status:report",
    "simulate": "cryoal.cli.simulate:simulate",
    "benchmark": "cryoal.cli.benchmark:benchmark",
    "data": "cryoal.cli.data:data",
    "demo": "cryoal.cli.demo:demo",
    "doctor": "cryoal.cli.doctor:doctor",
}


class LazyGroup(click.RichGroup):
    """A group whose commands are imported one at a time, so that ``--help`` stays fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every command, in the order in which one uses them."""
        return list(COMMANDS)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that is meant, or refuse with a guess."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            guess = difflib.get_close_matches(args[0].lower(), COMMANDS, n=1)
            hint = f"did you mean {guess[0]!r}?" if guess else f"there are {', '.join(COMMANDS)}"
            raise click.UsageError(f"No command is called {args[0]!r}; {hint}", ctx)
        return super().resolve_command(ctx, args)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Import a command by its name."""
        if name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        known = {option for parameter in command.params for option in parameter.opts}
        if "--verbose" not in known:
            command.params.extend(verbosity_options())
        return command


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="cryoal")
def cli() -> None:
    """Classify cryo-ET subtomograms with few labels.

    inspect -> extract -> select -> label -> select -> ... -> export

    cryoal cuts your picks out of your tomograms, asks you only about the particles that teach it
    most, and hands every particle back with a class and a confidence.
    """


def main() -> None:
    """Run the command line; what goes wrong is one line on stderr, and only a bug a traceback.

    Exit codes: 2 the input or the options are wrong, 1 the machine failed (or a bug).
    """
    # Or every process started from here would look for modules in the working folder first, which
    # may be that of a stranger's project.
    os.environ.setdefault("PYTHONSAFEPATH", "1")
    try:
        code = cli(prog_name="cryoal", standalone_mode=False)
    except CryoalError as problem:
        _end(str(problem), 1 if isinstance(problem, MachineError) else 2)
    except click.UsageError as problem:
        command = "cryoal" if problem.ctx is None else problem.ctx.command_path
        said = problem.format_message().rstrip(".")
        said += "" if said.endswith("?") else "."
        _end(f"{said} See {command} --help", 2)
    except click.Abort:
        _end_interrupted()
    except Exception as problem:
        if caused_by_interrupt(problem):
            _end_interrupted()
        sentence = machine_failure(problem)
        if sentence is None:
            raise
        _end(sentence, 1)
    release()
    sys.exit(code if isinstance(code, int) else 0)


def caused_by_interrupt(problem: BaseException) -> bool:
    """Whether Ctrl-C lies behind an error: compiled modules turn it into an ImportError."""
    chain: BaseException | None = problem
    while chain is not None and not isinstance(chain, KeyboardInterrupt):
        chain = chain.__cause__ or chain.__context__
    return chain is not None


def _end_interrupted() -> NoReturn:
    click.echo("cryoal: interrupted; the same command goes on from here", err=True)
    sys.exit(130)


def _end(sentence: str, code: int) -> NoReturn:
    click.echo(f"cryoal: {' '.join(sentence.split())}", err=True)
    sys.exit(code)
