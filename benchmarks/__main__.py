"""Every benchmark, one table: ``python -m benchmarks [--quick | --soak] [--only NAME ...] [--json FILE] [--markdown FILE]``.

Floors are measured in the same run, so that ratios say something on a machine that does other things too. One that cannot run here
(no PostgreSQL, no test bed) is a row that says so.
"""

import argparse
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path

from benchmarks import actions, decisions, first_call, idle, intake, matching, runs
from benchmarks.frame import FULL, QUICK, SOAK, Machine, Row, Scale
from benchmarks.report import markdown, show, write

BENCHMARKS: dict[str, Callable[[Scale], Iterable[Row]]] = {
    "matching": matching.rows,
    "intake": intake.rows,
    "decisions": decisions.rows,
    "first-call": first_call.rows,
    "runs": runs.rows,
    "idle": idle.rows,
    "actions": actions.rows,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=(__doc__ or "").partition("\n")[0])
    scales = parser.add_mutually_exclusive_group()
    scales.add_argument(
        "--quick", action="store_const", const=QUICK, dest="scale", help="under 3 minutes; proves little"
    )
    scales.add_argument("--soak", action="store_const", const=SOAK, dest="scale", help="histories of 10 million rows")
    parser.add_argument("--only", nargs="+", choices=BENCHMARKS, default=list(BENCHMARKS), metavar="NAME")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure there")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table there, for README")
    arguments = parser.parse_args()
    scale, machine = arguments.scale or FULL, Machine()
    found: list[Row] = []
    failed = False
    for name in arguments.only:
        began = time.perf_counter()
        try:
            found += BENCHMARKS[name](scale)
        except Exception as error:
            failed = True
            traceback.print_exc()
            found.append(Row(name, {}, {}, note=f"failed: {type(error).__name__}: {error}"))
        print(f"{name}: {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
    show(found, machine)
    if arguments.json is not None:
        write(arguments.json, found, machine, scale)
    if arguments.markdown is not None:
        arguments.markdown.write_text(markdown(found, machine))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
