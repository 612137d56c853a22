"""What a run is about to do, said on stderr, and until when it may."""

import sys
import time
from dataclasses import replace

from load import Effort

# What a measurement takes besides its own seconds: starting wrk, and looking at the server's CPU.
BETWEEN = 0.15
# What a stage may take for servers that do not start, answer or end.
ALLOWANCE = 20.0

BEGUN = time.monotonic()


def say(text: str) -> None:
    print(f"[{time.monotonic() - BEGUN:4.0f} s] {text}", file=sys.stderr, flush=True)


def begin(name: str, measurements: float, effort: Effort, besides: float = 0) -> Effort:
    """Says that a stage begins: its number of measurements, and the seconds that it takes besides. With the effort that is
    returned, a measurement begins within twice the usual time or is left out."""
    usual = measurements * (effort.seconds + BETWEEN) + besides
    bound = 2 * usual + ALLOWANCE
    say(f"{name}: about {usual:.0f} s, at most {bound:.0f} s")
    return replace(effort, until=time.monotonic() + bound)
