"""The command line: parse, call, render, exit code. One file a command; nothing is decided here.

Exit codes: 0 fine, 1 a rule failed or training failed, 2 usage, 3 inconclusive under ``--strict``, 4 invalid,
70 internal error, 130 interrupted. Without 70 "crashed" and "over budget" would look alike.
"""

from __future__ import annotations

import signal
import sys
import traceback
from collections.abc import Callable

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return the exit code; the only place where errors become exit codes."""
    import typer

    from energyprof.cli.app import app
    from energyprof.errors import EnergyprofError

    try:
        code = app(arguments, prog_name="energyprof", standalone_mode=False)
    except (typer.Abort, KeyboardInterrupt):
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
    return code if isinstance(code, int) else 0


def _usage(show: Callable[[], None]) -> int:
    show()
    return 2


def _defect() -> int:
    traceback.print_exc()
    print("error: this is a defect in energyprof; please report it with the lines above", file=sys.stderr)
    return 70
