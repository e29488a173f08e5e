# SPDX-License-Identifier: MIT
"""A server that answers as no lathe server does: with whatever a test gives it, also without an end.

    with Hostile({"/api/jobs": reply(200, b'{"jobs": []}')}) as server: ...      server.url

An answer is a function of the connection's socket; it is given the request's line and headers as text. A stream has an
end all the same (STREAM_MAX bytes, or the client's going away), so that a client without a bound fails its test instead
of filling the machine. `sent` is the most that one answer took.
"""
import socket
import threading

STREAM_MAX = 600 << 20
PIECE = 1 << 16


def reply(status, body=b"", content_type="application/json", headers=()):
    """A plain answer with its length."""
    def answer(server, sock, request):
        del server, request
        lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", "Connection: close", *headers]
        if content_type:
            lines.append(f"Content-Type: {content_type}")
        sock.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
    return answer


def raw(data):
    def answer(server, sock, request):
        del server, request
        sock.sendall(data)
    return answer


def endless(head, piece):
    """The head, then the piece again and again."""
    def answer(server, sock, request):
        del request
        sock.sendall(head)
        block, sent = piece * (PIECE // len(piece) + 1), 0
        try:
            while sent < STREAM_MAX:
                sock.sendall(block)
                sent += len(block)
        except OSError:
            pass
        server.sent = max(server.sent, sent)
    return answer


def in_turn(*answers):
    """One after the other; the last one for all that follow."""
    left = list(answers)

    def answer(server, sock, request):
        (left.pop(0) if len(left) > 1 else left[0])(server, sock, request)
    return answer


JSON_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"
SSE_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"


class Hostile:
    def __init__(self, answers, default=None, wrap=None):
        self.answers, self.default, self.wrap = answers, default or reply(404, b"{}"), wrap
        self.sent, self.requests = 0, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.serve, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()

    def serve(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.talk, args=(sock,), daemon=True).start()

    def talk(self, sock):
        sock.settimeout(30)
        try:
            with sock:
                if self.wrap:
                    sock = self.wrap(sock)
                head = b""
                while b"\r\n\r\n" not in head and len(head) < PIECE:
                    piece = sock.recv(PIECE)
                    if not piece:
                        return
                    head += piece
                request = head.decode("latin-1")
                self.requests.append(request)
                path = request.split(" ")[1].partition("?")[0]
                self.answers.get(path, self.default)(self, sock, request)
        except OSError:
            pass
