"""Print a new session's settings as JSON: ``python -m tests.spark.session_settings_process GIVEN`` (JSON as well)."""

import json
import sys

from textclf.spark import open_session


def main(given: str) -> None:
    spark = open_session("a name", json.loads(given))
    print(json.dumps(dict(spark.sparkContext.getConf().getAll())))


if __name__ == "__main__":
    main(sys.argv[1])
