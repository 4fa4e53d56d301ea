"""Plays a scenario to its end in virtual time: the scene as it is then, and what the operator logged as an error."""

import asyncio
import logging
import random

from simulation.process import Process
from simulation.run import Surprises
from simulation.scenarios import Scenario
from simulation.scene import Deaths, Scene
from support.virtual_time import run_virtually

SETTLE, IDLE = 600.0, 300.0
"""Virtual seconds: for the longest retry, and for seeing that a settled job costs nothing."""


def played(scenario: Scenario, deaths: Deaths | None = None, process: type[Process] = Process) -> Scene:
    """Play a scenario; an error that the operator logs, or a write after it has settled, is a violation."""
    random.seed(1)  # the jitter of retries
    logger = logging.getLogger("trainingjob_operator")
    surprises = Surprises()
    kept = logger.propagate, logger.level
    logger.addHandler(surprises)
    logger.propagate = False
    logger.setLevel(logging.ERROR)
    try:
        scene = run_virtually(_life(scenario, deaths, process, surprises))
    finally:
        logger.removeHandler(surprises)
        logger.propagate, level = kept
        logger.setLevel(level)
    for surprise in surprises.seen:
        scene.oracle.broken("X", surprise)
    return scene


async def _life(scenario: Scenario, deaths: Deaths | None, process: type[Process], surprises: Surprises) -> Scene:
    asyncio.get_running_loop().set_exception_handler(lambda _, context: surprises.seen.append(str(context)))
    deaths = deaths or Deaths(dict(scenario.deaths))
    scene = Scene(scenario.spec, deaths=deaths, with_nodes=scenario.with_nodes, process=process)
    scene.operator.start()
    await scenario.story(scene)
    await asyncio.sleep(SETTLE)
    before = scene.writes
    await asyncio.sleep(IDLE)
    if scene.writes != before:
        scene.oracle.broken("L3", f"{scene.writes - before} writes of a settled job")
    scene.operator.stop()
    await asyncio.sleep(0)
    return scene
