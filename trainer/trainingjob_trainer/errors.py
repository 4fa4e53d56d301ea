"""The few failures that the trainer itself names; each has its own exit code (exit_codes.py).

Decides nothing. An error that a user can mend says in its text which field is wrong and what to do about it.
"""

from pathlib import Path

REMEDY = " Correct it in spec.run.trainer.config of the TrainingJob (or in the file given with --config)."


class ConfigurationError(Exception):
    """The run was set up wrongly: trying again cannot help, so the operator must not restart it."""


class PortInUseError(Exception):
    """Rank 0 cannot listen where the others will look for it."""

    def __init__(self, port: int) -> None:
        super().__init__(
            f"port {port} (spec.masterPort) is already in use on rank 0's node: end the other program, or give the job "
            "another masterPort; pods with hostNetwork share the ports of their node"
        )


class PreemptedError(Exception):
    """SIGTERM came, and all ranks agreed to stop after the same step. ``saved`` is the checkpoint, None without one."""

    def __init__(self, step: int, saved: Path | None) -> None:
        where = f"saved {saved}" if saved else "nothing was saved, for the job has no output"
        super().__init__(f"stopped by SIGTERM after step {step}; {where}")
        self.step = step
        self.saved = saved


class SupersededError(Exception):
    """A newer attempt of the job owns the checkpoints, so this process may not write them any more."""


class StorageError(Exception):
    """A checkpoint could not be written; the text says why, what to do, and which one is still whole."""
