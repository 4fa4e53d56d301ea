"""The sub-commands of `prepare`: their options, and what each of them packs."""

import argparse
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

from trainingjob_trainer.errors import ConfigurationError
from trainingjob_trainer.exit_codes import DONE
from trainingjob_trainer.log import fail
from trainingjob_trainer.prepare.folder import put, verify
from trainingjob_trainer.prepare.progress import tell
from trainingjob_trainer.prepare.volume import judge

Run: TypeAlias = Callable[[argparse.Namespace], int]
Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

_INTRODUCTION = """
Put a dataset onto a volume, once, in a form that training processes read without unpacking it.

Every command may be killed and run again: it goes on where it was. When it is done, running it again compares
checksums and changes nothing. Progress is shown on standard error.
"""
_EXIT_CODES = "exit codes: 0 done, 1 the volume is full or a checksum differs, 2 the sources, DIR or options are wrong"


class _Defaults(argparse.HelpFormatter):
    """Options that have a default say so."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        has_one = action.default not in (None, False, argparse.SUPPRESS)
        return f"{action.help} (default: %(default)s)" if has_one else action.help


def prepare(arguments: Sequence[str]) -> int:
    """Run one sub-command; returns the exit code. Raises ConfigurationError."""
    options = _parser().parse_args(arguments)
    run: Run = options.run
    try:
        return run(options)
    except OSError as error:
        code, text = judge(error, options.folder)
        fail(text)
        return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m trainingjob_trainer prepare",
        description=textwrap.dedent(_INTRODUCTION),
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands: Commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for add in (_add_images, _add_tokens, _add_table, _add_digits, _add_diabetes, _add_verify):
        add(commands)
    return parser


def _add_images(commands: Commands) -> None:
    text = "pack JPEG and PNG files from a sub-folder per class (or train/CLASS and val/CLASS), for PackedImages"
    command = _command(commands, "images", text, _images)
    _add_source(command, "folder of the images")
    command.add_argument("--size", type=_natural, default=224, help="height and width of the packed images")
    command.add_argument("--channels", type=int, choices=(1, 3), default=3, help="1 for grey, 3 for colour")
    _add_held_out(command, 0.1, "share of each class that is held out, if there are no train and val folders")
    _add_seed(command, "choice of the held-out images")


def _add_tokens(commands: Commands) -> None:
    text = "write text files as bytes, or .npy files of token numbers, one behind the other, for Tokens"
    command = _command(commands, "tokens", text, _tokens)
    _add_source(command, "a text file, or a folder of them")
    command.add_argument("--suffix", nargs="+", default=[".txt", ".md"], help="which files of the folder are read")
    command.add_argument("--vocabulary", type=_natural, help="number of tokens that .npy files draw from")
    _add_held_out(command, 0.05, "share of each document, its end, that is held out")


def _add_table(commands: Commands) -> None:
    text = "write CSV or Parquet files as one Arrow table of numbers, for Table"
    command = _command(commands, "table", text, _table)
    _add_source(command, "a .csv or .parquet file, or a folder of them")
    command.add_argument("--target", required=True, help="column that is predicted")
    command.add_argument("--features", help="columns to predict it from, a,b,c (if left out: all other numbers)")
    command.add_argument("--ordered", action="store_true", help="rows are a time series: the last ones are held out")
    _add_held_out(command, 0.1, "share of the rows that is held out")
    _add_seed(command, "choice of the held-out rows")


def _add_digits(commands: Commands) -> None:
    command = _command(commands, "digits", "1,797 real images of handwritten digits, an example", _digits)
    _add_folder(command)
    command.add_argument("--png", action="store_true", help="as train/CLASS/*.png and val/CLASS/*.png, for ImageFolder")
    _add_seed(command, "choice of the held-out images")


def _add_diabetes(commands: Commands) -> None:
    command = _command(commands, "diabetes", "10 measurements of 442 patients as a CSV file, an example", _diabetes)
    _add_folder(command)


def _add_verify(commands: Commands) -> None:
    command = _command(commands, "verify", "compare every byte of a prepared dataset with its checksums", _verify)
    _add_folder(command)


def _command(commands: Commands, name: str, text: str, run: Run) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=text, description=text, epilog=_EXIT_CODES, formatter_class=_Defaults)
    command.set_defaults(run=run)
    return command


def _add_source(command: argparse.ArgumentParser, text: str) -> None:
    command.add_argument("source", type=Path, metavar="SRC", help=text)
    _add_folder(command)


def _add_folder(command: argparse.ArgumentParser) -> None:
    command.add_argument("folder", type=Path, metavar="DIR", help="of the dataset, for example a claim's mount path")


def _add_held_out(command: argparse.ArgumentParser, default: float, text: str) -> None:
    command.add_argument("--held-out", type=_share, default=default, metavar="SHARE", help=text)


def _add_seed(command: argparse.ArgumentParser, text: str) -> None:
    command.add_argument("--seed", type=int, default=0, help=f"of the {text}")


def _natural(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return number


def _share(text: str) -> float:
    number = float(text)
    if not 0 < number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return number


# Each imports what it needs: `prepare digits` asks for no pyarrow, `prepare verify` for nothing.


def _images(options: argparse.Namespace) -> int:
    from trainingjob_trainer.prepare.images import images

    work = images(options.source, options.size, options.channels, options.held_out, options.seed)
    return put(options.folder, work)


def _tokens(options: argparse.Namespace) -> int:
    from trainingjob_trainer.prepare.tokens import tokens

    return put(options.folder, tokens(options.source, options.suffix, options.held_out, options.vocabulary))


def _table(options: argparse.Namespace) -> int:
    from trainingjob_trainer.prepare.table import table

    features = options.features.split(",") if options.features else None
    order = None if options.ordered else options.seed
    return put(options.folder, table(options.source, options.target, features, options.held_out, order))


def _digits(options: argparse.Namespace) -> int:
    from trainingjob_trainer.prepare.digits import digits, write_png_files

    if not options.png:
        return put(options.folder, digits(options.seed))
    if options.folder.is_dir() and not {path.name for path in options.folder.iterdir()} <= {"train", "val"}:
        raise ConfigurationError(f"{options.folder} holds other files: give an empty folder")
    tell(f"wrote {write_png_files(options.folder, options.seed)} PNG files to {options.folder}")
    return DONE


def _diabetes(options: argparse.Namespace) -> int:
    from trainingjob_trainer.prepare.diabetes import write_csv

    tell(f"wrote {write_csv(options.folder)}")
    return DONE


def _verify(options: argparse.Namespace) -> int:
    return verify(options.folder)
