"""Compares clients of one simulated site: bench_clients.py OWAIM SITE COUNT ROUNDS NAME=COMMAND...

Starts `OWAIM lab SITE` as a process of its own, then runs each COMMAND (with the endpoint file, COUNT and what to ask for,
whole objects or 40 properties of each, as further arguments) ROUNDS times, in turns, and prints the least CPU time (user and
system) and wall time of each, and their ratios to the first. All must have got the same number of objects and properties.
"""

import json
import os
import shlex
import subprocess
import sys
import tempfile
import time


def timed(command):
    """Answer, CPU seconds and wall seconds of a child process."""
    start = time.monotonic()
    child = subprocess.Popen(command, stdout=subprocess.PIPE)
    out = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        sys.exit(f"{command[0]} ended with {child.returncode}")
    return json.loads(out), usage.ru_utime + usage.ru_stime, time.monotonic() - start


def start(owaim, site, folder):
    """The simulated site, once its endpoint file is there."""
    path = os.path.join(folder, "endpoints.json")
    overlay = os.path.join(os.path.dirname(os.path.abspath(__file__)), "bench_lab.toml")
    command = [owaim, "lab", site, "--lab-with", overlay, "--write", path]
    lab = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    for _ in range(600):
        if os.path.exists(path):
            return lab, path
        if lab.poll() is not None:
            sys.exit(f"the simulated site ended with {lab.returncode}")
        time.sleep(0.1)
    lab.terminate()
    sys.exit("the simulated site did not start within a minute")


def compare(clients, path, count, rounds, what):
    """Runs the clients and prints their figures for one kind of pipeline."""
    best, answers = {}, {}
    for _ in range(rounds):
        for name, command in clients:
            answer, cpu, wall = timed([*shlex.split(command), path, count, what])
            answers[name] = answer
            before = best.get(name, (cpu, wall))
            best[name] = (min(before[0], cpu), min(before[1], wall))
    if len({json.dumps(answer, sort_keys=True) for answer in answers.values()}) != 1:
        sys.exit(f"the clients disagree: {answers}")
    first = best[clients[0][0]]
    print(f"{what}: {count} pipelines, {answers[clients[0][0]]}, best of {rounds}")
    print(f"{'client':12} {'CPU s':>9} {'wall s':>9} {'CPU ratio':>10} {'wall ratio':>11}")
    for name, (cpu, wall) in best.items():
        print(f"{name:12} {cpu:9.2f} {wall:9.2f} {cpu / first[0]:10.1f} {wall / first[1]:11.1f}")


def main():
    owaim, site, count, rounds = sys.argv[1:5]
    clients = [argument.split("=", 1) for argument in sys.argv[5:]]
    with tempfile.TemporaryDirectory() as folder:
        lab, path = start(owaim, site, folder)
        try:
            for what in ("whole", "selected"):
                compare(clients, path, count, int(rounds), what)
        finally:
            lab.terminate()
            lab.wait()


main()
