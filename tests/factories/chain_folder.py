"""A pipeline whose chain of steps runs in this process, with helpers to check what it did."""

from tests.factories.pipeline_folder import PipelineFolder
from textclf.artifact import ModelStore
from textclf.chain.rules import STEPS


class ChainFolder(PipelineFolder):
    """The pipeline, and the results of its newest chain."""

    def steps(self, state: str) -> list[str]:
        """Return the steps of the newest chain that ended in this state."""
        return [step["step"] for step in self.record["details"]["steps"] if step["state"] == state]

    def did(self, *steps: str) -> bool:
        """Return whether exactly these steps had work to do, and all others were skipped."""
        done, skipped = self.steps("done"), self.steps("skipped")
        assert sorted(done + skipped) == sorted(STEPS), self.said
        return done == list(steps)

    def plan(self, step: str, subject: object) -> str:
        """Return the line of the newest chain's plan for a source or day in a step."""
        words = [step, str(subject)]
        lines: list[str] = self.record["details"]["plan"]
        return next(line for line in lines if line.split()[:2] == words)

    def corpus(self) -> dict[str, int]:
        """Return the number of corpus records by source."""
        found = self.rows("corpus").groupBy("source").count().collect()
        return {row["source"]: row["count"] for row in found}

    def runs(self) -> dict[str, int]:
        """Return the number of run records by job and status."""
        found = self.rows("runs").groupBy("job", "status").count().collect()
        return {f"{row['job']} {row['status']}": row["count"] for row in found}

    def versions(self) -> dict[str, str | None]:
        """Return the champion of each model."""
        store = ModelStore(self.warehouse.models)
        return {name: store.champion(name) for name in store.names()}

    def pages(self) -> int:
        """Return the number of reports."""
        return len(list((self.folder / "warehouse/reports").glob("*.html")))
