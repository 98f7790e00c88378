"""How fast the suite is against plain PyTorch, measured on the machine at hand: `python -m benchmarks [--quick]`."""
