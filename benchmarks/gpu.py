"""`make bench-gpu`: the GPT in bfloat16 on this machine's GPUs: steps per second and MFU, beside a plain loop.

One process per GPU, NCCL. Both loops take turns on the same random tokens. Neither waits for the GPU after a step: its
queue is short, so over many steps both run at its pace. MFU counts 6 operations per parameter and token, and
attention's 12 * layers * width * context (Chowdhery et al., PaLM, appendix B), over the GPU's dense bfloat16 peak.
TINY=1 runs a small one on the CPU over gloo, which shows only that it works.
"""

import json
import os
import subprocess
import sys
from itertools import pairwise
from statistics import median
from typing import Any

import torch
import torch.distributed as dist
from benchmarks.trainer_loops import Timed, our_trainer, quiet
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from support.pods import free_port
from trainingjob_trainer.models.gpt import GPT

TINY = bool(os.environ.get("TINY"))
SHAPE = {"layers": 2, "heads": 2, "width": 32} if TINY else {"layers": 12, "heads": 12, "width": 768}
CONTEXT, BATCH, STEPS, ROUNDS = (16, 2, 12, 2) if TINY else (1024, 16, 60, 3)
VOCABULARY = 257 if TINY else 50304
# Dense bfloat16 operations per second, from the makers' data sheets.
PEAKS = {"H100": 989e12, "H200": 989e12, "A100": 312e12, "L4": 121e12}


class Model(GPT):
    """Without the schedule, which asks for a run's length, and without logging: only the step is compared."""

    def setup(self, stage: str) -> None:
        """No dataset to compare with."""

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        logits = self(batch[:, :-1])
        return torch.nn.functional.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten().long())

    def configure_optimizers(self) -> Any:
        return torch.optim.AdamW(self.parameters(), lr=1e-4, fused=not TINY)


def plain(model: Model, data: Timed, device: torch.device) -> None:
    """The loop that one would write by hand."""
    ddp = DistributedDataParallel(model.to(device), device_ids=None if TINY else [device.index])
    optimizer = model.configure_optimizers()
    for batch in data:
        tokens = batch.to(device, non_blocking=True)
        with torch.autocast(device.type, dtype=torch.bfloat16):
            logits = ddp(tokens[:, :-1])
            loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten().long())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def ours(model: Model, data: Timed, device: torch.device) -> None:
    """This trainer with the same."""
    our_trainer(accelerator=device.type, precision="bf16-mixed").fit(model, data)


def rank() -> None:
    """One process of the gang; rank 0 prints the figures as JSON."""
    quiet()
    number = int(os.environ["RANK"])
    device = torch.device("cpu") if TINY else torch.device("cuda", number)
    if TINY:
        torch.set_num_threads(1)  # as Lightning does in a gang, and then for both
    else:
        torch.cuda.set_device(device)
    dist.init_process_group("gloo" if TINY else "nccl")
    batches = [torch.randint(0, 257, (BATCH, CONTEXT + 1)) for _ in range(16)]
    seconds: dict[str, list[float]] = {"plain": [], "ours": []}
    for _ in range(ROUNDS):
        for name, loop in (("plain", plain), ("ours", ours)):
            torch.manual_seed(0)
            data = Timed(batches, STEPS, turn=STEPS)
            loop(Model(vocabulary=VOCABULARY, context=CONTEXT, **SHAPE), data, device)
            seconds[name] += [after[0] - before[0] for before, after in pairwise(data.turns[0][STEPS // 10 :])]
    if number == 0:
        print(json.dumps({name: median(durations) for name, durations in seconds.items()}), flush=True)
    dist.barrier()
    dist.destroy_process_group()


def report(seconds: dict[str, float], gpus: int) -> str:
    """Steps per second, their ratio, and MFU where the GPU's peak is known."""
    model = Model(vocabulary=VOCABULARY, context=CONTEXT, **SHAPE)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    operations = (6 * parameters + 12 * SHAPE["layers"] * SHAPE["width"] * CONTEXT) * BATCH * CONTEXT
    name = "CPU" if TINY else torch.cuda.get_device_name()
    peak = next((peak for kind, peak in PEAKS.items() if kind in name), None)
    lines = [f"{gpus} x {name}, {parameters / 1e6:.0f} M parameters, {BATCH} x {CONTEXT} tokens per GPU"]
    for loop, duration in seconds.items():
        mfu = f", MFU {operations / duration / peak:.1%}" if peak else ""
        lines.append(f"{loop}: {1 / duration:.2f} steps/s{mfu}")
    return "\n".join([*lines, f"ours / plain: {seconds['plain'] / seconds['ours']:.3f}"])


def main() -> None:
    gpus = 2 if TINY else torch.cuda.device_count()
    if not gpus:
        raise SystemExit(
            "no GPU on this machine: torch.cuda.device_count() is 0 (TINY=1 runs a small model on the CPU)"
        )
    shared = {"WORLD_SIZE": str(gpus), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    shared |= {"TRAININGJOB_NUM_NODES": "1", "TRAININGJOB_DEVICES": str(gpus)}
    ranks = [
        subprocess.Popen(
            [sys.executable, "-m", "benchmarks.gpu", "rank"],
            env=os.environ | shared | {"RANK": str(number), "LOCAL_RANK": str(number)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(gpus)
    ]
    outputs = [process.communicate()[0] for process in ranks]
    if any(process.returncode for process in ranks):
        raise SystemExit(f"the gang ended with {[process.returncode for process in ranks]}")
    print(report(json.loads(outputs[0].splitlines()[-1]), gpus))


if __name__ == "__main__":
    rank() if sys.argv[1:] == ["rank"] else main()
