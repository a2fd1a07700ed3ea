"""A small HTTP server on the loopback interface, for download_spec.lua.

    server.py FOLDER

FOLDER/files holds what is served. The port is written to FOLDER/port, each request to FOLDER/log. The first part of
a path says how it is answered: /files/x well, /truncated/x with half of x, /slow/x with half and no end, /redirect/x
with the address of /files/x; all else is not found. Ends by itself after two minutes.
"""

import http.server
import os
import sys
import threading
import time
import urllib.parse

FOLDER = sys.argv[1]


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        with open(os.path.join(FOLDER, "log"), "a") as log:
            log.write(self.path + "\n")
        how, _, name = urllib.parse.unquote(self.path).lstrip("/").partition("/")
        path = os.path.join(FOLDER, "files", name)
        if how == "redirect":
            self.send_response(302)
            self.send_header("Location", "/files/" + urllib.parse.quote(name))
            self.end_headers()
        elif how in ("files", "truncated", "slow") and os.path.isfile(path):
            self.answer(how, path)
        else:
            self.send_error(404)

    def answer(self, how, path):
        with open(path, "rb") as file:
            content = file.read()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content if how == "files" else content[: len(content) // 2])
        self.wfile.flush()
        if how == "slow":
            time.sleep(60)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
threading.Timer(120, lambda: os._exit(1)).start()
with open(os.path.join(FOLDER, "port.new"), "w") as file:
    file.write(str(server.server_address[1]))
os.rename(os.path.join(FOLDER, "port.new"), os.path.join(FOLDER, "port"))
server.serve_forever()
