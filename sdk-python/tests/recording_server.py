"""A server that keeps what it received, byte for byte, and answers what it is told to."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from keyhold.verifier import ReceivedRequest


class RecordingServer:
    """`answers`: path to the address that it redirects to."""

    def __init__(self):
        self.received = []
        self.redirects = {}
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                if self.headers.get("Transfer-Encoding") == "chunked":
                    body = b""
                    while size := int(self.rfile.readline(), 16):
                        body += self.rfile.read(size)
                        self.rfile.readline()
                    self.rfile.readline()
                else:
                    body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                lines = [(name, value) for name, value in self.headers.items()]
                server.received.append(ReceivedRequest(self.command, self.path, lines, body, "http"))
                address = server.redirects.get(self.path.partition("?")[0])
                self.send_response(200 if address is None else 307)
                if address is not None:
                    self.send_header("Location", address)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_GET = do_POST = do_PUT = do_DELETE = answer

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
