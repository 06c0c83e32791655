#!/usr/bin/env bash
# Start a driver's JVM as bin/spark-submit does, but without the module jdk.incubator.vector: Java warns of an incubator
# module at every start, and only MLlib's linear algebra looks for this one, and works without. PySpark runs this in
# place of bin/spark-submit, with SPARK_HOME and the same arguments.
# It runs Spark's own bin/spark-class up to its last line, which would become the JVM; what it would become is in CMD.
class=$SPARK_HOME/bin/spark-class
# shellcheck disable=SC2016
if [[ $(tail -n 1 "$class") != 'exec "${CMD[@]}"' ]]; then
  exec "$SPARK_HOME/bin/spark-submit" "$@" # a Spark whose script is another one
fi
export PYTHONHASHSEED=0 # as bin/spark-submit does
set -- org.apache.spark.deploy.SparkSubmit "$@"
eval "$(sed '$d' "$class")"
# Spark's options are the last ones: a user's own `--add-modules`, which stands before them, is kept.
for ((at = ${#CMD[@]} - 1; at > 0; at--)); do
  if [[ ${CMD[at]} == --add-modules=jdk.incubator.vector ]]; then
    unset "CMD[at]"
    break
  fi
done
exec "${CMD[@]}"
