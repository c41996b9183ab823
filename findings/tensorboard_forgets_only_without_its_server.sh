#!/usr/bin/env bash
# One folder, two event files: a training that wrote a loss at steps 1 to 10 and a validation loss at
# step 10, and a second training in the same folder, with a loss at steps 4 and 8 alone. Its file
# begins with SessionLog START at step 1, the format's own word for "what came before from this
# step on does not hold". TensorBoard has two ways to read the two.
#
# One would guess: both show the second training, since its file says so.
# What happens: the Python reader (--load_fast=false) does. The data server that is started by
# default passes over START: per tag, a point takes away those at its own step and beyond. So the
# loss is one curve of both trainings, and the validation loss is still the first one's.
# What follows here: a log that begins again, or goes on, removes or rewrites its old files.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    tensorboard==2.21.0 tensorboard-data-server==0.7.2

cat > "$work/show.py" <<'PYTHON'
import json
import subprocess
import sys
import time
import urllib.request
from importlib.metadata import version
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

folder = Path(sys.argv[1]) / "logs"


def write(name, points):
    """A file that begins with START, and has (tag, step, value) behind it."""
    (folder / "run").mkdir(parents=True, exist_ok=True)
    with open(folder / "run" / name, "wb") as file:
        writer = RecordWriter(file)
        start = SessionLog(status=SessionLog.START)
        events = [Event(file_version="brain.Event:2"), Event(step=1, session_log=start)]
        for tag, step, value in points:
            summary = Summary(value=[Summary.Value(tag=tag, simple_value=value)])
            events.append(Event(step=step, wall_time=step, summary=summary))
        for event in events:
            writer.write(event.SerializeToString())


def asked(address, what):
    """What the scalars page of TensorBoard gets."""
    with urllib.request.urlopen(f"{address}data/plugin/scalars/{what}", timeout=20) as answer:
        return json.load(answer)


def shown(fast):
    """(step, value) of each point by tag."""
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(folder), "--port", "0",
               "--host", "127.0.0.1", f"--load_fast={fast}"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        address = next(w for line in process.stderr for w in line.split() if w.startswith("http"))
        for _ in range(120):
            found = {
                tag: [
                    (int(step), value)
                    for _, step, value in asked(address, f"scalars?run=run&tag={tag}")
                ]
                for tag in sorted(asked(address, "tags").get("run", ()))
            }
            if (8, 2.0) in found.get("loss", ()):  # both files are loaded
                return found
            time.sleep(0.5)
        raise SystemExit("TensorBoard did not load the second file in a minute")
    finally:
        process.kill()
        process.wait()


print(f"tensorboard {version('tensorboard')}, data server {version('tensorboard-data-server')}")
first = [("loss", step, 1.0) for step in range(1, 11)] + [("validation", 10, 1.0)]
second = [("loss", 4, 2.0), ("loss", 8, 2.0)]
write("events.out.tfevents.0000000001.a", first)
write("events.out.tfevents.0000000002.a", second)
python, server = shown("false"), shown("true")
print(f"Python reader: {python}")
print(f"data server:   {server}")
mixed = [(1, 1.0), (2, 1.0), (3, 1.0), (4, 2.0), (8, 2.0)]
as_found = python == {"loss": [(4, 2.0), (8, 2.0)], "validation": []} and server == {
    "loss": mixed,
    "validation": [(10, 1.0)],
}
print("as described" if as_found else "CHANGED")
sys.exit(not as_found)
PYTHON
"$work/venv/bin/python" "$work/show.py" "$work"
