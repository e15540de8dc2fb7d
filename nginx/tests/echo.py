"""Upstreams that tell what nginx sent them, and others that misbehave: they stand in for replicas where a test must see the
request itself or count how often it came."""

import collections
import http.server
import json
import threading
import time


class Echoes:
    """`count` upstreams on loopback that share one count of requests by method and path."""

    def __init__(self, count):
        self.seen, self.lock = collections.Counter(), threading.Lock()
        echoes = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def answer(self):
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                with echoes.lock:
                    echoes.seen[f"{self.command} {self.path}"] += 1
                    times = echoes.seen[f"{self.command} {self.path}"]
                if self.path.startswith("/die") and not (self.path.startswith("/die-once") and times > 1):
                    self.close_connection = True
                    return
                status = 503 if self.path.startswith("/busy") else 200
                body = json.dumps({"path": self.path, "headers": [[n.lower(), v] for n, v in self.headers.items()]}).encode()
                if self.path.startswith("/slow"):
                    time.sleep(1)
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                if status == 503:
                    self.send_header("Retry-After", "7")
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

            def log_message(self, *_):
                pass

        self.servers = [http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) for _ in range(count)]
        for server in self.servers:
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever, daemon=True).start()
        self.ports = [server.server_address[1] for server in self.servers]

    def stop(self):
        for server in self.servers:
            server.shutdown()
            server.server_close()
