"""Sections of the pipeline file for operations: nightly run, logs, metrics, lineage."""

from typing import Annotated, Literal

from pydantic import Field

from textclf.config.base import Count, Index, Section

Url = Annotated[str, Field(pattern=r"^https?://[^\s/]+")]


class Nightly(Section):
    """When the nightly run builds new models, how far it looks back, and how it retries transient failures.

    A model is rebuilt when it is ``every_days`` old, when its published labels or scores have moved by more than
    ``max_psi`` (population stability index) since it came into use, or when its corpus has grown by the share
    ``min_growth``. 0 days, or an infinite distance or share (``inf``), mean never. A model is not rebuilt from the
    corpus and settings that it was already built from. ``build`` says how: ``auto`` searches if the file has a section
    ``[search]`` and trains otherwise. Days up to ``late_days`` before the night's are scored again if their input has
    changed. Transient failures are retried ``retries`` times, after ``pause`` seconds that double each time.
    ``status`` is the path of the status file.
    """

    every_days: Annotated[int, Field(ge=0, lt=1 << 31)] = 7
    max_psi: Index = 0.1  # a slight shift: Siddiqi, "Credit Risk Scorecards", 2006
    min_growth: Index = 0.1
    build: Literal["auto", "search", "train"] = "auto"
    late_days: Annotated[int, Field(ge=0, le=366)] = 7
    parallel: Count = 2
    retries: Annotated[int, Field(ge=0, le=10)] = 3
    pause: Annotated[float, Field(ge=0, le=3600)] = 30.0
    status: Annotated[str, Field(min_length=1)] | None = None


class Logs(Section):
    """Format of the log: ``json`` writes one JSON object per line."""

    format: Literal["text", "json"] = "text"


class Metrics(Section):
    """Where the metrics of a run are written when it ends.

    ``file`` is a file for node_exporter's textfile collector, with ``{job}`` as a placeholder for the job's name.
    ``pushgateway`` is the URL of a Pushgateway; a run waits for it ``timeout`` seconds at most.
    """

    file: Annotated[str, Field(min_length=1)] | None = None
    pushgateway: Url | None = None
    timeout: Annotated[float, Field(gt=0, le=300)] = 10.0


class Lineage(Section):
    """The OpenLineage collector that Spark's listener sends events to."""

    url: Url
    namespace: Annotated[str, Field(min_length=1)] = "textclf"
