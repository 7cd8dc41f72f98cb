"""The command line: parse, call, render, exit code. One file a command; nothing is decided here.

Exit codes: 0 fine, 1 a rule failed or training failed, 2 usage, 3 inconclusive under ``--strict``, 4 invalid,
70 internal error, 130 interrupted. Without 70 "crashed" and "over budget" would look alike.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Sequence

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return the exit code; the only place where errors become exit codes."""
    from energyprof.errors import EnergyprofError

    try:
        return _perform(sys.argv[1:] if arguments is None else arguments)
    except KeyboardInterrupt:
        return 130
    except EnergyprofError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except SystemExit as leave:
        return 130 if leave.code == 128 + signal.SIGTERM else 70  # nothing else in here leaves that way
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output has had enough; there is nobody to tell
        return 0
    except Exception as error:
        show = getattr(error, "show", None)  # the parser's own errors know how to print themselves
        return _usage(show) if callable(show) else _defect()


def _perform(words: Sequence[str]) -> int:
    """Perform a command: a plain check at once, anything else by way of the parser."""
    if words and words[0] == "check":
        from energyprof.cli.checking import perform_check, read_plain_check

        options = read_plain_check(words[1:])
        if options is not None:
            return perform_check(options)
    return _parse(words)


def _parse(words: Sequence[str]) -> int:
    import typer

    from energyprof.cli.app import app

    try:
        code = app(list(words), prog_name="energyprof", standalone_mode=False)
    except typer.Abort:
        raise KeyboardInterrupt from None
    return code if isinstance(code, int) else 0


def _usage(show: Callable[[], None]) -> int:
    show()
    return 2


def _defect() -> int:
    import traceback

    traceback.print_exc()
    print("error: this is a defect in energyprof; please report it with the lines above", file=sys.stderr)
    return 70
