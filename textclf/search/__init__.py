"""Search: candidates, folds, trials on the executors, the table of trials, the choice of a champion."""
