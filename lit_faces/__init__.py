"""Faces from attributes: five papers as PyTorch Lightning methods."""

__version__ = "0.1.0"
