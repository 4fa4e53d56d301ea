"""What rank 0 of each job told last. A change wakes the job only if a decision could depend on it.

Filled by progress_reader.py; without one it stays empty, and no job has progress or stalls.
"""

from trainingjob_operator.cluster.cache import Key, Wake
from trainingjob_operator.core.readings import Reading


class ReadingCache:
    """The newest reading of each job."""

    def __init__(self, wake: Wake) -> None:
        self._readings: dict[Key, Reading] = {}
        self._wake = wake

    def get(self, key: Key) -> Reading | None:
        return self._readings.get(key)

    def put(self, key: Key, reading: Reading) -> None:
        """Take a reading. One without news wakes nobody: whoever waits for a stall looks again by himself."""
        before = self._readings.get(key)
        self._readings[key] = reading
        if before is None or before.measured != reading.measured:
            self._wake(key)

    def drop(self, key: Key) -> None:
        """The job is gone, or has no gang any more."""
        self._readings.pop(key, None)
