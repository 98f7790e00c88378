"""LightningDataModules that hold faces in memory."""
