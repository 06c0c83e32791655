"""Models as workers of a scoring pass hold them."""

from textclf.artifact import Artifact
from textclf.inference.backends import BACKENDS, choose
from textclf.inference.golden import TOLERANCE
from textclf.scoring.udf import Carried
from textclf.scoring.worker.models import Models, Resident


def models(*artifacts: Artifact, backend: str = "auto") -> Models:
    """Return the models of the artifacts by name, each on a backend."""
    made = {}
    for number, artifact in enumerate(artifacts):
        choice = choose(artifact, backend)
        made[artifact.manifest.name] = Resident(
            number,
            artifact.reference,
            artifact.digest,
            len(artifact.manifest.labels),
            choice,
            BACKENDS[choice.name],
            Carried(artifact),
            TOLERANCE,
        )
    return Models(made)
