"""Announces the stages of a run on stderr, and limits their duration."""

import sys
import time
from dataclasses import replace

from load import Effort

# The additional seconds of a measurement: for starting wrk, and for reading the server's CPU time.
BETWEEN = 0.15
# The additional seconds of a stage for servers that do not start, respond or end.
ALLOWANCE = 20.0

BEGUN = time.monotonic()


def say(text: str) -> None:
    print(f"[{time.monotonic() - BEGUN:4.0f} s] {text}", file=sys.stderr, flush=True)


def begin(name: str, measurements: float, effort: Effort, besides: float = 0) -> Effort:
    """Announces a stage with this number of measurements, and with these additional seconds. With the returned effort,
    a measurement begins within twice the usual time or is left out."""
    usual = measurements * (effort.seconds + BETWEEN) + besides
    bound = 2 * usual + ALLOWANCE
    say(f"{name}: about {usual:.0f} s, at most {bound:.0f} s")
    return replace(effort, until=time.monotonic() + bound)
