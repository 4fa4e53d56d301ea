"""How many loader processes a training process gets.

Pure. Follows from the process's share of the pod's CPU limit, which is invisible from inside a container but for the
variable that the operator sets (docs/environment.md).
"""

MAX_DECODERS = 16  # per training process; more were never needed to keep one GPU busy, and each holds its own batches


def loader_workers(asked: int | None, cpus: int, *, decodes: bool, cuda: bool) -> int:
    """Loader processes for one training process.

    Args:
        asked: `data.num_workers` of the configuration; wins if it is given
        cpus: CPUs of this training process
        decodes: whether reading a sample is work (images are decoded) or a copy out of a memory map
        cuda: whether a GPU computes meanwhile
    """
    if asked is not None:
        return asked
    if decodes:
        return max(1, min(cpus, MAX_DECODERS))
    # A memory map is read faster than another process could hand its batch over; a GPU must not wait even for that.
    return 1 if cuda else 0
