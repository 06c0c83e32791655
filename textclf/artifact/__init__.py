"""Trained models as folders of data."""

from typing import TYPE_CHECKING

from textclf.common.lazy_names import lazy_names

if TYPE_CHECKING:
    from textclf.artifact.artifact import Artifact, Golden
    from textclf.artifact.keras_export import export_keras, keras_model, network_scores
    from textclf.artifact.manifest import Manifest
    from textclf.artifact.store import ModelStore

__all__ = ["Artifact", "Golden", "Manifest", "ModelStore", "export_keras", "keras_model", "network_scores"]
_HOMES = {
    "Artifact": "artifact",
    "Golden": "artifact",
    "Manifest": "manifest",
    "ModelStore": "store",
    "export_keras": "keras_export",
    "keras_model": "keras_export",
    "network_scores": "keras_export",
}
# A list of models is read without what scores them.
__getattr__ = lazy_names(__name__, _HOMES)
