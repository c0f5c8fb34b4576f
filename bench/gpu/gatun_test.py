#!/usr/bin/env python3
"""gatun_test.py NATIVE_FOLDER - gatun.py's structs reach the library whole: AdamW and a rule that sums, on the CPU, against
their formulas in Python. Standard library only."""
import ctypes
import math
import sys

from gatun import Gatun, Plan

native = sys.argv[1]
library = Gatun(native + "/libgatun.so", native + "/abi_dump", threads=1)
ROWS, LENGTH, LR, STEPS = 3, 12, 0.01, 4


def run(rule, arguments, transforms=(), rows=ROWS, slots=2):
    weights = (ctypes.c_float * LENGTH)(*(math.sin(i + 1) for i in range(LENGTH)))
    gradients = (ctypes.c_float * LENGTH)(*(math.cos(3 * i) for i in range(LENGTH)))
    state = [(ctypes.c_float * LENGTH)() for _ in range(slots)]
    counters = (ctypes.c_int64 * 2)()
    tensor = {"weight": ctypes.addressof(weights), "gradient": ctypes.addressof(gradients), "length": LENGTH, "rows": rows,
              "matrix": True, "state": [ctypes.addressof(s) for s in state]}
    plan = Plan(library, rule, arguments, [tensor], ctypes.addressof(counters), transforms)
    for _ in range(STEPS):
        plan.step(LR)
    plan.close()
    assert list(counters) == [STEPS, STEPS], f"{rule}: counters {list(counters)} after {STEPS} steps"
    return list(weights)


def adamw(transform):
    weights = [math.sin(i + 1) for i in range(LENGTH)]
    gradients = transform([math.cos(3 * i) for i in range(LENGTH)])
    m, v = [0.0] * LENGTH, [0.0] * LENGTH
    for t in range(1, STEPS + 1):
        for i, g in enumerate(gradients):
            m[i] += 0.1 * (g - m[i])
            v[i] += 0.001 * (g * g - v[i])
            root = math.sqrt(v[i] / (1 - 0.999**t)) + 1e-8
            weights[i] = weights[i] * (1 - LR * 0.1) - LR * m[i] / (1 - 0.9**t) / root
    return weights


def standardized(g):
    columns = LENGTH // ROWS
    means = [sum(g[r * columns:(r + 1) * columns]) / columns for r in range(ROWS)]
    g = [x - means[i // columns] for i, x in enumerate(g)]
    norm = math.sqrt(sum(x * x for x in g)) + 1e-8
    return [x / norm for x in g]


def same(what, found, wanted):
    apart = max(abs(a - b) for a, b in zip(found, wanted))
    assert apart <= 1e-6, f"{what}: {apart} from the formula"


ADAM = {"beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 0.1, "decay": 1}
same("adamw", run("adam", ADAM), adamw(lambda g: g))
sing = [{"value": 1e-8, "kind": 1, "center": 1, "normalize": 1}]
same("sing", run("adam", ADAM, sing), adamw(standardized))
try:
    run("adam", {**ADAM, "beta3": 1.0})
    raise SystemExit("a field that gatun.h does not have was accepted")
except ValueError as e:
    assert "beta3" in str(e)
try:
    run("adam", ADAM, rows=5)
    raise SystemExit("5 rows of 12 elements were accepted")
except RuntimeError as e:
    assert "rows" in str(e), e
library.close()
print("gatun_test.py: ok")
