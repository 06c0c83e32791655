"""Names of a warehouse's tables, which can be imported without Spark."""

PUBLISHED = ("results", "results_rejects")
"""Tables to which runs publish slices, under locks."""
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
"""All tables, in the order in which they are filled."""
