"""Search: candidates, folds, trials on the executors, the ledger, the choice of a champion."""
