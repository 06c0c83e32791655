"""Score texts of a million characters in a worker with little memory.

Print the known tokens by columns and by a UDF, and whether batches of 256 MiB raise a MemoryError.
"""

from typing import Any

from pyspark.errors import PythonException
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from tests.factories.artifacts import sample
from textclf.inference.backends import choose
from textclf.scoring.dataframe import add_scores
from textclf.scoring.udf import score_udf
from textclf.spark import open_session

SETTINGS = {
    "spark.master": "local[1]",
    "spark.driver.memory": "2g",
    "spark.executor.pyspark.memory": "1200m",
}


def known(scored: DataFrame) -> Any:
    """Return the number of known tokens of all rows."""
    return scored.agg(F.sum("known_tokens")).collect()[0][0]


def main() -> None:
    spark = open_session("long", SETTINGS)
    model = sample(kind="cnn")
    texts = spark.range(0, 400, 1, 1).select(F.expr("repeat('good food ', 100000)").alias("text"))

    print(known(add_scores(texts, {"yelp": model}, {"yelp": choose(model, "auto")})))
    spark.conf.set("spark.sql.execution.arrow.maxBytesPerBatch", str(256 << 20))  # as in sessions that we did not open
    print(known(texts.select(score_udf(model)("text").alias("s")).select("s.*")))
    try:
        known(add_scores(texts, {"yelp": model}, {"yelp": choose(model, "auto")}))
    except PythonException as error:
        print("MemoryError" in str(error))


if __name__ == "__main__":
    main()
