"""Models as the workers of a scoring pass have them."""

from textclf.artifact import Artifact
from textclf.scoring.backends import BACKENDS, choose
from textclf.scoring.golden import TOLERANCE
from textclf.scoring.resident import Models, Resident
from textclf.scoring.udf import Carried


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
