"""Models as the workers of a scoring pass have them."""

from textclf.artifact import Artifact
from textclf.inference.backends import BACKENDS, choose
from textclf.inference.golden import TOLERANCE
from textclf.scoring.udf import Carried
from textclf.scoring.worker.models import Models, Resident


def models(*artifacts: Artifact, backend: str = "auto") -> Models:
    """The artifacts by their names, each on that backend."""
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
