"""HTTP for tests: raw bytes out, responses parsed by the letter, nothing of an HTTP library between."""
import json
import socket


class Response:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"Response({self.status}, {self.headers}, {self.body[:200]!r})"


class HttpConnection:
    def __init__(self, port, timeout=30, context=None):
        """`context`: of ssl, for HTTP over TLS."""
        self.sock = socket.create_connection(("127.0.0.1", int(port)), timeout)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context:
            self.sock = context.wrap_socket(self.sock)
        self.buffer = b""

    def send(self, data):
        self.sock.sendall(data)

    def _fill(self):
        data = self.sock.recv(1 << 18)
        if not data:
            raise ConnectionError("closed by the server")
        self.buffer += data

    def until(self, mark):
        """Takes bytes up to and with the mark."""
        while mark not in self.buffer:
            self._fill()
        end = self.buffer.index(mark) + len(mark)
        taken, self.buffer = self.buffer[:end], self.buffer[end:]
        return taken

    def exactly(self, size):
        while len(self.buffer) < size:
            self._fill()
        taken, self.buffer = self.buffer[:size], self.buffer[size:]
        return taken

    def head(self):
        lines = self.until(b"\r\n\r\n").decode("latin-1").split("\r\n")[:-2]
        version, status, _ = lines[0].split(" ", 2)
        assert version == "HTTP/1.1"
        headers = {}
        for line in lines[1:]:
            name, value = line.split(": ", 1)
            assert name.lower() not in headers, f"{name} twice"
            headers[name.lower()] = value
        return int(status), headers

    def read(self, method="GET"):
        status, headers = self.head()
        bodiless = method == "HEAD" or status in (204, 304) or status < 200
        body = b"" if bodiless else self.exactly(int(headers["content-length"]))
        return Response(status, headers, body)

    def request(self, method, target, body=None, **headers):
        self.send(message(method, target, body, **headers))
        return self.read(method)

    def post(self, target, value, **headers):
        return self.request("POST", target, json.dumps(value).encode(), **headers)

    def cmd(self, *args):
        return self.post("/", args).json()

    def closed(self):
        """True when the server closes and has sent nothing more."""
        try:
            return not self.buffer and self.sock.recv(1) == b""
        except ConnectionResetError:
            return True

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()


def message(method, target, body=None, **headers):
    """Headers by keyword: host="x" or if_match="y"; None leaves one out."""
    named = {"host": "localhost", **{name.replace("_", "-"): value for name, value in headers.items()}}
    if body is not None:
        named.setdefault("content-length", len(body))
    lines = [f"{method} {target} HTTP/1.1"] + [f"{name}: {value}" for name, value in named.items() if value is not None]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (body or b"")
