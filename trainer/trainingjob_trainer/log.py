"""What a pod's log shows: plain lines of ours, and nothing that its reader cannot act on.

Never decides what is worth saying, only how it is said, and which of Lightning's remarks are kept out.
"""

import logging
import sys
import warnings
from typing import TextIO

PREFIX = "trainingjob: "

# Remarks about the machine, not the run: the number of workers follows from the CPU limit, the launcher from the
# operator, and the rest concerns the authors of libraries.
_NOISE = (
    r".*does not have many workers.*",
    r".*`srun` command is available.*",
    r".*LeafSpec.*",
    r".*isinstance\(treespec.*",
    r".*smaller than the logging interval.*",
    r".*Checkpoint directory .* exists and is not empty.*",
    r".*dataloader is not resumable.*",
    r".*GPU available but not used.*",
    r".*No seed found.*",
    r".*using `DistributedSampler` with the dataloaders.*",
    r".*destroy_process_group\(\) was not called.*",
)


def say(text: str) -> None:
    """One line on standard output, at once."""
    _write(sys.stdout, PREFIX + text)


def warn(text: str) -> None:
    """One line on standard error, at once."""
    _write(sys.stderr, f"{PREFIX}warning: {text}")


def fail(text: str) -> None:
    """The last line of a run that failed, on standard error."""
    _write(sys.stderr, f"{PREFIX}error: {text}")


def _write(stream: TextIO, line: str) -> None:
    # With its end in one piece: the node's other processes write to the same pipe.
    print(f"{line}\n", end="", file=stream, flush=True)


def quieten() -> None:
    """Keep the libraries' tips and notices out of the log; their errors stay."""
    for name in ("pytorch_lightning", "lightning_fabric", "torch.distributed", "lightning"):
        logging.getLogger(name).setLevel(logging.ERROR)
    for message in _NOISE:
        warnings.filterwarnings("ignore", message=message)
