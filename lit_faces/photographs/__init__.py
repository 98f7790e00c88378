"""Photographs: how they are read, where the faces in them are, and how a model's picture is cut out and put back."""
