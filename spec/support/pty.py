"""Runs a shell command on a pseudo-terminal; what it shows there goes to standard output.

    pty.py COMMAND
"""

import os
import sys

sys.path.pop(0)  # so that the library's module pty is found, not this file
import pty

sys.exit(os.waitstatus_to_exitcode(pty.spawn(["sh", "-c", sys.argv[1]])))
