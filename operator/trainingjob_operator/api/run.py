"""What the pods run: exactly one of five launchers (`spec.run`).

Says which fields each launcher has and nothing about how a command line is built from them (core/command.py).
"""

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from trainingjob_operator.api.model import OPEN, Argument, Model, ShortText, rule, rules


class Trainer(Model):
    """The built-in trainer: a LightningCLI configuration, no code needed."""

    config: dict[str, Any] = Field(
        description="The LightningCLI configuration: trainer, model and data, each with class_path and init_args as in "
        "a file for `LightningCLI fit --config`. Nodes, devices, strategy and the output folder are filled in.",
        min_length=1,
        json_schema_extra=OPEN,
    )


class Script(Model):
    """A Python script and its arguments."""

    script: Annotated[ShortText, Field(max_length=1024)] = Field(
        description="Path of the script, relative to spec.workingDir; with spec.files it is the file's name."
    )
    args: list[Argument] = Field(
        default=[],
        max_length=256,
        description="Arguments of the script. $(NODE_RANK) and other variables are expanded.",
    )


LAUNCHERS = ("trainer", "python", "fabric", "torchrun", "command")
"""The launchers by name; exactly one is set."""

EXACTLY_ONE = "exactly one of " + ", ".join(LAUNCHERS) + " must be set"


class Run(Model):
    """What each pod runs. Exactly one launcher is set."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule("[" + ", ".join(f"has(self.{name})" for name in LAUNCHERS) + "].filter(x, x).size() == 1", EXACTLY_ONE)
        )
    )

    trainer: Trainer | None = Field(
        default=None, description="The built-in trainer with a LightningCLI configuration; no script is needed."
    )
    python: Script | None = Field(
        default=None,
        description="`python SCRIPT ARGS` once per pod; Lightning (Trainer or Fabric) starts the other processes "
        "of the node and reads the number of nodes and devices from the environment.",
    )
    fabric: Script | None = Field(
        default=None,
        description="`fabric run` with the node rank, main address, devices and number of nodes filled in. The script "
        "creates Fabric() without arguments and does not call fabric.launch().",
    )
    torchrun: Script | None = Field(
        default=None,
        description="`torchrun SCRIPT ARGS` with a static rendezvous at rank 0, for plain torch.distributed scripts "
        "and everything built on them.",
    )
    command: list[Argument] | None = Field(
        default=None,
        min_length=1,
        max_length=256,
        description="A command line, word by word, run as it is. $(NODE_RANK), $(MASTER_ADDR) and the other variables "
        "are expanded by the kubelet; no shell is involved.",
    )

    @property
    def chosen(self) -> list[str]:
        """The launchers that are set, in the order of LAUNCHERS; a valid Run has one."""
        return [name for name in LAUNCHERS if getattr(self, name) is not None]
