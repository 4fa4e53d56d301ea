"""`trainingjob-operator`: the process that runs in the cluster."""

import asyncio
import logging
import sys
from pathlib import Path

import click
import kopf
from kubernetes.config import ConfigException

from trainingjob_operator import handlers
from trainingjob_operator.api import names
from trainingjob_operator.api.resources import NODES, PODS
from trainingjob_operator.cluster.connect import connect, load
from trainingjob_operator.cluster.progress_reader import ProgressReader, http_fetch
from trainingjob_operator.cluster.reflector import Reflector
from trainingjob_operator.controller import Controller, utc_now
from trainingjob_operator.settings import Settings, found_cluster_domain, found_operator_namespace

logger = logging.getLogger("trainingjob_operator")

POD_LABELS = f"{names.LABEL_MANAGED_BY}={names.MANAGED_BY}"


@click.command(context_settings={"auto_envvar_prefix": "TRAININGJOB", "help_option_names": ["-h", "--help"]})
@click.option(
    "--kubeconfig",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Default: the pod's service account, else $KUBECONFIG or ~/.kube/config.",
)
@click.option(
    "--namespace", "namespaces", multiple=True, metavar="NAME", help="Serve this namespace; repeatable. Default: all."
)
@click.option(
    "--cluster-domain", metavar="DOMAIN", help="The cluster's DNS domain. Default: found in /etc/resolv.conf."
)
@click.option("--liveness-port", type=click.IntRange(1, 65535), help="Serve GET /healthz there.")
@click.option("--workers", type=click.IntRange(1, 256), default=16, show_default=True, help="Jobs looked at at once.")
@click.option("--verbose", is_flag=True, help="Log more.")
def main(
    kubeconfig: Path | None,
    namespaces: tuple[str, ...],
    cluster_domain: str | None,
    liveness_port: int | None,
    workers: int,
    verbose: bool,
) -> None:
    """Run the TrainingJob operator until SIGTERM or Ctrl-C."""
    settings = Settings(
        kubeconfig=kubeconfig,
        namespaces=namespaces,
        cluster_domain=cluster_domain or found_cluster_domain(),
        operator_namespace=found_operator_namespace(),
        liveness_port=liveness_port,
        workers=workers,
        verbose=verbose,
    )
    _log(verbose=verbose)
    try:
        asyncio.run(run(settings))
    except ConfigException as error:
        raise click.ClickException(f"no cluster to talk to: {error}; give --kubeconfig or set KUBECONFIG") from error


async def run(settings: Settings) -> None:
    """Serve until a signal comes, which kopf waits for.

    All our long tasks start before kopf does: at its end it waits five seconds for every task that it finds started
    later, and then cancels it.
    """
    configuration = load(settings.kubeconfig)
    async with connect(configuration) as api, http_fetch() as fetch:
        controller = Controller(
            api, cluster_domain=settings.cluster_domain, operator_namespace=settings.operator_namespace
        )
        reader = ProgressReader(controller.jobs, controller.pods, controller.readings, fetch, utc_now)
        reflectors = [
            Reflector(api, PODS, controller.pods, namespace=namespace, labels=POD_LABELS)
            for namespace in settings.namespaces or (None,)
        ]
        # Nodes belong to no namespace: an operator of some namespaces has no right to see them.
        watched = [*reflectors] if settings.namespaces else [*reflectors, Reflector(api, NODES, controller.nodes)]
        tasks = [asyncio.create_task(reflector.run()) for reflector in watched]
        tasks += [asyncio.create_task(_work_when_synced(controller, reflectors)) for _ in range(settings.workers)]
        tasks.append(asyncio.create_task(reader.run()))
        registry = handlers.registry(controller.jobs, configuration)
        tasks += [asyncio.create_task(_serve(registry, settings))]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await _end(tasks)


async def _work_when_synced(controller: Controller, reflectors: list[Reflector]) -> None:
    """Look at jobs only once the pods are known: otherwise every job would ask the API server for its own."""
    for reflector in reflectors:
        await reflector.synced.wait()
    await controller.work()


async def _serve(registry: kopf.OperatorRegistry, settings: Settings) -> None:
    await kopf.operator(
        registry=registry,
        settings=handlers.settings(),
        clusterwide=not settings.namespaces,
        namespaces=settings.namespaces,
        standalone=True,
        liveness_endpoint=f"http://0.0.0.0:{settings.liveness_port}/healthz" if settings.liveness_port else None,
    )


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    """End all tasks; what ended one of them on its own is raised, so that the process does not die in silence."""
    ended = [task for task in tasks if task.done()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for task in ended:
        if not task.cancelled() and (error := task.exception()):
            raise error


def _log(*, verbose: bool) -> None:
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.DEBUG if verbose else logging.INFO,
        format="%(asctime)s %(levelname)-7s %(message)s",
        datefmt="%H:%M:%S",
    )
    for noisy in ("kopf", "asyncio", "aiohttp", "urllib3", "kubernetes"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


if __name__ == "__main__":
    main()
