"""Runs a shell command in a process group of its own and sends the group SIGINT, as a terminal does on Ctrl-C.

    interrupt.py PATTERN COMMAND

The signal is sent as soon as a file that PATTERN (of shells) names exists and is not empty. Exits with the command's exit
code, 128 + n when signal n ended it, 99 when it did not end within half a minute.
"""

import glob
import os
import signal
import subprocess
import sys
import time

pattern, command = sys.argv[1:]
process = subprocess.Popen(["sh", "-c", "exec " + command], start_new_session=True)
give_up = time.monotonic() + 30

while process.poll() is None and not any(os.path.getsize(path) for path in glob.glob(pattern)):
    if time.monotonic() > give_up:
        break
    time.sleep(0.01)
if process.poll() is None:
    os.killpg(process.pid, signal.SIGINT)
try:
    code = process.wait(timeout=30)
except subprocess.TimeoutExpired:
    os.killpg(process.pid, signal.SIGKILL)
    code = 99
sys.exit(code if code >= 0 else 128 - code)
