#!/usr/bin/env python3
"""How fast Wick brings a file, and with how much memory, beside the official Python client.

    cargo build --release -p fake-hub -p hub --example fetch --bin fake-hub
    python hub_speed.py target/release/fake-hub target/release/examples/fetch [MIB [ROUNDS [SEGMENTS...]]]

Needs huggingface_hub==2.4.0 and nothing else. One random file (2048 MiB) comes over loopback into an empty cache, in turns,
so that whatever else the machine does meets all of them alike. Wick verifies its SHA-256; Python looks at its length. The
first turn of each is not counted. Seconds are those of the transfer, without a program's start.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

PYTHON = """
import json, sys, time
import huggingface_hub
start = time.perf_counter()
path = huggingface_hub.hf_hub_download("org/big", "big.gguf", cache_dir=sys.argv[1])
print(json.dumps({"seconds": time.perf_counter() - start}))
"""


def run(command, environment):
    """What it printed, and the most memory that it ever had."""
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    line = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, command
    return json.loads(line)["seconds"], usage.ru_maxrss * 1024, usage.ru_utime + usage.ru_stime


def main():
    fake, fetch, *numbers = sys.argv[1:]
    mib, rounds, *segments = [int(number) for number in numbers] + [2048, 3][len(numbers) :]
    home = Path(tempfile.mkdtemp(prefix="wick-hub-"))
    hub = subprocess.Popen([fake], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    endpoint = hub.stdout.readline().strip()
    hub.stdin.write(f"random org/big main big.gguf 1 {mib << 20}\n")
    hub.stdin.flush()
    hub.stdout.readline()
    environment = {**os.environ, "HF_ENDPOINT": endpoint, "HF_HOME": str(home / "home"), "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    cache = str(home / "cache")
    commands = {"python": [sys.executable, "-c", PYTHON, cache]}
    for number in segments or [4]:
        commands[f"wick, {number} segments"] = [fetch, cache, "org/big", "main", str(number)]
    found = {name: [] for name in commands}
    try:
        for turn in range(rounds + 1):
            for name, command in commands.items():
                measured = run(command, environment)
                shutil.rmtree(cache)
                if turn > 0:
                    found[name].append(measured)
    finally:
        hub.stdin.close()
        hub.wait()
        shutil.rmtree(home)
    show(found, mib)


def show(found, mib):
    python = statistics.median(seconds for seconds, _, _ in found["python"])
    for name, runs in found.items():
        seconds, peak, cpu = (statistics.median(column) for column in zip(*runs))
        spread = f"{min(run[0] for run in runs):.2f}–{max(run[0] for run in runs):.2f}"
        rate = mib / 1024 / seconds
        print(f"{name:20} {seconds:6.2f} s ({spread})  {rate:5.2f} GiB/s  {python / seconds:5.2f} × Python  peak {peak / 2**20:6.1f} MiB  CPU {cpu:5.2f} s")


if __name__ == "__main__":
    main()
