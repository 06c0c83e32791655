"""The chain of jobs in a schema of Spark's catalog, where tables have names instead of paths."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from jobs import build_vocabulary, ingest_corpus, maintain_tables, score_table, train_model
from textclf.text.tokenizer import tokenize


def test_the_chain_fills_and_replaces_tables_of_a_catalog(
    spark: SparkSession, tmp_path: Path, run_job: Callable[..., Any]
) -> None:
    texts = ["Good place", "bad food, bad", "no label"] * 20
    lines = [f"{text}\t{number % 3}" if number % 3 < 2 else text for number, text in enumerate(texts)]
    (tmp_path / "s.tsv").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    rows = spark.range(40).selectExpr("id", "if(id % 20 = 0, null, 'good food') AS text", "'s' AS source")
    rows.write.parquet(str(tmp_path / "input"))
    config = tmp_path / "pipeline.toml"
    config.write_text(
        f'schema = "lake"\nmodels = "{tmp_path / "models"}"\n'
        f'[[sources]]\nname = "s"\npath = "{tmp_path / "s.tsv"}"\nformat = "tsv"\ncolumns = ["text", "label"]\n'
        f'labels = ["0", "1"]\n[score]\ninput = "{tmp_path / "input"}"\nsource = "source"\n',
        encoding="utf-8",
    )
    spark.sql(f"CREATE DATABASE lake LOCATION '{tmp_path / 'lake'}'")
    try:
        for _ in range(2):  # creates the tables, then replaces their rows
            for job in (ingest_corpus, build_vocabulary):
                code, record, err = run_job(job, "--config", config)
                assert code == 0, err
        assert record["tables"] == {name: f"lake.{name}" for name in ("tokens", "vocabulary")}
        code, _, err = run_job(
            train_model, "--config", config, "--source", "s", "--architecture", "logistic_regression"
        )
        assert code == 0, err
        for _ in range(2):
            code, record, err = run_job(score_table, "--config", config, "--date", "2026-01-01")
            assert code == 0, err
            assert (record["input_rows"], record["scored_rows"], record["rejected_rows"]) == (40, 38, 2)

        def table(name: str, columns: str) -> list[tuple[object, ...]]:
            return sorted(tuple(row) for row in spark.sql(f"SELECT {columns} FROM lake.{name}").collect())

        assert table("corpus", "position, text") == [(n, text) for n, text in enumerate(texts) if n % 3 < 2]
        assert table("corpus_rejects", "position, reason") == [(n, "missing_column") for n in range(2, 60, 3)]
        assert table("tokens", "position, tokens") == [(n, tokenize(text)) for n, text in enumerate(texts) if n % 3 < 2]
        assert {word for _, word in table("vocabulary", "index, token")} == {"good", "place", "bad", "food"}
        assert table("results", "id, run_id") == [(n, record["run_id"]) for n in range(40) if n % 20]
        assert table("results_rejects", "id, reason") == [(0, "null_text"), (20, "null_text")]

        (tmp_path / "s.tsv").write_text("no label\n" * 3, encoding="utf-8")
        code, record, err = run_job(ingest_corpus, "--config", config)
        assert (code, "FROM corpus_refused" in err) == (3, True), err
        kept = table("corpus_refused", "source, run_id, position, reason")
        assert kept == [("s", record["run_id"], n, "missing_column") for n in range(3)]
        assert len(table("corpus", "position")) == 40

        code, _, err = run_job(maintain_tables, "--config", config)
        assert code == 0, err
        assert table("results", "count(*)") == [(38,)]
        assert list((tmp_path / "lake" / "_staging").glob("*")) == []
    finally:
        spark.sql("DROP DATABASE lake CASCADE")
