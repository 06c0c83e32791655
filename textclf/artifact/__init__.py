"""Trained models as folders of data."""

from textclf.artifact.artifact import Artifact, Golden
from textclf.artifact.keras_export import export_keras, keras_model, network_scores
from textclf.artifact.manifest import Manifest
from textclf.artifact.store import ModelStore

__all__ = ["Artifact", "Golden", "Manifest", "ModelStore", "export_keras", "keras_model", "network_scores"]
