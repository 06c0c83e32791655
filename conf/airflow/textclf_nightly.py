"""The night as an Airflow DAG: one task per step, one run per day, backfilled by data interval.

For Airflow 3 with the providers apache-spark and common-compat; docs/manual/schedulers.md says how to set it up.
Airflow needs none of textclf's packages: each task starts ``spark-submit``, which here is the project's wrapper.
"""

import os
import re
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException, AirflowSkipException
from airflow.sdk import DAG, CronDataIntervalTimetable, Param

HOME = Path(os.environ.get("TEXTCLF_HOME") or Path(__file__).resolve().parents[2])
CONFIG = os.environ.get("TEXTCLF_CONFIG") or str(HOME / "conf" / "nightly.toml")
START = os.environ.get("TEXTCLF_START") or "2026-01-01"
DAY = "{{ data_interval_start | ds }}"

# Exit codes that a retry cannot change; 1 (any other error) and 5 (another run holds the lock) may pass.
FINAL = {2: "wrong command line or pipeline file", 3: "unusable input", 4: "the gate refused to publish"}
SEARCH_WEEKDAY = 0  # Monday


class TextclfOperator(SparkSubmitOperator):
    """One of textclf's jobs.

    Args:
        job: Name of the job.
        flags: Its flags beside ``--config``; templated.
    """

    def __init__(self, *, job: str, flags: list[str] | None = None, **kwargs: Any) -> None:
        arguments = ["--config", CONFIG, *(flags or [])]
        super().__init__(application=job, application_args=arguments, name=f"textclf {job}", **kwargs)

    def execute(self, context: Any) -> None:
        """Run the job; an error that no retry can mend fails the task at once."""
        # The operator looks spark-submit up on the path of this process, whatever the master.
        os.environ["PATH"] = os.pathsep.join([str(HOME / "conf" / "airflow" / "bin"), os.environ["PATH"]])
        try:
            super().execute(context)
        except AirflowException as error:
            found = re.search(r"Error code is: (\d+)", str(error))
            code = int(found[1]) if found else 1
            if code in FINAL:
                raise AirflowFailException(f"{self.application}: {FINAL[code]} (exit code {code})\n{error}") from error
            raise


class SearchOperator(TextclfOperator):
    """The search, on one day of the week; on other days the present champions score."""

    def execute(self, context: Any) -> None:
        """Run the search, or skip the task."""
        when, day = context["params"]["search"], context["data_interval_start"]
        if when == "never" or (when == "weekly" and day.weekday() != SEARCH_WEEKDAY):
            raise AirflowSkipException(f"search = {when}, and {day:%Y-%m-%d} is a {day:%A}")
        super().execute(context)


with DAG(
    dag_id="textclf_nightly",
    description="Ingest what is new, search once a week, score the day, publish, report",
    # The data interval is a day: the run at 03:00 scores the day on which its interval began.
    schedule=CronDataIntervalTimetable("0 3 * * *", timezone="UTC"),
    start_date=datetime.fromisoformat(START).replace(tzinfo=timezone.utc),  # noqa: UP017 - for every Python of Airflow
    catchup=False,  # past days are run on purpose: airflow backfill create ... --max-active-runs 1
    # The gate compares each day with those before it. A backfill has its own limit, to which this one does not apply.
    max_active_runs=1,
    params={"search": Param("weekly", type="string", enum=["weekly", "always", "never"])},
    default_args={
        "conn_id": "spark_default",  # master and deploy mode
        "retries": 2,
        "retry_delay": timedelta(minutes=10),
        "retry_exponential_backoff": True,
        "execution_timeout": timedelta(hours=6),
    },
    tags=["textclf"],
) as dag:
    ingest_corpus = TextclfOperator(task_id="ingest_corpus", job="ingest_corpus")
    build_vocabulary = TextclfOperator(task_id="build_vocabulary", job="build_vocabulary")
    search_models = SearchOperator(task_id="search_models", job="search_models")
    score_table = TextclfOperator(
        task_id="score_table",
        job="score_table",
        flags=["--date", DAY],
        trigger_rule="none_failed",  # a skipped search is no failure
    )
    # The report is for the night's own day: another night, or a run by hand, may have scored since.
    report = TextclfOperator(task_id="report", job="report", flags=["--date", DAY])

    # As a teardown, the report is also made for a refused night, and does not hide that it was refused.
    ingest_corpus >> build_vocabulary >> search_models >> score_table >> report.as_teardown()
