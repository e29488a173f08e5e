# SPDX-License-Identifier: MIT
"""The baseline: rows of compare.py relative to what the machine did in the same moments, kept in a JSON file.

A machine changes its speed, and another machine has another one.  So each sample is divided by a yardstick that
was measured just before and just after it (tests/calibrate): syncs of the disk, work of the processors.  A rate is
given per unit of the yardstick, a time in units of it.
"""
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time

import probes
import rig
import spread

# Wide: another kernel or compiler moves a row by this much without any change of lathe.
TOLERANCE = 0.15


def calibrate(b):
    with tempfile.TemporaryDirectory(prefix="lathe-bench.") as folder:
        out = subprocess.run([b.program("tests/calibrate"), folder], stdout=subprocess.PIPE, check=True)
    return json.loads(out.stdout)


def relative(row, value, yardsticks):
    if not row.yardstick:
        return value
    per_second = statistics.mean(y[row.yardstick] for y in yardsticks)
    return value / per_second if row.unit == "/s" else value / 1000 * per_second


def measure(b, rounds, only):
    """{row: {"value": median, "unit", "yardstick", "relative": [one a round]}}"""
    values, shares = {}, {}
    for name in probes.chosen(only):
        without = rig.missing(b.build, probes.PROBES[name].needs)
        if without:
            print(f"  {name}: left out: {without}")
            continue
        for _ in range(rounds):
            before = calibrate(b)
            for row, value, _ in probes.PROBES[name].take(b):
                after = calibrate(b)
                if probes.ROWS[row].by == "difference":  # may be zero, of which there is no share
                    continue
                values.setdefault(row, []).append(value)
                shares.setdefault(row, []).append(relative(probes.ROWS[row], value, (before, after)))
                before = after
        print(f"  {name}: measured", flush=True)
    return {row: {"value": round(statistics.median(values[row]), 3), "unit": probes.ROWS[row].unit,
                  "yardstick": probes.ROWS[row].yardstick, "relative": [float(f"{x:.4g}") for x in shares[row]]}
            for row in values}


def processor():
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
        names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    return names[0] if names else platform.machine()


def cache_value(build, key):
    with open(os.path.join(build, "CMakeCache.txt"), encoding="utf-8") as file:
        return next((line.partition("=")[2].strip() for line in file if line.startswith(key + ":")), "")


def machine(b):
    compiler = cache_value(b.build, "CMAKE_C_COMPILER")
    version = subprocess.run([compiler, "-dumpfullversion", "-dumpversion"], stdout=subprocess.PIPE, check=False)
    return {"processor": processor(), "processors": os.cpu_count(), "system": platform.platform(),
            "compiler": f"{os.path.basename(compiler)} {version.stdout.decode().split()[0]}",
            "build_type": cache_value(b.build, "CMAKE_BUILD_TYPE")}


def write(b, arguments):
    rows = measure(b, max(arguments.rounds, spread.PAIRS_MIN), arguments.only)
    command = f"tests/bench/run.py --write-baseline {os.path.basename(arguments.write_baseline)} " \
              f"--rounds {arguments.rounds} --seconds {arguments.seconds:g}"
    commit = subprocess.run(["git", "-C", rig.TOP, "rev-parse", "--short", "HEAD"], stdout=subprocess.PIPE,
                            stderr=subprocess.DEVNULL, check=False).stdout.decode().strip()
    with open(arguments.write_baseline, "w", encoding="utf-8") as file:
        json.dump({"SPDX-License-Identifier": "MIT", "date": time.strftime("%Y-%m-%d", time.gmtime()),
                   "commit": commit, "command": command, "machine": machine(b), "rows": rows}, file, indent=1)
        file.write("\n")
    print(f"wrote {len(rows)} rows to {arguments.write_baseline}")
    return 0


def judge(name, kept, now):
    """(ratio, low, high, verdict) of what was measured now against what is kept."""
    change, low, high = spread.of_groups(kept, now)
    return change, low, high, spread.verdict(change, low, high, probes.ROWS[name].better, 1, TOLERANCE)


def compare(b, arguments):
    with open(arguments.baseline, encoding="utf-8") as file:
        kept = json.load(file)
    print(f"baseline of {kept['date']}, commit {kept['commit']}: {kept['command']}")
    here = machine(b)
    other = [f"{key} {kept['machine'].get(key)} there, {here[key]} here" for key in here
             if kept["machine"].get(key) != here[key]]
    if other:
        print("The machine or the build is another one, so only large changes mean something: " + "; ".join(other))
    rows = measure(b, max(arguments.rounds, spread.PAIRS_MIN), arguments.only)
    print("\n| what | baseline | now | unit | relative to the machine, now / baseline (99%) | it is |\n|---|---|---|---|---|---|")
    slower = []
    for name, row in rows.items():
        if name not in kept["rows"]:
            print(f"| {probes.ROWS[name].label} | | {row['value']} | {row['unit']} | not in the baseline | |")
            continue
        change, low, high, verdict = judge(name, kept["rows"][name]["relative"], row["relative"])
        print(f"| {probes.ROWS[name].label} | {kept['rows'][name]['value']} | {row['value']} | {row['unit']} | "
              f"{change:.2f} ({low:.2f} to {high:.2f}) | {verdict} |")
        slower += [probes.ROWS[name].label] if verdict == "slower" else []
    print("\nslower than the baseline: " + "; ".join(slower) if slower else "\nnothing is slower than the baseline")
    return 1 if slower else 0


def run(arguments):
    """What `run.py --baseline` and `--write-baseline` do; returns the exit code."""
    b = rig.Rig(arguments.build, arguments.seconds)
    without = rig.missing(b.build, rig.LOAD + ("tests/calibrate",))
    if without:
        sys.exit(f"bench: {without}")
    return write(b, arguments) if arguments.write_baseline else compare(b, arguments)
