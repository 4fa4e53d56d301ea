"""What the warm process imports before it forks: everything, so that a run starts in a moment."""

import multiprocessing.process
import os

import trainingjob_trainer.__main__
import trainingjob_trainer.cli
import trainingjob_trainer.gang
import trainingjob_trainer.local_ranks

__all__ = ["multiprocessing", "os", "trainingjob_trainer"]
