"""Names of a warehouse's tables, for those who read them without Spark, too."""

PUBLISHED = ("results", "results_rejects")
"""Tables that runs publish slices to, under locks."""
TABLES = (
    "corpus",
    "corpus_rejects",
    "corpus_refused",
    "tokens",
    "vocabulary",
    "trials",
    *PUBLISHED,
    "runs",
)
"""All tables, in the order in which rows come into them."""
