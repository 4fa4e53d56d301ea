"""`make lightly-train`: the LightlyTrain example on two pods, as a command line and from Python, on real photographs.

Needs a Python environment with lightly-train in it, which is under the AGPL-3.0 and therefore no dependency of this
project; the Makefile makes one of its own. Small pictures and two epochs, otherwise the example as it is.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml
from PIL import Image
from sklearn.datasets import load_sample_images

EXAMPLE = Path(__file__).parents[2] / "manifests/examples/lightly-train.yaml"
SMALL = {"epochs": 2, "batch_size": 16, "num_workers": 0, "transform_args": '{"image_size":[32,32]}'}
TILE, STEP = (75, 100), (75, 50)
SCRIPT = """\
import os
import lightly_train

if __name__ == "__main__":
    lightly_train.pretrain(
        out="/output/run", data="/data", model="torchvision/resnet18", method="simclr", epochs=2, batch_size=16,
        num_workers=0, transform_args={"image_size": (32, 32)}, accelerator="cpu", devices=1,
        num_nodes=int(os.environ["TRAININGJOB_NUM_NODES"]), resume_interrupted=True,
    )
"""
PROOF = ("Starting with 2 processes", "Training completed", "trainingjob lightly-train: Succeeded")


def photographs(folder: Path) -> None:
    """Cut scikit-learn's two sample photographs into tiles."""
    for number, picture in enumerate(load_sample_images().images):
        height, width = picture.shape[:2]
        for top in range(0, height - TILE[1] + 1, STEP[1]):
            for left in range(0, width - TILE[0] + 1, STEP[0]):
                tile = picture[top : top + TILE[1], left : left + TILE[0]]
                Image.fromarray(tile).save(folder / f"{number}-{top}-{left}.jpg")


def by_command() -> list[dict[str, Any]]:
    """The example with a small run's settings."""
    documents: list[dict[str, Any]] = list(yaml.safe_load_all(EXAMPLE.read_text()))
    command = documents[0]["spec"]["run"]["command"]
    kept = [word for word in command if word.partition("=")[0] not in SMALL]
    documents[0]["spec"]["run"]["command"] = kept + [f"{name}={value}" for name, value in SMALL.items()]
    return documents


def from_python() -> list[dict[str, Any]]:
    """The same from a script."""
    documents = by_command()
    documents[0]["spec"] |= {"run": {"python": {"script": "train.py"}}, "files": {"train.py": SCRIPT}}
    return documents


def trains(documents: list[dict[str, Any]], folder: Path, data: Path) -> bool:
    """Run a job to its end; whether it formed one gang of two and succeeded."""
    (folder / "output").mkdir(parents=True)
    job = folder / "job.yaml"
    job.write_text(yaml.safe_dump_all(documents))
    claims = [f"images={data}", f"lightly-train-output={folder / 'output'}"]
    words = [word for claim in claims for word in ("--claim", claim)]
    # The commands of the job are looked for where this Python has its own.
    commands = Path(sys.executable).parent
    path = os.pathsep.join((str(commands), os.environ["PATH"]))
    command = [commands / "trainingjob", "run", job, *words]
    run = subprocess.run(command, env=os.environ | {"PATH": path}, stdout=subprocess.PIPE, text=True, check=False)
    exported = list((folder / "output").rglob("exported_last.pt"))
    missing = [line for line in PROOF if line not in run.stdout]
    if run.returncode or missing or not exported:
        print(run.stdout, f"missing in the log: {missing}; exported: {exported}", sep="\n", file=sys.stderr)
        return False
    return True


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="trainingjob-lightly-") as name:
        folder = Path(name)
        data = folder / "images"
        data.mkdir()
        photographs(data)
        for title, documents in (("the command line", by_command()), ("Python", from_python())):
            print(f"LightlyTrain from {title}, two pods ...", flush=True)
            if not trains(documents, folder / title.split()[-1], data):
                return 1
            print("  one gang of two, trained and exported")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
