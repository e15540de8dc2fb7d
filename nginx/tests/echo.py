"""Upstreams that tell what nginx sent them, and others that misbehave: they stand in for replicas where a test must see the
request itself or count how often it came."""

import collections
import http.server
import json
import socket
import struct
import threading
import time


class Echoes:
    """`count` upstreams on loopback that share one count of requests by method and path."""

    def __init__(self, count, addresses=(), port=0):
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
                body = json.dumps({"path": self.path, "replica": self.connection.getsockname()[0], "headers": [[n.lower(), v] for n, v in self.headers.items()]}).encode()
                if self.path.startswith("/slow"):
                    time.sleep(1)
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                if status == 503:
                    self.send_header("Retry-After", "7")
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            do_GET = do_HEAD = do_OPTIONS = do_POST = do_PUT = do_PATCH = do_DELETE = answer

            def log_message(self, *_):
                pass

        self.servers = [http.server.ThreadingHTTPServer((address, port), Handler) for address in addresses or ["127.0.0.1"] * count]
        for server in self.servers:
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever, daemon=True).start()
        self.ports = [server.server_address[1] for server in self.servers]

    def stop(self):
        for server in self.servers:
            server.shutdown()
            server.server_close()


class Names:
    """A name server that has `addresses` for every name, as Docker's has for a service."""

    def __init__(self, addresses):
        self.addresses = addresses
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.socket.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                query, client = self.socket.recvfrom(512)
            except OSError:
                return
            question = query[12:query.index(b"\0", 12) + 5]
            head = query[:2] + struct.pack(">HHHHH", 0x8180, 1, len(self.addresses), 0, 0)
            # A pointer to the name, type A, class IN, ten minutes (as Docker says), four bytes.
            records = [b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 600, 4) + socket.inet_aton(address) for address in self.addresses]
            self.socket.sendto(head + question + b"".join(records), client)

    def stop(self):
        self.socket.close()
