"""`python -m trainingjob_trainer prepare ...`: put a dataset onto a volume, once.

Running a command again goes on where it was interrupted; when it was done, it verifies by checksum what is there and
leaves it alone. Nothing here imports torch.
"""

from trainingjob_trainer.prepare.command import prepare

__all__ = ["prepare"]
