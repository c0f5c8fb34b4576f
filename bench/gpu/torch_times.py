#!/usr/bin/env python3
"""Steps of Gatun and of PyTorch on PyTorch's own tensors, in one process, taking turns.

AdamW: torch.optim's fused and foreach forms. The layer-wise optimizers: torch_optimizers.py, as it is and through
torch.compile. Before anything is timed, Gatun's weights must come out as those of the plain version. Without torch or a
device it says so and exits with 77.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("native", help="the folder that build-native.sh filled")
parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help="cpu: to try the machinery")
parser.add_argument("--lists", default="resnet50,10000x64,50m,8x16.8m,gpt2,5000x1000")
parser.add_argument("--records")
parser.add_argument("--seconds", type=float, default=1e9)
parser.add_argument("--no-compile", action="store_true")
options = parser.parse_args()
started = time.monotonic()

try:
    import torch
except ImportError as e:
    print(f"skipped: {sys.executable} has no torch ({e})")
    sys.exit(77)
if options.device == "cuda" and not torch.cuda.is_available():
    print(f"skipped: torch {torch.__version__} sees no CUDA device")
    sys.exit(77)

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import gatun as abi  # noqa: E402
from torch_optimizers import ADAMW, LAYERWISE, LR  # noqa: E402

ROUNDS, WARM_UP = (15, 3) if options.device == "cuda" else (3, 1)


def time_is_up():
    return time.monotonic() - started > options.seconds


def write(**record):
    record = {"stage": "torch", "kind": "step", **record, "torch": torch.__version__, "device": device_name,
              "run": os.environ.get("GATUN_BENCH_RUN")}
    line = json.dumps(record)
    print(line, flush=True)
    if options.records:
        with open(options.records, "a") as file:
            file.write(line + "\n")


def shapes(name):
    """(rows, elements, is a matrix) of each tensor, from the program that has the lists."""
    text = subprocess.run([options.native + "/build/bench/gpu_lists", name], check=True, capture_output=True, text=True)
    return [tuple(map(int, line.split())) for line in text.stdout.splitlines()]


class Training:
    """Weights and gradients of a list, and what optimizers need beside them."""

    def __init__(self, name):
        generator = torch.Generator(device="cpu").manual_seed(1)
        self.name, self.shapes = name, shapes(name)
        made = [torch.randn((r, n // r) if matrix else (n,), generator=generator) for r, n, matrix in self.shapes]
        self.start = [w.to(options.device) * 0.05 for w in made]
        self.weights = [torch.nn.Parameter(w.clone()) for w in self.start]
        for w, value in zip(self.weights, made):
            w.grad = value.to(options.device) * 1e-2

    def reset(self):
        with torch.no_grad():
            for w, start in zip(self.weights, self.start):
                w.copy_(start)

    def state(self, kind):
        if kind == "tensor":
            return [torch.zeros_like(w) for w in self.weights]
        return [torch.zeros((), dtype=torch.float64, device=options.device) for _ in self.weights]

    def gradients(self):
        return [w.grad for w in self.weights]

    def gatun(self, library, rule, arguments, transforms, kinds):
        state = [self.state(kind) for kind in kinds]
        counters = torch.zeros(len(self.weights) + 1, dtype=torch.int64, device=options.device)
        tensors = [{"weight": w.data_ptr(), "gradient": w.grad.data_ptr(), "state": [s[i].data_ptr() for s in state],
                    "length": w.numel(), "rows": w.shape[0], "matrix": w.dim() > 1}
                   for i, w in enumerate(self.weights)]
        wait()  # what fills this memory has happened
        plan = abi.Plan(library, rule, arguments, tensors, counters.data_ptr(), transforms)
        plan.keep = state, counters
        return plan

    def plain(self, function, kinds):
        m, v = (self.state(kind) for kind in kinds)
        if kinds[1] == "scalar":
            v = [s.float() for s in v]
        step = torch.zeros((), device=options.device)
        weights, gradients = [w.data for w in self.weights], self.gradients()

        def take():
            step.add_(1)
            function(weights, gradients, m, v, step)

        return take


def wait():
    if options.device == "cuda":
        torch.cuda.synchronize()


def microseconds(step, repeats):
    """Of the device between two events where there is one: gaps in which it waits for Python are part of a step."""
    if options.device == "cpu":
        begin = time.perf_counter()
        for _ in range(repeats):
            step()
        return (time.perf_counter() - begin) * 1e6 / repeats
    begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    begin.record()
    for _ in range(repeats):
        step()
    end.record()
    end.synchronize()
    return begin.elapsed_time(end) * 1e3 / repeats


def alternate(contenders):
    """Medians, and of each the ratio to the first's time in the same round."""
    repeats, slowest = {}, 0
    for name, step in contenders.items():
        step()  # lazy state, compilation, first launches
        wait()
        once = microseconds(step, 1)
        slowest = max(slowest, once)
        repeats[name] = max(1, min(50, int(5000 / max(once, 1))))
    times = {name: [] for name in contenders}
    rounds = ROUNDS if slowest < 50_000 else 5
    for round in range(-WARM_UP, rounds):
        for name, step in contenders.items():
            taken = microseconds(step, repeats[name])
            if round >= 0:
                times[name].append(taken)
    first = next(iter(contenders))
    return {name: (statistics.median(taken), statistics.median(a / b for a, b in zip(taken, times[first])), rounds)
            for name, taken in times.items()}


def report(training, optimizer, contenders):
    results = alternate(contenders)
    for name, (taken, ratio, rounds) in results.items():
        write(list=training.name, optimizer=optimizer, contender=name, us=round(taken, 2), ratio_to_gatun=round(ratio, 4),
              parameters=sum(w.numel() for w in training.weights), tensors=len(training.weights), rounds=rounds)


def same_weights(training, optimizer, plan, plain):
    """Raises where three steps of both lead elsewhere: then a comparison of times would mean nothing."""
    ends = []
    for step in (lambda: plan.step(LR), plain):
        training.reset()
        for _ in range(3):
            step()
        wait()
        ends.append([w.detach().clone() for w in training.weights])
    moved = max(float((a - s).abs().max()) for a, s in zip(ends[0], training.start))
    apart = max(float((a - b).abs().max()) for a, b in zip(*ends))
    if not (moved > 0 and apart <= 2e-3 * moved):
        raise SystemExit(f"{optimizer} on {training.name}: Gatun's weights are {apart} from PyTorch's after moving {moved}")


def adamw(training):
    def torch_step(**form):
        optimizer = torch.optim.AdamW(training.weights, lr=LR, weight_decay=0.01, eps=1e-8, **form)
        return optimizer.step

    plan = training.gatun(library, *ADAMW)
    same_weights(training, "adamw", plan, torch_step(foreach=True))
    report(training, "adamw", {"gatun": lambda: plan.step(LR), "torch fused": torch_step(fused=True),
                               "torch foreach": torch_step(foreach=True)})
    plan.close()


def layerwise(training, name, compiled):
    function, rule, arguments, transforms, kinds = LAYERWISE[name]
    try:
        plan = training.gatun(library, rule, arguments, transforms, kinds)
    except RuntimeError as e:
        write(list=training.name, optimizer=name, why=str(e))
        return
    plain = training.plain(function, kinds)
    if not compiled:
        same_weights(training, name, plan, plain)
        plan.close()  # its state and counters are those of another start
        plan, plain = training.gatun(library, rule, arguments, transforms, kinds), training.plain(function, kinds)
    contenders = {"gatun": lambda: plan.step(LR)}
    if compiled:
        torch._dynamo.reset()
        contenders["torch.compile"] = training.plain(torch.compile(function), kinds)
    else:
        contenders["torch eager"] = plain
    report(training, name, contenders)
    plan.close()


def main():
    names = options.lists.split(",")
    for name in names:
        if time_is_up():
            break
        training = Training(name)
        adamw(training)
        for optimizer in LAYERWISE if len(training.shapes) < 1000 else ["sing"]:
            if not time_is_up():
                layerwise(training, optimizer, compiled=False)
        del training
    # compiling 161 tensors' steps takes the better part of a minute, so it comes last
    for optimizer in [] if options.no_compile else LAYERWISE:
        if time_is_up():
            break
        try:
            layerwise(Training(names[0]), optimizer, compiled=True)
        except Exception as e:  # the compiler is not Gatun's to mend: what went wrong is a result
            reason = str(e).strip().splitlines() or [""]
            write(list=names[0], optimizer=optimizer, contender="torch.compile", why=f"{type(e).__name__}: {reason[0]}")


# A stream of its own: the default stream is a null address, which asks Gatun for one that nobody waits for.
stream = torch.cuda.Stream() if options.device == "cuda" else None
if stream is not None:
    torch.cuda.set_stream(stream)
cuda_library = options.native + "/libgatun_cuda.so" if options.device == "cuda" else None
library = abi.Gatun(options.native + "/libgatun.so", options.native + "/abi_dump", cuda_library,
                    stream.cuda_stream if stream is not None else 0)
device_name = library.device()
with torch.no_grad():
    main()
if time_is_up():
    print("time is up: what is missing was not timed")
    sys.exit(124)
