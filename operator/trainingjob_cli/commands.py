"""The commands of `trainingjob` (also `kubectl trainingjob`). Each subcommand's work is in a module of its own."""

import asyncio
import errno
import logging
import os
import signal
import sys
from pathlib import Path

import click
import yaml

from trainingjob_cli.documents import DocumentError, Documents, load

FILE = click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
NAMESPACE = click.option("-n", "--namespace", default="default", show_default=True, help="For objects that name none.")


class ClaimOption(click.ParamType[tuple[str, Path]]):
    """NAME=DIR: the folder that plays a PersistentVolumeClaim."""

    name = "NAME=DIR"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, Path]:
        name, equals, folder = str(value).partition("=")
        if not (name and equals and folder):
            self.fail(f"{value!r} is not NAME=DIR, e.g. datasets=./data", param, ctx)
        if not Path(folder).is_dir():
            self.fail(f"{folder!r} is not a folder: create it, or mend the path", param, ctx)
        return name, Path(folder).resolve()


CLAIM = click.option(
    "--claim", "claims", multiple=True, type=ClaimOption(), help="Use this folder as a claim; repeatable."
)
GPUS = click.option(
    "--gpus", type=click.IntRange(min=0), help="GPUs that pods may use. Default: those of this machine."
)
HOME = click.option(
    "--home",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".trainingjob"),
    show_default=True,
    help="Where claims without a folder of their own are kept.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="trainingjob")
def main() -> None:
    """Multi-node PyTorch training from one YAML file: on this machine, or on a Kubernetes cluster.

    The same file runs in both places: try it with `trainingjob run`, then `kubectl apply` it to a cluster that has the
    operator.
    """


@main.command()
@FILE
@CLAIM
@GPUS
@HOME
@NAMESPACE
@click.option("--watch/--no-watch", default=True, show_default=True, help="Show each new state.")
@click.option("--logs/--no-logs", default=True, show_default=True, help="Show rank 0's log.")
def run(
    file: Path,
    claims: tuple[tuple[str, Path], ...],
    gpus: int | None,
    home: Path,
    namespace: str,
    watch: bool,
    logs: bool,
) -> None:
    """Run the jobs of FILE on this machine, in a sandbox of their own.

    Exit code: 0 if every job succeeded, 1 if one failed, 2 if FILE cannot be used.
    """
    documents = _load(file, namespace)
    _check_claims(documents, claims)
    from trainingjob_cli import run as runner  # needs the sandbox extra, which `render` and `crd` do not
    from trainingjob_sandbox.sandbox import Options

    _quiet_logging()
    options = Options(home=home.resolve(), claims=dict(claims), gpus=gpus)
    # From here on an interrupt has something to tidy up (main.py). asyncio listens to it only in place of Python's own.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        succeeded = asyncio.run(runner.interruptible(documents, options, click.echo, watch=watch, logs=logs))
    except runner.RunError as error:
        raise click.ClickException(str(error)) from error
    except (KeyboardInterrupt, asyncio.CancelledError):
        click.echo("stopped; nothing is left running", err=True)
        sys.exit(130)
    sys.exit(0 if succeeded else 1)


@main.command()
@CLAIM
@GPUS
@HOME
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port of the API server. Default: a free one.")
def sandbox(claims: tuple[tuple[str, Path], ...], gpus: int | None, home: Path, port: int) -> None:
    """Run a one-machine cluster until Ctrl-C, for kubectl and for trying things out.

    Pods are processes of this machine; images are names only. Prints the KUBECONFIG to use.
    """
    from trainingjob_cli import serve
    from trainingjob_sandbox.sandbox import Options

    _quiet_logging()
    options = Options(home=home.resolve(), claims=dict(claims), gpus=gpus, port=port)
    try:
        asyncio.run(serve.until_interrupted(options, click.echo))
    except OSError as error:
        if error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        why = os.strerror(error.errno).lower()
        raise click.ClickException(f"port {port}: {why}; give another --port, or none for a free one") from error


@main.command()
@click.option(
    "--kubeconfig",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The cluster to join. Default: $KUBECONFIG, else ~/.kube/config.",
)
@click.option("--name", default="sandbox", show_default=True, help="Name of the node.")
@CLAIM
@GPUS
@HOME
def node(
    kubeconfig: Path | None, name: str, claims: tuple[tuple[str, Path], ...], gpus: int | None, home: Path
) -> None:
    """Join this machine to a cluster as a node whose pods are processes, until Ctrl-C. For tests.

    The cluster's pods run here with this Python environment, as you: join no cluster whose users you do not trust.
    """
    from trainingjob_cli import serve
    from trainingjob_sandbox.sandbox import Options

    _quiet_logging()
    options = Options(home=home.resolve(), claims=dict(claims), gpus=gpus)
    asyncio.run(serve.node_until_interrupted(kubeconfig, name, options, click.echo))


@main.command()
@FILE
@NAMESPACE
@click.option("--attempt", type=click.IntRange(min=1), default=1, show_default=True, help="Number of the attempt.")
@click.option("--cluster-domain", default="cluster.local", show_default=True, help="The cluster's DNS domain.")
def render(file: Path, namespace: str, attempt: int, cluster_domain: str) -> None:
    """Print the Service, NetworkPolicy, ConfigMap and pods that the jobs of FILE would get.

    Needs no cluster. The job's UID, which the API server gives, is all zeros.
    """
    from trainingjob_cli.render import as_yaml, rendered

    for raw in _load(file, namespace).jobs:
        click.echo(as_yaml(rendered(raw, attempt=attempt, cluster_domain=cluster_domain)), nl=False)


@main.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Default: FOLDER/curves.png.")
def plot(folder: Path, output: Path | None) -> None:
    """Draw loss and samples per second of a job as a PNG.

    FOLDER is what the job has as its output, or a copy of it: on its claim the folder of the job's name, in the sandbox
    .trainingjob/claims/NAMESPACE/CLAIM/JOB. Needs matplotlib, the extra [plot].
    """
    from trainingjob_cli import plot as plotting

    path = output or folder / "curves.png"
    try:
        attempts = plotting.find_attempts(folder)
        plotting.draw(plotting.merge(map(plotting.read, attempts)), folder.resolve().name, path)
    except plotting.PlotError as error:
        raise click.ClickException(str(error)) from error
    click.echo(path)


@main.command()
def crd() -> None:
    """Print the CustomResourceDefinition, for `kubectl apply --server-side -f -`."""
    from trainingjob_operator.api.schema import crd as definition

    click.echo(yaml.safe_dump(definition(), sort_keys=False, width=120), nl=False)


@main.command()
def reference() -> None:
    """Print every field of a TrainingJob as a Markdown page (docs/api.md)."""
    from trainingjob_cli.reference import reference as page

    click.echo(page(), nl=False)


def _load(file: Path, namespace: str) -> Documents:
    try:
        return load(file, namespace)
    except DocumentError as error:
        click.echo(str(error), err=True)
        sys.exit(2)


def _check_claims(documents: Documents, claims: tuple[tuple[str, Path], ...]) -> None:
    """A mistyped name would give the job an empty folder instead of its dataset."""
    for name, _ in claims:
        if name not in documents.claims:
            known = ", ".join(sorted(documents.claims)) or "none"
            raise click.BadParameter(f"nothing in FILE names {name!r}; it names {known}", param_hint="--claim")


def _quiet_logging() -> None:
    """What the sandbox has to say is said in states and logs of jobs; only trouble goes to stderr."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
