"""Trained models as folders of data."""

from textclf.artifact.artifact import Artifact, Golden, Manifest
from textclf.artifact.store import ModelStore

__all__ = ["Artifact", "Golden", "Manifest", "ModelStore"]
