"""What jobs and nights share: the runner, the steps, the maintenance of tables."""
