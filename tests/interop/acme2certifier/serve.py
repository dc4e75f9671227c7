# SPDX-License-Identifier: BSD-2-Clause
"""serve.py PORT MODULE: the WSGI application of a module on loopback. acme2certifier's own __main__ takes port 80."""
import importlib
import socketserver
import sys
import wsgiref.simple_server


class Server(socketserver.ThreadingMixIn, wsgiref.simple_server.WSGIServer):
    daemon_threads = True
    request_queue_size = 64


def main():
    application = importlib.import_module(sys.argv[2]).application
    with wsgiref.simple_server.make_server("127.0.0.1", int(sys.argv[1]), application, server_class=Server) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
