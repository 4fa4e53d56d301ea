"""`trainingjob-operator`: the process that runs in the cluster."""

import gc
import logging
import sys
from pathlib import Path

import click
import uvloop
from kubernetes.config import ConfigException

from trainingjob_operator.lifetime import run
from trainingjob_operator.probes import PortError
from trainingjob_operator.settings import LeaseSettings, Settings, found_cluster_domain, found_operator_namespace


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
@click.option("--liveness-port", type=click.IntRange(1, 65535), help="Serve GET /healthz and /readyz there.")
@click.option("--metrics-port", type=click.IntRange(1, 65535), help="Serve GET /metrics there, for Prometheus.")
@click.option("--leader-elect", is_flag=True, help="Run beside other operators: the one that holds the Lease works.")
@click.option("--lease-name", default="trainingjob-operator", show_default=True, metavar="NAME", help="The Lease.")
@click.option("--lease-namespace", metavar="NAME", help="Where the Lease is kept. Default: the pod's own namespace.")
@click.option(
    "--lease-seconds",
    type=click.IntRange(2, 3600),
    default=15,
    show_default=True,
    help="How long others wait for a leader that does not renew its Lease.",
)
@click.option("--workers", type=click.IntRange(1, 1024), default=64, show_default=True, help="Jobs looked at at once.")
@click.option("--verbose", is_flag=True, help="Log more.")
def main(
    kubeconfig: Path | None,
    namespaces: tuple[str, ...],
    cluster_domain: str | None,
    liveness_port: int | None,
    metrics_port: int | None,
    leader_elect: bool,
    lease_name: str,
    lease_namespace: str | None,
    lease_seconds: int,
    workers: int,
    verbose: bool,
) -> None:
    """Run the TrainingJob operator until SIGTERM or Ctrl-C."""
    own_namespace = found_operator_namespace()
    settings = Settings(
        kubeconfig=kubeconfig,
        namespaces=namespaces,
        cluster_domain=cluster_domain or found_cluster_domain(),
        operator_namespace=own_namespace,
        liveness_port=liveness_port,
        metrics_port=metrics_port,
        lease=_lease(lease_namespace or own_namespace, lease_name, lease_seconds) if leader_elect else None,
        workers=workers,
        verbose=verbose,
    )
    _log(verbose=verbose)
    _collect_garbage_rarely()
    try:
        uvloop.run(run(settings))
    except ConfigException as error:
        raise click.ClickException(f"no cluster to talk to: {error}; give --kubeconfig or set KUBECONFIG") from error
    except PortError as error:
        raise click.ClickException(str(error)) from error


def _lease(namespace: str | None, name: str, seconds: int) -> LeaseSettings:
    if namespace is None:
        raise click.UsageError("--leader-elect outside of a cluster needs --lease-namespace: where the Lease is kept")
    return LeaseSettings(namespace, name, seconds)


def _collect_garbage_rarely() -> None:
    """Python looks for cycles after every 700 new containers; a page of pods has a hundred thousand, none in a cycle.

    Reading 8,000 pods took 2.0 s like that, 0.9 s so, 0.7 s without a collector.
    """
    gc.freeze()  # what was imported stays
    gc.set_threshold(50_000, 20, 20)


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
