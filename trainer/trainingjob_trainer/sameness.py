"""Whether all ranks say the same of themselves, asked before they compute together.

Rank 0 alone reads what every rank says and tells the others its verdict: two reads per rank, whatever their number.
Never decides what counts as the same: the verdict is the caller's.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta

from trainingjob_trainer.environment import Environment
from trainingjob_trainer.errors import ConfigurationError
from trainingjob_trainer.store import Store, word_of_rank_0

SAME = "same"
FAREWELL = timedelta(seconds=30)
"""How long rank 0 stays for its peers to read why the gang ends; one that has died never reads it."""


def agree(
    store: Store, environment: Environment, topic: str, mine: str, verdict: Callable[[Sequence[str]], str]
) -> None:
    """Raise ConfigurationError with the same text on every rank unless the verdict is SAME; all have to call it.

    Args:
        topic: the prefix of the keys in the store
        mine: what this rank says
        verdict: from what the ranks say, in their order, to SAME or to a sentence for people
    """
    key = f"trainingjob/{topic}"
    others = range(1, environment.world_size)
    store.set(f"{key}/{environment.rank}", mine)

    def decide() -> str:
        return verdict([store.get(f"{key}/{rank}").decode() for rank in range(environment.world_size)])

    told = word_of_rank_0(store, environment.rank, key, decide)
    if told == SAME:
        return
    if environment.rank == 0:  # the store ends with this process: who has not read by then sees only a lost peer
        with suppress(RuntimeError, TimeoutError):
            store.wait([f"{key}/{rank}/read" for rank in others], FAREWELL)
    else:
        store.set(f"{key}/{environment.rank}/read", "")
    raise ConfigurationError(told)
