"""Runs a shell command on a terminal of its own, where Ctrl-C is pressed once or more; shows what it writes there.

    press.py TIMES FILE COMMAND

Pressed when FILE exists and is not empty, and again a fifth of a second later. Exits with the command's exit code, 128 + n when
signal n ended it, 99 when it did not end within half a minute.
"""

import os
import select
import signal
import sys
import time

sys.path.pop(0)  # pty.py beside this file is not the module
import pty

times, path, command = int(sys.argv[1]), sys.argv[2], sys.argv[3]
child, terminal = pty.fork()
if child == 0:
    # the shell stays the leader of the session, as when somebody types there: its end would hang up all others
    os.execvp("sh", ["sh", "-c", "trap '' INT; (trap - INT; exec " + command + "); exit $?"])

give_up, next_press = time.monotonic() + 30, 0
while time.monotonic() < give_up:
    if select.select([terminal], [], [], 0.02)[0]:
        try:
            text = os.read(terminal, 65536)
        except OSError:
            break
        if not text:
            break
        sys.stdout.buffer.write(text)
    if times > 0 and time.monotonic() > next_press and os.path.exists(path) and os.path.getsize(path):
        os.write(terminal, b"\x03")
        times, next_press = times - 1, time.monotonic() + 0.2
else:
    os.kill(child, signal.SIGKILL)
    sys.exit(99)
code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
sys.exit(code if code >= 0 else 128 - code)
