"""One thing at a time, beside training: the thread that writes checkpoints.

Decides only the order: a second write waits for the first (back-pressure), what is to be done after a write is done
after it, and what went wrong is raised in the training thread at the next occasion.
"""

import threading
from collections import deque
from collections.abc import Callable

Task = Callable[[], None]


class BackgroundWriter:
    """At most one write in flight."""

    def __init__(self) -> None:
        self._tasks: deque[Task] = deque()
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None

    def submit(self, task: Task) -> None:
        """Start a task. The one before must have been waited for."""
        self._tasks.append(task)
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="checkpoint-writer")
            self._thread.start()

    def after(self, task: Task) -> None:
        """Do something small once the write in flight has succeeded; at once if there is none."""
        if self.busy:
            self._tasks.append(task)
        else:
            self.wait()
            task()

    @property
    def busy(self) -> bool:
        """Whether a write is in flight."""
        return self._thread is not None and self._thread.is_alive()

    def wait(self) -> None:
        """Until nothing is in flight. Raises what the last write raised, once."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        error, self._error = self._error, None
        leftover, self._tasks = self._tasks, deque()
        if error is not None:
            raise error
        for task in leftover:  # appended when the thread had looked for the last time
            task()

    def check(self) -> None:
        """Raise what a finished write raised; never waits."""
        if self._error is not None:
            self.wait()

    def _work(self) -> None:
        try:
            while self._tasks:
                self._tasks.popleft()()
        except BaseException as error:  # noqa: BLE001 - raised again in the training thread
            self._tasks.clear()
            self._error = error
