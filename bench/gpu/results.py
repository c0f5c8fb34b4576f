#!/usr/bin/env python3
"""Makes results.json and results.md of a folder's records.jsonl, into which the stages of run.sh wrote.

A number is written only if it was taken on a real card: the device that the program saw must be the card that nvidia-smi
named in the same run. Numbers of the emulator are left out and say so; anything else is refused. Standard library only.
"""
import json
import os
import sys

NOT_MEASURED = "emulated: not a measurement"
TIMES = ("event_us", "graph_us", "cold_us", "host_us", "adamw_graph_us", "gb_per_s", "copy_gb_per_s", "share_of_copy",
         "ratio_to_adamw", "us", "ratio_to_gatun", "allocated_bytes")


class Refused(Exception):
    pass


def read(path):
    """Records whose last line may be cut off, as the run was; of equal keys the latest."""
    latest = {}
    with open(path) as file:
        for number, line in enumerate(file, 1):
            try:
                record = json.loads(line)
            except json.JSONDecodeError:
                if line.endswith("\n"):
                    raise Refused(f"{path}:{number} is not JSON: {line.strip()[:60]}")
                continue
            names = ("kind", "stage", "name", "optimizer", "list", "dtype", "design", "check_finite", "first_step",
                     "contender", "run" if record["kind"] == "run" else "")
            latest[tuple(record.get(name) for name in names)] = record
    return list(latest.values())


def is_card(device, card):
    """CUDA adds the part's name to that of a card that is shared out (MIG); nvidia-smi does not."""
    return device == card or (device or "").startswith(card + " MIG ")


def without_false_numbers(records):
    runs = {r["run"]: r for r in records if r["kind"] == "run"}
    cards = {r["card"] for r in runs.values() if r.get("card")}
    if len(cards) > 1:
        raise Refused(f"runs of different cards in one folder: {', '.join(sorted(cards))}; give each its own --out")
    for record in records:
        numbers = [name for name in TIMES if record.get(name) is not None]
        if not numbers:
            continue
        run = runs.get(record.get("run"))
        if run is None:
            raise Refused(f"{record} belongs to no run of this folder: where it was measured is not known")
        if run.get("emulated"):
            for name in numbers:
                del record[name]
            record["note"] = NOT_MEASURED
        elif not run.get("card") or not is_card(record.get("device"), run["card"]):
            raise Refused(f"a time of '{record.get('device')}' in a run on '{run.get('card') or 'no card'}': {record}")
    return records


def of(records, stage, *kinds):
    return [r for r in records if r["stage"] == stage and (not kinds or r["kind"] in kinds)]


def table(head, rows):
    if not rows:
        return []
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in rows:
        lines.append("| " + " | ".join(str(c).replace("|", "\\|").replace("\n", " ") for c in row) + " |")
    return lines + [""]


def number(record, name, form="{:.1f}", scale=1.0):
    value = record.get(name)
    if value is None:
        return NOT_MEASURED if record.get("note") == NOT_MEASURED else "-"
    return form.format(value * scale)


def targets(records):
    """(what, target, measured, met): met is None where nothing was measured."""
    steps = [r for r in of(records, "times", "step") if not r.get("check_finite")]
    rows = []

    def row(what, goal, found, met, form):
        found = [value for value in found if value is not None]
        text = ", ".join(form.format(value) for value in found) or "not measured"
        rows.append((what, goal, text, met(found) if found else None))

    def step(optimizer, name, list):
        return [r.get(name) for r in steps if r["optimizer"] == optimizer and r["list"] == list]

    def torch(optimizer, contender, list):
        return [r.get("ratio_to_gatun") for r in of(records, "torch", "step")
                if (r["optimizer"], r.get("contender"), r["list"]) == (optimizer, contender, list)]

    for name in ("50m", "8x16.8m"):
        row(f"AdamW, {name}: share of the copy, each design", ">= 93 %",
            [s and 100 * s for s in step("adamw()", "share_of_copy", name)], lambda f: max(f) >= 93, "{:.1f} %")
        row(f"AdamW, {name}: torch fused AdamW over Gatun", ">= 1", torch("adamw", "torch fused", name),
            lambda f: min(f) >= 1, "{:.2f}")
    row("SING on ResNet-50, F32, over AdamW, each design", "<= 1.10",
        step("sing(softplus=0, lookahead=0)", "ratio_to_adamw", "resnet50"), lambda f: min(f) <= 1.10, "{:.3f}")
    row("SING on ResNet-50: PyTorch eager over Gatun", ">= 4", torch("sing", "torch eager", "resnet50"),
        lambda f: min(f) >= 4, "{:.1f}")
    row("10,000 x 64: torch fused AdamW over Gatun", ">= 20", torch("adamw", "torch fused", "10000x64"),
        lambda f: min(f) >= 20, "{:.1f}")
    java = of(records, "times", "java_host")
    row("Java host time of a step, us, each list", "< 10", [r.get("host_us") for r in java], lambda f: max(f) < 10, "{:.1f}")
    row("Java allocation in a step, bytes", "0", [r.get("allocated_bytes") for r in java], lambda f: max(f) == 0, "{:.0f}")
    return rows


def comparisons(title, found):
    if not found:
        return []
    wrong = [r for r in found if r["kind"] == "comparison" and not r["equal"]]
    missing = [r for r in found if r["kind"] == "left out"]
    compared = sum(r["kind"] == "comparison" for r in found)
    lines = [f"## {title}", "", f"{compared} comparisons with the CPU, {compared - len(wrong)} equal to the last bit; "
             f"{len(missing)} left out.", ""]
    keys = ("optimizer", "list", "dtype", "design")
    lines += table(("different", *keys[1:], "what"), [[r.get(k, "-") for k in keys] + [r["difference"]] for r in wrong])
    rows = dict.fromkeys((*(r.get(k, "-") for k in keys), r["why"]) for r in missing)  # of both forms of a step once
    return lines + table(("left out", *keys[1:], "why"), rows)


def times(records):
    lines = []
    found = of(records, "times", "step")
    for name in dict.fromkeys(r["list"] for r in found):
        rows = []
        for r in (r for r in found if r["list"] == name):
            what = r["optimizer"] + (", finite check" if r.get("check_finite") else "")
            if r.get("why"):
                rows.append([what, r["design"], r["why"]] + [""] * 8)
                continue
            rows.append([what, r["design"], r.get("bytes_per_parameter", "-"), number(r, "event_us"), number(r, "graph_us"),
                         number(r, "cold_us"), number(r, "gb_per_s", "{:.0f}"), number(r, "copy_gb_per_s", "{:.0f}"),
                         number(r, "share_of_copy", "{:.1f} %", 100), number(r, "ratio_to_adamw", "{:.3f}"),
                         number(r, "host_us")])
        lines += [f"### {name}", ""] + table(
            ("optimizer", "design", "bytes", "us, steps in a row", "us, graph", "us, cold cache", "GB/s", "copy GB/s",
             "share of the copy", "x AdamW", "host us"), rows)
    if lines:
        lines = ["## Times", "", "Medians; F32. bytes: each array once, per parameter; GB/s: those over the graph's time. "
                 "bench/gpu/README.md says what the columns are.", ""] + lines
    java = of(records, "times", "java_host")
    if java:
        lines += ["## Host time of a step from Java", ""] + table(
            ("list", "tensors", "us", "bytes allocated"),
            [[r["list"], r["tensors"], number(r, "host_us"), number(r, "allocated_bytes", "{:.0f}")] for r in java])
    return lines


def page(records):
    lines = ["# Gatun on a GPU", ""]
    for run in (r for r in records if r["kind"] == "run"):
        what = NOT_MEASURED if run.get("emulated") else run.get("card") or "no card: " + run.get("no_card", "")
        lines += [f"* {run['date']}: {what}; " + ", ".join(
            f"{k} {run[k]}" for k in ("driver", "memory", "compute", "nvcc", "commit", "stages") if run.get(k))]
    lines += ["", "## Stages", ""] + table(
        ("stage", "result", "seconds", "why"),
        [[r["stage"], r["status"], r["seconds"], r.get("why", "")] for r in records if r["kind"] == "stage"])
    lines += ["## Targets", ""] + table(
        ("", "target", "measured", "met"),
        [[what, goal, found, {True: "**yes**", False: "**no**", None: "-"}[met]] for what, goal, found, met in targets(records)])
    lines += comparisons("Bits", of(records, "bits", "comparison", "left out"))
    lines += comparisons("Captured steps", of(records, "capture", "comparison", "left out"))
    suites = [r for r in records if r["kind"] == "suite"]
    if suites:
        lines += ["## Suites and sanitizers", ""] + table(
            ("stage", "what", "result", "how it ended"), [[r["stage"], r["name"], r["status"], r.get("why", "")] for r in suites])
    lines += times(records)
    torch = of(records, "torch", "step")
    if torch:
        lines += ["## Beside PyTorch, on its own tensors", ""] + table(
            ("list", "optimizer", "", "us", "over Gatun"),
            [[r["list"], r["optimizer"], r.get("contender", "gatun")] +
             ([r["why"], ""] if r.get("why") else [number(r, "us"), number(r, "ratio_to_gatun", "{:.2f}")]) for r in torch])
    return "\n".join(lines)


def main(folder):
    records = without_false_numbers(read(os.path.join(folder, "records.jsonl")))
    for name, text in (
            ("results.json", json.dumps({
                "runs": [r for r in records if r["kind"] == "run"],
                "targets": [dict(zip(("what", "target", "measured", "met"), row)) for row in targets(records)],
                "records": [r for r in records if r["kind"] != "run"]}, indent=1)),
            ("results.md", page(records))):
        with open(os.path.join(folder, name + ".new"), "w") as file:
            file.write(text.rstrip() + "\n")
        os.replace(os.path.join(folder, name + ".new"), os.path.join(folder, name))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: results.py FOLDER, which has a records.jsonl")
    try:
        main(sys.argv[1])
    except (Refused, OSError) as e:
        for name in ("results.json", "results.md"):  # of an earlier call: it would be taken for this one's
            if os.path.exists(os.path.join(sys.argv[1], name)):
                os.remove(os.path.join(sys.argv[1], name))
        raise SystemExit(f"results.py: refused: {e}")
