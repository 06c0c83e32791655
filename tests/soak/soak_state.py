"""The progress of a soak, saved to a file after each batch, so that it can be stopped and resumed.

A batch is determined by the seed and its number. A batch that was interrupted left no figures and is repeated.
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
_KEPT = 100  # differences that are listed; all are counted


@dataclass
class SoakState:
    """Figures of the completed batches, and the differences found.

    Attributes:
        seed: Seed of all batches.
        batches: Number of completed batches.
        figures: Sums over the batches.
        differences: The first differences, each as a line that says how to reproduce it.
    """

    path: Path
    seed: int
    batches: int = 0
    figures: Counter[str] = field(default_factory=Counter)
    differences: list[str] = field(default_factory=list)

    @classmethod
    def take_up(cls, path: Path, seed: int) -> "SoakState":
        """Return the state saved by an earlier call, or a new one if there is none."""
        if not path.exists():
            return cls(path, seed)
        kept = json.loads(path.read_text(encoding="utf-8"))
        if kept["seed"] != seed:
            raise SystemExit(f"{path} is of seed {kept['seed']}: remove it to begin anew with seed {seed}")
        return cls(path, seed, kept["batches"], Counter(kept["figures"]), kept["differences"])

    def add(self, figures: Counter[str], differences: list[str]) -> None:
        """Add a completed batch and save the state."""
        self.batches += 1
        self.figures += figures
        self.figures["differences"] += len(differences)
        self.differences = (self.differences + differences)[:_KEPT]
        kept = {"seed": self.seed, "batches": self.batches, "figures": self.figures, "differences": self.differences}
        replace_file(self.path, json.dumps(kept, indent=2, sort_keys=True))

    def say(self) -> int:
        """Print the figures and differences; return exit code 1 if there are differences."""
        figures = {name: self.figures[name] for name in sorted(self.figures)}
        said = {"seed": self.seed, "batches": self.batches, "figures": figures, "differences": self.differences}
        sys.stdout.write(json.dumps(said, indent=2, ensure_ascii=False) + "\n")
        return int(self.figures["differences"] > 0)


Batch = Callable[[int], tuple[Counter[str], list[str]]]


def soak(state: SoakState, batch: Batch, *, figure: str, wanted: int, minutes: float = float("inf")) -> bool:
    """Run batches until ``figure`` reaches ``wanted``, the time is up, or the process is asked to stop.

    A batch that fails before it adds to ``figure`` is the last: if the JVM is gone, all others would fail too.

    Returns:
        Whether the process was asked to stop. A batch interrupted by that left no figures and is repeated.
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
    """Report whether SIGINT or SIGTERM was received. The current batch may finish; a second signal stops at once."""
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
