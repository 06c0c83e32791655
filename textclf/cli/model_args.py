"""Arguments that name the models of a command."""

import argparse
import os
from typing import TYPE_CHECKING

from textclf.common.spark_settings import PROPERTIES
from textclf.errors import InputError, UsageError

if TYPE_CHECKING:
    from textclf.artifact import Artifact, ModelStore
    from textclf.config import Pipeline


def add_place(made: argparse.ArgumentParser) -> None:
    """Add ``--config`` and ``--models``; exactly one of them is required."""
    place = made.add_mutually_exclusive_group(required=True)
    place.add_argument("--config", metavar="FILE", help="the pipeline file, which names the folder of models")
    place.add_argument("--models", metavar="FOLDER", help="folder or URL of trained models")
    add_settings(made)


def add_settings(made: argparse.ArgumentParser) -> None:
    """Add ``--properties-file``, which ``use_settings`` takes up."""
    about = "settings of Spark, by which URLs are opened; default: spark-defaults.conf"
    made.add_argument("--properties-file", metavar="FILE", help=about)


def use_settings(args: argparse.Namespace) -> None:
    """Let everything that opens a URL in this process use the file of ``--properties-file``, if it was given."""
    if getattr(args, "properties_file", None) is not None:
        os.environ[PROPERTIES] = args.properties_file


def open_store(args: argparse.Namespace) -> tuple["ModelStore", "Pipeline | None"]:
    """Open the models that the command line names, and load the pipeline file if it names one.

    Raises:
        ConfigError: The pipeline file cannot be used.
        InputError: The folder does not exist or holds no models.
    """
    from textclf.artifact import ModelStore
    from textclf.common.file_systems import on_default_storage

    pipeline = None
    if args.config is not None:
        from textclf.config import load_pipeline

        pipeline = load_pipeline(args.config)
    store = ModelStore(args.models if pipeline is None else on_default_storage(pipeline.models_folder))
    if not store.names():
        raise InputError(
            "There are no models.",
            received=store.root,
            expected="a folder of trained models, with one subfolder per name",
            fix="train a model with the job train_model or search_models, or check the path",
        )
    return store, pipeline


def choose_model(store: "ModelStore", pipeline: "Pipeline | None", given: str | None) -> tuple[str, str | None]:
    """Return name and version of the requested model; by default that of the pipeline file, or the only one there is.

    Raises:
        UsageError: There are several models and none is requested.
    """
    from textclf.artifact.store import parse_reference

    reference = given or (pipeline.score.model if pipeline is not None else None)
    if reference is not None:
        return parse_reference(reference)
    names = store.names()
    if len(names) > 1:
        raise UsageError("There are several models.", received="no --model", expected=f"one of: {', '.join(names)}")
    return names[0], None


def load_chosen(args: argparse.Namespace) -> "Artifact":
    """Load the model that ``--model`` names, from the store or an MLflow registry; see ``choose_model``.

    Raises:
        UsageError: There are several models and none is requested.
        InputError: There is no such model, or it is damaged.
    """
    from textclf.artifact.mlflow_registry import is_registered, load_registered, registry_address
    from textclf.config import load_pipeline

    pipeline = None if args.config is None else load_pipeline(args.config)
    reference = args.model or (pipeline.score.model if pipeline is not None else None)
    if reference is not None and is_registered(reference):
        models = args.models if pipeline is None else pipeline.models_folder
        address = None if pipeline is None else pipeline.tracking_uri
        return load_registered(reference, registry_address(address, models)).artifact
    store, pipeline = open_store(args)
    return store.load(*choose_model(store, pipeline, args.model))
