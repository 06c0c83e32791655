"""One object for everything that a job works with: Spark, the pipeline file, its tables and its models."""

import warnings
from collections.abc import Callable
from dataclasses import InitVar, dataclass, field
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar, overload

from pyspark.sql import SparkSession

from textclf.config import Pipeline
from textclf.storage.warehouse import Warehouse

_Rest = ParamSpec("_Rest")
_Result = TypeVar("_Result")
_Given = TypeVar("_Given", covariant=True)
_FIRST, _FIRST_OF_INGEST = ("spark", "warehouse", "pipeline"), ("spark", "warehouse")


@dataclass(frozen=True)
class Workspace:
    """A Spark session and a pipeline file, with the tables and models that the file names.

    Args:
        spark: An open session.
        pipeline: A validated pipeline file.
        other: Tables to use instead of those that the pipeline file names; None for the latter.

    Attributes:
        warehouse: Tables.

    Example:
        >>> from textclf import Workspace, load_pipeline, open_session
        >>> workspace = Workspace(open_session("example"), load_pipeline(config))
        >>> workspace.models == f"{workspace.warehouse.root}/models"
        True
    """

    spark: SparkSession
    pipeline: Pipeline
    other: InitVar[Warehouse | None] = None
    warehouse: Warehouse = field(init=False)

    def __post_init__(self, other: Warehouse | None) -> None:
        object.__setattr__(self, "warehouse", other or Warehouse.of(self.pipeline))

    @property
    def models(self) -> str:
        """Folder or URL of the trained models, for ``ModelStore``."""
        return self.warehouse.models


class TakesWorkspace(Protocol[_Rest, _Given]):
    """A function whose first argument is a workspace; for one release also (spark, warehouse, pipeline)."""

    @overload
    def __call__(self, workspace: Workspace, *args: _Rest.args, **kwargs: _Rest.kwargs) -> _Given: ...
    @overload
    def __call__(
        self, spark: SparkSession, warehouse: Warehouse, pipeline: Pipeline, *args: _Rest.args, **kwargs: _Rest.kwargs
    ) -> _Given: ...


class TakesWorkspaceOrTables(Protocol[_Rest, _Given]):
    """A function whose first argument is a workspace; for one release also (spark, warehouse)."""

    @overload
    def __call__(self, workspace: Workspace, *args: _Rest.args, **kwargs: _Rest.kwargs) -> _Given: ...
    @overload
    def __call__(
        self, spark: SparkSession, warehouse: Warehouse, *args: _Rest.args, **kwargs: _Rest.kwargs
    ) -> _Given: ...


def takes_workspace(function: Callable[Concatenate[Workspace, _Rest], _Result]) -> TakesWorkspace[_Rest, _Result]:
    """Let a function also take ``(spark, warehouse, pipeline, ...)``, as until 0.1, with a DeprecationWarning."""
    made: TakesWorkspace[_Rest, _Result] = _either_form(function, _FIRST, _elsewhere)
    return made


def takes_workspace_or_tables(
    function: Callable[Concatenate[Workspace, _Rest], _Result],
) -> TakesWorkspaceOrTables[_Rest, _Result]:
    """Let a function also take ``(spark, warehouse, ...)``, as until 0.1, with a DeprecationWarning."""
    made: TakesWorkspaceOrTables[_Rest, _Result] = _either_form(function, _FIRST_OF_INGEST, _without_pipeline)
    return made


def _elsewhere(spark: SparkSession, warehouse: Warehouse, pipeline: Pipeline) -> Workspace:
    return Workspace(spark, pipeline, warehouse)


def _without_pipeline(spark: SparkSession, warehouse: Warehouse) -> Workspace:
    """Return a workspace whose pipeline has only defaults, as in the old form of ``ingest_corpus``."""
    return Workspace(spark, Pipeline.model_construct(sources=[]), warehouse)


def _either_form(function: Any, names: tuple[str, ...], workspace_of: Callable[..., Workspace]) -> Any:
    @wraps(function)
    def either(*args: Any, **kwargs: Any) -> Any:
        given = args[: len(names)] + tuple(kwargs[name] for name in names[len(args) :] if name in kwargs)
        if "workspace" in kwargs or isinstance(next(iter(args), None), Workspace) or len(given) < len(names):
            return function(*args, **kwargs)  # if arguments are missing, Python's own error names them
        warnings.warn(
            f"{function.__name__}({', '.join(names)}, ...) is deprecated: "
            f"pass textclf.Workspace(spark, pipeline) instead",
            DeprecationWarning,
            stacklevel=2,
        )
        rest = {name: value for name, value in kwargs.items() if name not in names}
        return function(workspace_of(*given), *args[len(names) :], **rest)

    return either
