"""``init`` and the readers of ingest read files of other tools as intended, or ``init`` asks or refuses."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from tests.cli.conftest import Run
from tests.cli.other_tools import Tool, spark_tools, tools
from tests.factories.corpora import source_toml
from textclf.config import Pipeline, Source, load_pipeline
from textclf.corpus.ingest import ingest_corpus
from textclf.corpus.local.files import chunks
from textclf.corpus.local.preview import parsed_rows
from textclf.corpus.local.reader import read_chunks
from textclf.runs.workspace import Workspace
from textclf.storage.files.listing import list_local

TOOLS = tools()
Read = tuple[Counter[tuple[str | None, str | None]], int]


def read(source: Source) -> Read:
    """Return the texts and labels that ingest's readers accept from a source, and the number of rejects."""
    paths = [Path(each.path) for each in list_local(source.path).files]
    if source.format == "parquet":
        from textclf.cli.sniff.tables import _dataset

        table = _dataset(Path(source.path), "parquet").to_table(columns=[source.text, source.label]).combine_chunks()
        parsed = list(parsed_rows(source, table.column(0).combine_chunks(), table.column(1).combine_chunks()))
    else:
        parsed = [record.parsed for path in paths for record in read_chunks(source, chunks(path))]
    return Counter((each.text, each.label) for each in parsed if each.reason is None), sum(
        each.reason is not None for each in parsed
    )


def init(textclf: Run, tool: Tool, folder: Path) -> Path | None:
    """Run init and check its output; return its pipeline file, or None where it asks or refuses."""
    folder.mkdir()
    data = tool.write(folder)
    config = folder / ".pipeline.toml"
    code, out, err = textclf("init", data, "--output", config, "--warehouse", folder / ".warehouse")
    assert code == tool.code, (out, err)
    assert "Traceback" not in err
    if isinstance(tool.means, str):
        assert tool.means in err
        assert not config.exists()
        return None
    labels = Counter(label for _, label in tool.means)
    assert f"{len(tool.means) + tool.rejects} records, {len(labels)} labels (" in out
    assert f"{tool.rejects} rejected" in out
    return config


@pytest.mark.parametrize("tool", TOOLS, ids=[tool.name for tool in TOOLS])
def test_init_reads_what_a_file_means_or_asks(textclf: Run, tmp_path: Path, tool: Tool) -> None:
    config = init(textclf, tool, tmp_path / "files")
    if config is not None:
        (source,) = load_pipeline(config).sources
        assert read(source) == (Counter(tool.means), tool.rejects)


def test_at_least_forty_files() -> None:
    assert len(TOOLS) >= 40


@pytest.mark.long
@pytest.mark.timeout(900)
def test_ingest_reads_what_the_files_mean(
    spark: SparkSession, make_pipeline: Callable[[str], Pipeline], textclf: Run, tmp_path: Path
) -> None:
    """All files that init accepts, including Spark's, are sources of one run."""
    meant: dict[str, Tool] = {}
    sources = []
    for at, tool in enumerate([*spark_tools(spark), *TOOLS]):
        if (config := init(textclf, tool, tmp_path / f"files{at}")) is None:
            continue
        name = f"s{at}"
        meant[name] = tool
        sources.append(load_pipeline(config).sources[0].model_copy(update={"name": name}))
        if at < 8:
            assert read(sources[-1]) == (Counter(tool.means), tool.rejects), tool.name

    workspace = Workspace(spark, make_pipeline(source_toml("yelp")))
    counted = ingest_corpus(workspace, "run", sources)

    accepted: dict[str, list[tuple[str, str]]] = {name: [] for name in meant}
    for row in workspace.warehouse.location("corpus").read(spark).select("source", "text", "label").collect():
        accepted[row.source].append((row.text, row.label))
    for name, tool in meant.items():
        assert Counter(accepted[name]) == Counter(tool.means), tool.name
        assert counted[name].rejected == tool.rejects, tool.name
