# SPDX-License-Identifier: BSD-2-Clause
"""Other ends of the milter's POST, in threads of the test: an https server, one for a UNIX socket, one that is silent until it
is let go, and one between the milter and an ACME server that loses answers."""
import contextlib
import http.server
import socket
import socketserver
import ssl
import threading


class _InThread:
    """`server` serves while the block lasts."""
    server = None

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        peer = self.connection.getpeercert() if isinstance(self.connection, ssl.SSLSocket) else None
        status, fields = self.server.owner.answer(self.path, self.headers, body, peer)
        self.send_response(status)
        for name, value in {"Content-Length": "0", **fields}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format, *args):
        pass


class _HttpsServer(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True

    def get_request(self):
        self.owner.connections += 1
        return super().get_request()

    def handle_error(self, request, client_address):  # a client that does not like our certificate
        pass


class HttpsServer(_InThread):
    """On a free port. Tells of each request (path, header fields, body, the client's certificate or None) and how many
    connections there were. `client_ca`: whose certificates it demands; `token`: what it wants as bearer token."""

    def __init__(self, certificate, key, client_ca=None, token=None, answer=(204, {})):
        self.requests, self.connections, self.token, self.canned = [], 0, token, answer
        self.server = _HttpsServer(("127.0.0.1", 0), _Handler)
        self.server.owner = self
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        if client_ca:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(client_ca)
        # The handshake takes place in the connection's own thread.
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.url = f"https://localhost:{self.server.server_port}/email-reply"

    def answer(self, path, headers, body, peer):
        self.requests.append((path, headers, body, peer))
        if self.token and headers["Authorization"] != "Bearer " + self.token:
            return 401, {}
        return self.canned



def read_message(connection):
    """One HTTP message with a Content-Length, or what came of it before the end."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            return data
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    while lengths and len(body) < int(lengths[0]):
        more = connection.recv(65536)
        if not more:
            break
        body += more
    return head + b"\r\n\r\n" + body


class _UnixServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


class HttpServer(_InThread):
    """On a UNIX socket; a class of its own says `answer`."""

    def __init__(self, path, name):
        self.server = _UnixServer(str(path), _Handler)
        self.server.owner = self
        path.chmod(0o666)
        self.url = f"http://unix:{path}:{name}"

    def answer(self, path, headers, body, peer):
        """The status and header fields."""
        raise NotImplementedError


class Endpoint(_InThread):
    """A UNIX socket whose connections `serve` gets."""

    def __init__(self, path):
        outer = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                outer.serve(self.request)
        self.server = _UnixServer(str(path), Handler)
        path.chmod(0o666)
        self.url = f"http://unix:{path}:/email-reply"



class TlsServer:
    """An https server on a free port whose connections `serve` gets once TLS stands. What one sendall says is one TLS record."""

    def __init__(self, identity):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(*identity)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.connections = 0
        self.url = f"https://localhost:{self.listener.getsockname()[1]}/p"

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self._handle, args=(self.listener.accept()[0],), daemon=True).start()
                self.connections += 1

    def _handle(self, connection):
        with contextlib.suppress(OSError), self.context.wrap_socket(connection, server_side=True) as tls:
            self.serve(tls)

    def serve(self, tls):
        raise NotImplementedError


class SilentServer(Endpoint):
    """Takes requests, which are in `asked`, and answers once it is let go."""

    def __init__(self, path):
        self.asked, self.is_free = [], threading.Event()
        super().__init__(path)

    def serve(self, connection):
        while request := read_message(connection):
            self.asked.append(request)
            self.is_free.wait()
            connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")


class LosingServer(Endpoint):
    """Passes requests on to an ACME server's socket, and loses its first `losses` answers."""

    def __init__(self, path, socket_behind, losses):
        self.behind, self.losses = str(socket_behind), losses
        super().__init__(path)

    def serve(self, connection):
        while request := read_message(connection):
            with socket.socket(socket.AF_UNIX) as server:
                server.connect(self.behind)
                server.sendall(request)
                answer = read_message(server)
            if self.losses > 0:
                self.losses -= 1
                return
            connection.sendall(answer)
