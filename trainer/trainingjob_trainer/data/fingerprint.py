"""Whether all ranks have the same dataset before them.

A pod whose claim is another one, or whose copy is older, would train in silence on other samples than its peers.
So every rank takes a fingerprint of what it sees, and they are compared before the first step. Never reads a whole
dataset: names, sizes and a few blocks of each file; `prepare verify` reads every byte.
"""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from trainingjob_trainer.environment import Environment
from trainingjob_trainer.sameness import SAME, agree
from trainingjob_trainer.store import Store

BLOCK = 4096
BLOCKS = 16  # per file, evenly spread, the first and the last among them


def fingerprint(files: Iterable[Path], *texts: str) -> str:
    """16 hexadecimal digits for the texts, and for the sizes and sampled blocks of the files, in their order."""
    digest = hashlib.sha256("\0".join(texts).encode())
    for file in files:
        with file.open("rb") as stream:
            size = stream.seek(0, 2)
            digest.update(f"\0{size}\0".encode())
            for offset in block_offsets(size):
                stream.seek(offset)
                digest.update(stream.read(BLOCK))
    return digest.hexdigest()[:16]


def block_offsets(size: int) -> Sequence[int]:
    """Where the sampled blocks of a file begin."""
    last = max(0, size - BLOCK)
    return sorted({last * i // (BLOCKS - 1) for i in range(BLOCKS)})


def compare(store: Store | None, environment: Environment, mine: str) -> None:
    """Raise ConfigurationError on every rank if the ranks' fingerprints differ; all of them have to call it."""
    if store is not None:
        agree(store, environment, "dataset", f"{environment.node_rank} {mine}", verdict)


def verdict(entries: Sequence[str]) -> str:
    """ "same", or a table of all ranks; ``entries`` are "NODE FINGERPRINT" by rank."""
    rows = [(rank, *entry.split()) for rank, entry in enumerate(entries)]
    if len({mark for _, _, mark in rows}) == 1:
        return SAME
    table = "\n".join(f"{rank:>5} {node:>5}  {mark}" for rank, node, mark in rows)
    return (
        "the ranks see different datasets: mount the same claim on every node, or copy the dataset anew and check it "
        f"with `python -m trainingjob_trainer prepare verify DIR`\n rank  node  fingerprint\n{table}"
    )
