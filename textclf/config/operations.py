"""Sections of the pipeline file for those who operate it: the nightly run, logs, metrics, lineage."""

from typing import Annotated, Literal

from pydantic import Field

from textclf.config.base import Count, Index, Section

Url = Annotated[str, Field(pattern=r"^https?://[^\s/]+")]


class Nightly(Section):
    """When the nightly run builds models anew, how far it looks back, and what it does about failures that pass.

    A model is built anew where it is ``every_days`` old, where its published labels or scores have moved by more than
    ``max_psi`` (population stability index) since it came into use, or where its corpus has grown by the share
    ``min_growth``; 0 days and an infinite distance or share (``inf``) stand for never. Nothing is built from a corpus
    and settings that were built from before. ``build`` is what builds: ``auto`` searches where the file has a section
    ``[search]`` and trains elsewhere. Days up to ``late_days`` before the night's are scored again where the input has
    changed since. What can pass is tried ``retries`` times more, after ``pause`` seconds and twice as long each time.
    ``status`` is the status file.
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
    """``json`` says everything as one JSON object a line."""

    format: Literal["text", "json"] = "text"


class Metrics(Section):
    """Where the figures of a run go when it ends.

    ``file`` is a file for node_exporter's textfile collector, with ``{job}`` in the place of the job's name;
    ``pushgateway`` the URL of a Pushgateway, which is waited for ``timeout`` seconds at most.
    """

    file: Annotated[str, Field(min_length=1)] | None = None
    pushgateway: Url | None = None
    timeout: Annotated[float, Field(gt=0, le=300)] = 10.0


class Lineage(Section):
    """The OpenLineage collector that Spark's own listener sends events to."""

    url: Url
    namespace: Annotated[str, Field(min_length=1)] = "textclf"
