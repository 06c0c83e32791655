"""Score texts under Spark Connect; print the session's module and the rows of a column and of SQL as JSON."""

import json

from pyspark.sql import SparkSession

from tests.factories.artifacts import sample
from textclf.scoring.udf import score_udf


def main() -> None:
    spark = SparkSession.builder.remote("local[1]").config("spark.driver.memory", "1g").getOrCreate()
    texts = spark.createDataFrame([(1, "the food was good"), (2, None), (3, "bad")], "id int, text string")
    model = sample(kind="cnn", labels=("a", "b", "c"))
    rows = texts.select("id", score_udf(model)("text").alias("s")).orderBy("id").collect()
    spark.udf.register("score", score_udf(model))
    texts.createOrReplaceTempView("texts")
    query = "SELECT id, s FROM (SELECT id, score(text) AS s FROM texts) WHERE s.score > 0 ORDER BY id"
    found = {"type": type(spark).__module__, "rows": [row["s"] and row["s"].asDict() for row in rows]}
    found["sql"] = [row["s"].asDict() for row in spark.sql(query).collect()]
    spark.stop()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
