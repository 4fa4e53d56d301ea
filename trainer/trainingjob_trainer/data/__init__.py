"""Datasets as the trainer reads them: packed arrays on a mounted claim."""
