"""Code shared by jobs and chains of them: the runner, the steps, the maintenance of tables."""
