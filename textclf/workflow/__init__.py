"""Code shared by jobs and nights: the runner, the steps, the maintenance of tables."""
