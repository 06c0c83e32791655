"""What a soak has done so far: kept in a file after each batch, so that it can be stopped and taken up again.

A batch is a function of the seed and its number. One that was cut off left no figures, and is done again.
"""

import json
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from textclf.common.atomic_files import replace_file

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "build/soak"
_KEPT = 100  # differences that are named; all are counted


@dataclass
class SoakState:
    """Figures of the batches that are done, and the differences that were found.

    Attributes:
        seed: Of all batches.
        batches: Number of batches that are done.
        figures: Sums over the batches.
        differences: The first of them, each as a line that says how to make it again.
    """

    path: Path
    seed: int
    batches: int = 0
    figures: Counter[str] = field(default_factory=Counter)
    differences: list[str] = field(default_factory=list)

    @classmethod
    def take_up(cls, path: Path, seed: int) -> "SoakState":
        """The state that an earlier call left, or a new one where there is none."""
        if not path.exists():
            return cls(path, seed)
        kept = json.loads(path.read_text(encoding="utf-8"))
        if kept["seed"] != seed:
            raise SystemExit(f"{path} is of seed {kept['seed']}: remove it to begin anew with seed {seed}")
        return cls(path, seed, kept["batches"], Counter(kept["figures"]), kept["differences"])

    def add(self, figures: Counter[str], differences: list[str]) -> None:
        """Add a batch that is done, and keep it."""
        self.batches += 1
        self.figures += figures
        self.figures["differences"] += len(differences)
        self.differences = (self.differences + differences)[:_KEPT]
        kept = {"seed": self.seed, "batches": self.batches, "figures": self.figures, "differences": self.differences}
        replace_file(self.path, json.dumps(kept, indent=2, sort_keys=True))

    def say(self) -> int:
        """Print the figures and differences; the exit code: 1 where there are differences."""
        figures = {name: self.figures[name] for name in sorted(self.figures)}
        said = {"seed": self.seed, "batches": self.batches, "figures": figures, "differences": self.differences}
        sys.stdout.write(json.dumps(said, indent=2, ensure_ascii=False) + "\n")
        return int(self.figures["differences"] > 0)


Batch = Callable[[int], tuple[Counter[str], list[str]]]


def soak(state: SoakState, batch: Batch, *, figure: str, wanted: int, minutes: float = float("inf")) -> bool:
    """Do batches until ``figure`` has reached what is wanted, it is late, or the process is asked to stop.

    A batch that fails before it adds to ``figure`` is the last: with a Java that is gone all others would, too.

    Returns:
        Whether the process was asked to stop. A batch that was cut off by that left no figures, and is done again.
    """
    until = time.monotonic() + 60 * minutes
    with _asked_to_stop() as asked:
        while state.figures[figure] < wanted and time.monotonic() < until and not asked():
            try:
                figures, differences = batch(state.batches)
            except KeyboardInterrupt:
                return True
            state.add(figures, differences)
            sys.stderr.write(
                f"{state.figures[figure]:,} of {wanted:,} {figure}; {state.figures['differences']} differ\n"
            )
            if differences and not figures[figure]:
                break
        return asked()


@contextmanager
def _asked_to_stop() -> Iterator[Callable[[], bool]]:
    """Whether SIGINT or SIGTERM has come: the batch at hand is ended first. A second one ends at once."""
    come: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        come.append(number)
        signal.signal(number, signal.SIG_DFL)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(come)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
