"""torchmetrics whose state is the same on one process and on many."""
