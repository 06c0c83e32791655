"""The way from ./spark-submit.sh to the job: command line, bundle, environment."""
