"""The models that come with the trainer."""
