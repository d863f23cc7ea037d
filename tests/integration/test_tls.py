"""TLS: clients of all kinds, certificates of clients, CONFIG SET of every directive, and the ways a handshake ends."""
import os
import random
import signal
import socket
import ssl
import struct
import subprocess
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from integration.test_node import DIRECTORY
from lib.resp import Connection, Error, encode
from lib.server import free_port
from lib.tls import Authority, TlsConnection, openssl
from lib.wait import wait_until

CANNOT_UPDATE = b" - Unable to update TLS configuration. Check server logs."


@pytest.fixture
def start_tls(start_server, authority):
    """Factory: a server with a TLS port, which asks for certificates unless told otherwise."""
    def start(**directives):
        server = start_server(tls_port=free_port(), **{**authority.server(), **directives})
        server.tls_port = int(server.directives["tls-port"])
        return server
    return start


@pytest.fixture
def server(start_tls):
    return start_tls()


@pytest.fixture
def connect(server, authority):
    """Factory of connections with a client's certificate."""
    opened = []

    def connect(name="client", **more):
        opened.append(TlsConnection(server.tls_port, authority.context(name), **more))
        return opened[-1]
    yield connect
    for connection in opened:
        connection.close()


def config(server, *args):
    with server.connect() as conn:
        return conn.cmd("CONFIG", "SET", *args)


def accepted(server, context):
    """True when a client with that context is served."""
    try:
        with TlsConnection(server.tls_port, context) as conn:
            return conn.cmd("PING") == b"PONG"
    except (ssl.SSLError, ConnectionError):
        return False


@pytest.mark.smoke
def test_commands_and_pipelines(connect):
    conn = connect()
    assert conn.cmd("SET", "k", "v") == b"OK" and conn.cmd("GET", "k") == b"v"
    assert conn.pipeline([["INCR", "n"]] * 10000) == list(range(1, 10001))
    conn.send(encode(["ECHO", "x" * 3000]), chunk=7)
    assert conn.read() == b"x" * 3000


@pytest.mark.smoke
def test_redis_py(server, authority):
    cert, key = authority.issue("py")
    with redis.Redis(port=server.tls_port, ssl=True, ssl_ca_certs=str(authority.ca), ssl_certfile=str(cert),
                     ssl_keyfile=str(key), ssl_check_hostname=False) as client:
        assert client.set("k", bytes(range(256))) and client.get("k") == bytes(range(256))
        pubsub = client.pubsub()
        pubsub.subscribe("c")
        assert wait_until(lambda: client.publish("c", "m") == 1)
        assert wait_until(lambda: (pubsub.get_message() or {}).get("data") == b"m")
        client.rpush("l", "x")
        assert client.blpop("l", 1) == (b"l", b"x")
        pubsub.close()


def redis_cli(server, authority, *args, stdin=None):
    cert, key = authority.server()["tls_cert_file"], authority.server()["tls_key_file"]
    return subprocess.run(["redis-cli", "-p", str(server.tls_port), "--tls", "--cacert", authority.ca, "--cert", cert,
                           "--key", key, *args], capture_output=True, check=True, input=stdin, timeout=60).stdout


def test_redis_cli(server, authority):
    assert redis_cli(server, authority, "SET", "k", "v") == b"OK\n"
    assert redis_cli(server, authority, "-3", "HGETALL", "none") == b"\n"
    data = b"".join(encode(["SET", f"p{i}", "x" * (i % 500)]) for i in range(20000))
    assert b"errors: 0, replies: 20000" in redis_cli(server, authority, "--pipe", stdin=data)


@pytest.mark.parametrize("name", ["ioredis", "node-redis"])
def test_node_client(server, authority, node, name):
    """The whole of what these clients test, in RESP2 and RESP3."""
    authority.context("client")
    environment = {"TOKAMAK_PORT": str(server.tls_port), "TOKAMAK_CA": str(authority.ca),
                   "TOKAMAK_CERT": str(authority.path("client", "crt")),
                   "TOKAMAK_KEY": str(authority.path("client", "key"))}
    result = subprocess.run([node, "--test", "--test-concurrency=1", f"{name}.test.js"], cwd=DIRECTORY, timeout=180,
                            env={**os.environ, **environment}, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout[-6000:] + result.stderr[-2000:]
    assert "fail 0" in result.stdout


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("rsa", [False, True])
def test_versions_and_kinds_of_keys(start_tls, authority, version, rsa):
    name = "rsa" if rsa else "server"
    authority.issue(name, rsa=rsa)
    server = start_tls(**authority.server(name))
    with TlsConnection(server.tls_port, authority.context("client", version)) as conn:
        assert conn.certificate() == name
        assert conn.sock.version() == version.name.replace("_", ".")
        assert conn.cmd("PING") == b"PONG"


def receive(sock, count):
    """As many bytes: the reader of replies is slow on very long ones that come in records."""
    data = bytearray(count)
    view, at = memoryview(data), 0
    while at < count:
        got = sock.recv_into(view[at:])
        assert got, f"closed after {at} bytes"
        at += got
    return data


def test_big_values(start_tls, authority):
    """64 MB in and out, by reference; and while the client does not read, others go on."""
    server = start_tls(io_threads=1)
    value = random.Random(1).randbytes(1 << 20) * 64
    context = authority.context("client")
    with TlsConnection(server.tls_port, context, 120) as slow, TlsConnection(server.tls_port, context) as other:
        assert slow.cmd("SET", "big", value) == b"OK"
        slow.send(encode(["GET", "big"]) * 2 + encode(["PING"]))
        assert wait_until(lambda: other.cmd("CLIENT", "LIST").count(b"events=rw") >= 1, 20)
        assert other.pipeline([["INCR", "n"]] * 100)[-1] == 100
        expected = b"$%d\r\n%b\r\n" % (len(value), value) * 2 + b"+PONG\r\n"
        assert receive(slow.sock, len(expected)) == expected


def test_many_sizes(connect):
    """Around the lengths of a record, of the receive buffer and of a reference, alone and in a pipeline."""
    conn = connect()
    sizes = [n + d for n in (1, 16384, 32768, 65536, 131072, 262144) for d in (-1, 0, 1)]
    values = {size: random.Random(size).randbytes(size) for size in sizes}
    for size, value in values.items():
        assert conn.cmd("SET", size, value) == b"OK"
        assert conn.cmd("GET", size) == value
    assert conn.pipeline([["GET", size] for size in sizes] * 3) == list(values.values()) * 3
    assert conn.cmd("MGET", *sizes) == list(values.values())


def test_output_limit_holds(start_tls, authority):
    server = start_tls(client_output_buffer_limit="normal 4mb 0 0")
    context = authority.context("client")
    with TlsConnection(server.tls_port, context) as conn, server.connect() as plain:
        plain.cmd("SET", "k", "x" * (1 << 20))
        conn.send(encode(["GET", "k"]) * 100)
        assert wait_until(lambda: b"client_output_buffer_limit_disconnections:1\r\n" in plain.cmd("INFO", "stats"), 20)


def test_a_value_in_single_bytes_of_ciphertext(server, authority):
    """A client behind a line that passes one byte at a time: records arrive in pieces."""
    ours, theirs = socket.socketpair()
    with socket.create_connection(("127.0.0.1", server.tls_port)) as wire, ours, theirs:
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def drip():
            while data := theirs.recv(65536):
                for byte in data:
                    wire.sendall(bytes([byte]))

        def back():
            while data := wire.recv(65536):
                theirs.sendall(data)

        threads = [threading.Thread(target=run, daemon=True) for run in (drip, back)]
        for thread in threads:
            thread.start()
        client = authority.context("client").wrap_socket(ours)
        client.settimeout(60)
        client.sendall(encode(["SET", "k", "v" * 5000]) + encode(["STRLEN", "k"]))
        got = b""
        while len(got) < 12:
            got += client.recv(100)
        assert got == b"+OK\r\n:5000\r\n"
        for sock in (theirs, wire):
            sock.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join()
        client.detach()


def test_certificates_of_clients(server, authority, tmp_path):
    stranger = Authority(tmp_path / "stranger")
    unknown = authority.context()
    unknown.load_cert_chain(*stranger.issue("client"))
    for mode, without, other in (("yes", False, False), ("optional", True, False), ("no", True, True)):
        assert config(server, "tls-auth-clients", mode) == b"OK"
        assert accepted(server, authority.context("client"))
        assert accepted(server, authority.context()) == without, mode
        assert accepted(server, unknown) == other, mode
    assert not accepted(server, stranger.context("client")), "it trusts another authority"


def test_plain_clients_get_nothing_on_the_tls_port(server):
    with Connection(server.tls_port) as conn:
        conn.send(encode(["PING"]))
        data, closed = conn.drain()
        assert closed and b"PONG" not in data


def test_reload(server, authority, connect, tmp_path):
    """A certificate that was renewed in place: the file's name does not change."""
    old = connect()
    path = authority.path("server", "crt"), authority.path("server", "key")
    live = tmp_path / "live.crt", tmp_path / "live.key"
    for source, target in zip(path, live):
        target.write_bytes(source.read_bytes())
    files = "tls-cert-file", live[0], "tls-key-file", live[1]
    assert config(server, *files) == b"OK"
    assert connect().certificate() == "server"
    authority.issue("renewed")
    live[0].write_bytes(authority.path("renewed", "crt").read_bytes())
    live[1].write_bytes(authority.path("renewed", "key").read_bytes())
    assert connect().certificate() == "server"
    assert config(server, *files) == b"OK"
    assert connect().certificate() == "renewed"
    assert old.cmd("PING") == b"PONG" and old.certificate() == "server"


BAD = [("tls-cert-file", "/nonexistent"), ("tls-key-file", "/nonexistent"), ("tls-cert-file", ""),
       ("tls-key-file", "CA-KEY"), ("tls-ca-cert-file", "/nonexistent"), ("tls-ca-cert-file", ""),
       ("tls-ca-cert-file", "GARBAGE"), ("tls-cert-file", "GARBAGE"), ("tls-dh-params-file", "/nonexistent"),
       ("tls-dh-params-file", "GARBAGE"), ("tls-protocols", "SSLv3"), ("tls-ciphers", "NOSUCH"),
       ("tls-ciphersuites", "NOSUCH")]


@pytest.mark.parametrize("name,value", BAD)
def test_what_cannot_be_loaded_changes_nothing(server, authority, connect, tmp_path, name, value):
    (tmp_path / "garbage").write_bytes(random.Random(2).randbytes(5000))
    value = {"GARBAGE": tmp_path / "garbage", "CA-KEY": authority.path("authority", "key")}.get(value, value)
    with server.connect() as conn:
        before = conn.cmd("CONFIG", "GET", name)
        reply = conn.cmd("CONFIG", "SET", "timeout", "7", name, value)
        assert reply == Error(b"ERR CONFIG SET failed (possibly related to argument '%b')" % name.encode() +
                              CANNOT_UPDATE)
        assert conn.cmd("CONFIG", "GET", name) == before
        assert conn.cmd("CONFIG", "GET", "timeout") == [b"timeout", b"0"]
    assert connect().cmd("PING") == b"PONG"


def test_errors_are_those_of_redis(oracle, authority, tmp_path):
    """The oracle has no TLS port, so it accepts what we accept without one; and refuses a port that cannot be."""
    with oracle.connect() as conn:
        assert conn.cmd("CONFIG", "SET", "tls-cert-file", "/nonexistent") == b"OK"
        assert conn.cmd("CONFIG", "SET", "tls-port", free_port()) == Error(
            b"ERR CONFIG SET failed (possibly related to argument 'tls-port')" + CANNOT_UPDATE)
        conn.cmd("CONFIG", "SET", "tls-cert-file", "")


def test_the_port_comes_and_goes(start_server, authority):
    server = start_server()
    server.tls_port = free_port()
    with server.connect() as conn:
        failed = Error(b"ERR CONFIG SET failed (possibly related to argument 'tls-port')" + CANNOT_UPDATE)
        assert conn.cmd("CONFIG", "SET", "tls-cert-file", "/nonexistent") == b"OK", "nobody reads it yet"
        assert conn.cmd("CONFIG", "SET", "tls-port", server.tls_port) == failed
        assert conn.cmd("CONFIG", "GET", "tls-port") == [b"tls-port", b"0"]
        for name, value in authority.server().items():
            assert conn.cmd("CONFIG", "SET", name.replace("_", "-"), value) == b"OK"
        assert conn.cmd("CONFIG", "SET", "tls-port", server.tls_port) == b"OK"
        assert accepted(server, authority.context("client"))
        assert conn.cmd("CONFIG", "SET", "tls-cert-file", authority.path("server", "crt"), "tls-port", 0) == b"OK"
        with pytest.raises(ConnectionRefusedError):
            Connection(server.tls_port)
        assert conn.cmd("CONFIG", "SET", "tls-port", server.tls_port) == b"OK"
        assert accepted(server, authority.context("client"))
        assert conn.cmd("CONFIG", "SET", "port", 0) == b"OK"
        with TlsConnection(server.tls_port, authority.context("client")) as tls:
            assert b"tcp_port:%d\r\n" % server.tls_port in tls.cmd("INFO", "server")
            assert tls.cmd("CONFIG", "SET", "port", server.port) == b"OK"


@pytest.mark.parametrize("missing,message", [("tls-cert-file", "No tls-cert-file configured!"),
                                             ("tls-key-file", "No tls-key-file configured!"),
                                             ("tls-ca-cert-file", "Either tls-ca-cert-file or tls-ca-cert-dir must be")])
def test_no_start_without(server, authority, missing, message):
    """Redis's words, and the status 1."""
    directives = {**authority.server(), missing.replace("-", "_"): ""}
    line = [server.binary, "--port", "0", "--tls-port", str(free_port()), "--save", ""]
    for name, value in directives.items():
        line += ["--" + name.replace("_", "-"), str(value)]
    result = subprocess.run(line, capture_output=True, text=True, timeout=60)
    assert result.returncode == 1 and message in result.stdout


def test_protocols_and_ciphers(server, authority):
    versions = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
    for protocols, expected in (("TLSv1.2", (True, False)), ("TLSv1.3", (False, True)), ("tlsv1.2 TLSv1.3", (True, True)),
                                ("", (True, True))):
        assert config(server, "tls-protocols", protocols) == b"OK"
        assert tuple(accepted(server, authority.context("client", v)) for v in versions) == expected, protocols
    one, two = "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384"
    context = authority.context("client", ssl.TLSVersion.TLSv1_2)
    context.set_ciphers(f"{one}:{two}")
    for ciphers, prefer, expected in ((f"{two}:{one}", "no", one), (f"{two}:{one}", "yes", two), (two, "no", two)):
        assert config(server, "tls-ciphers", ciphers, "tls-prefer-server-ciphers", prefer) == b"OK"
        with TlsConnection(server.tls_port, context) as conn:
            assert conn.sock.cipher()[0] == expected
    assert config(server, "tls-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256") == b"OK"
    with TlsConnection(server.tls_port, authority.context("client", ssl.TLSVersion.TLSv1_3)) as conn:
        assert conn.sock.cipher()[0] == "TLS_CHACHA20_POLY1305_SHA256"


def test_encrypted_key(server, authority, connect, tmp_path):
    path = tmp_path / "encrypted.key"
    openssl("ec", "-in", authority.path("server", "key"), "-out", path, "-aes256", "-passout", "pass:1234")
    assert config(server, "tls-key-file", path).endswith(CANNOT_UPDATE)
    assert config(server, "tls-key-file", path, "tls-key-file-pass", "1235").endswith(CANNOT_UPDATE)
    assert config(server, "tls-key-file", path, "tls-key-file-pass", "1234") == b"OK"
    assert connect().cmd("PING") == b"PONG"
    with server.connect() as conn:
        assert "1234" not in server.log()
        assert conn.cmd("CONFIG", "SET", "tls-key-file-pass", "").endswith(CANNOT_UPDATE)


def test_dh_params(server, authority, tmp_path):
    path = tmp_path / "dh.pem"
    openssl("genpkey", "-genparam", "-algorithm", "DH", "-pkeyopt", "group:ffdhe2048", "-out", path)
    authority.issue("rsa", rsa=True)
    assert config(server, "tls-dh-params-file", path, "tls-cert-file", authority.path("rsa", "crt"), "tls-key-file",
                  authority.path("rsa", "key"), "tls-protocols", "TLSv1.2") == b"OK"
    context = authority.context("client", ssl.TLSVersion.TLSv1_2)
    context.set_ciphers("DHE-RSA-AES128-GCM-SHA256")
    assert accepted(server, context)


def test_sessions_are_taken_up_again(server, authority):
    context = authority.context("client", ssl.TLSVersion.TLSv1_2)

    def reused(session=None):
        with TlsConnection(server.tls_port, context, session=session) as conn:
            assert conn.cmd("PING") == b"PONG"
            return conn.sock.session_reused, conn.sock.session

    assert reused(reused()[1])[0]
    old = reused()[1]
    assert config(server, "tls-session-cache-size", "100") == b"OK"
    assert not reused(old)[0], "a new context knows no old session"
    assert config(server, "tls-session-caching", "no") == b"OK"
    assert not reused(reused()[1])[0]


def test_authority_directory(server, authority, tmp_path):
    hashed = openssl("x509", "-hash", "-noout", "-in", authority.ca).decode().strip()
    (tmp_path / f"{hashed}.0").write_bytes(authority.ca.read_bytes())
    assert config(server, "tls-ca-cert-file", "", "tls-ca-cert-dir", tmp_path) == b"OK"
    assert accepted(server, authority.context("client"))
    assert not accepted(server, authority.context())


def test_user_of_the_certificate(start_tls, authority):
    """The common name is the user, if it is one and on; anybody else still has to log in."""
    server = start_tls(tls_auth_clients_user="CN", requirepass="secret", tls_auth_clients="optional")
    with server.connect() as admin:
        assert admin.cmd("AUTH", "secret") == b"OK"
        assert admin.cmd("ACL", "SETUSER", "ann", "on", "+@all", "~ann:*") == b"OK"
        assert admin.cmd("ACL", "SETUSER", "off", "off", "+@all", "~*") == b"OK"
    for name, subject, user in (("by-name", "/O=Test/CN=default", b"default"), ("ann", "/O=Test/CN=ann", b"ann"),
                                ("off", "/O=Test/CN=off", None), ("other", "/O=Test/CN=nobody", None),
                                ("nameless", "/O=default", None), (None, None, None)):
        if name:
            authority.issue(name, subject)
        with TlsConnection(server.tls_port, authority.context(name)) as conn:
            if user:
                assert conn.cmd("ACL", "WHOAMI") == user
                assert b" user=%b " % user in conn.cmd("CLIENT", "INFO")
            else:
                assert conn.cmd("ACL", "WHOAMI").code() == b"NOAUTH"
            if user == b"ann":
                assert conn.cmd("SET", "ann:k", "v") == b"OK" and conn.cmd("SET", "k", "v").code() == b"NOPERM"
            assert conn.cmd("AUTH", "secret") == b"OK" and conn.cmd("ACL", "WHOAMI") == b"default"
    with server.connect() as conn:
        assert conn.cmd("PING").code() == b"NOAUTH"
        conn.cmd("AUTH", "secret")
        assert conn.cmd("CONFIG", "SET", "tls-auth-clients-user", "off") == b"OK"
    with TlsConnection(server.tls_port, authority.context("by-name")) as conn:
        assert conn.cmd("PING").code() == b"NOAUTH"


def test_killed_in_the_middle(server, authority, connect):
    """CLIENT KILL of clients with unread input, unsent output, and of one that has said goodbye."""
    admin = connect()
    admin.cmd("SET", "k", "x" * (1 << 22))
    for round_ in range(10):
        victim = connect()
        number = victim.cmd("CLIENT", "ID")
        victim.send(encode(["GET", "k"]) * 20 + encode(["SET", "x", "y" * 100])[:-50])
        assert admin.cmd("CLIENT", "KILL", "ID", number) == 1
        assert wait_until(lambda n=number: admin.cmd("CLIENT", "LIST", "ID", n) == b"")
        victim.plain.close() if round_ % 2 else victim.close()


def test_goodbye(server, connect):
    """close_notify: what came before it is answered, then the connection ends, also when TCP stays open."""
    conn = connect()
    assert conn.pipeline([["SET", "k", "v"], ["GET", "k"]]) == [b"OK", b"v"]
    plain = conn.sock.unwrap()
    assert plain.recv(1) == b""
    with server.connect() as other:
        assert wait_until(lambda: other.cmd("CLIENT", "LIST").count(b"\n") == 1)


def test_dripping_handshakes_end(server):
    """Nothing, or a handshake of one byte a second, ends after ten seconds; a crowd of them stops nobody."""
    hello = make_hello()
    crowd = [socket.create_connection(("127.0.0.1", server.tls_port)) for _ in range(50)]
    began = time.monotonic()
    try:
        with server.connect() as conn:
            for i in range(6):
                for sock in crowd[:25]:
                    sock.sendall(hello[i:i + 1])
                assert conn.cmd("PING") == b"PONG"
                time.sleep(0.5)
            assert b"connected_clients:51\r\n" in conn.cmd("INFO", "clients")
            assert wait_until(lambda: b"connected_clients:1\r\n" in conn.cmd("INFO", "clients"), 30)
            assert time.monotonic() - began > 9
    finally:
        for sock in crowd:
            sock.close()


def make_hello():
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing).do_handshake()
    return outgoing.read()


def garbage(rng, hello):
    """Bytes that are no handshake, or nearly one."""
    kind = rng.randrange(5)
    if kind == 0:
        return rng.randbytes(rng.randrange(1, 3000))
    if kind == 1:
        return encode(["PING"]) * rng.randrange(1, 100)
    if kind == 2:
        return hello[:rng.randrange(len(hello))]
    data = bytearray(hello)
    for _ in range(rng.randrange(1, 8)):
        data[rng.randrange(len(data))] = rng.randrange(256)
    return bytes(data) + (rng.randbytes(rng.randrange(500)) if kind == 3 else b"")


def test_garbage(server, authority, connect):
    """A storm of broken handshakes, and of broken records after good ones, beside a client that must not notice."""
    rng, hello = random.Random(3), make_hello()
    witness = connect()
    for i in range(600):
        with socket.create_connection(("127.0.0.1", server.tls_port), 10) as sock:
            sock.sendall(garbage(rng, hello))
            if i % 3 == 0:
                sock.settimeout(0.01)
                try:
                    sock.recv(100)
                except OSError:
                    pass
        if i % 20 == 0:
            conn = connect()
            conn.cmd("PING")
            record = bytearray(b"\x17\x03\x03\x00\x40" + rng.randbytes(64))
            record[rng.randrange(5)] ^= 1 << rng.randrange(8)
            conn.plain = socket.socket(fileno=conn.sock.detach())
            conn.plain.sendall(bytes(record) + rng.randbytes(rng.randrange(70000)))
            conn.sock = conn.plain
        assert witness.cmd("INCR", "n") == i + 1
    with server.connect() as plain:
        assert wait_until(lambda: plain.cmd("CLIENT", "LIST").count(b"\n") <= 2 + 30, 20)
        assert plain.cmd("PING") == b"PONG"


def test_a_storm_of_handshakes(start_tls, authority):
    """Hundreds at once: each is served, and others are meanwhile."""
    server = start_tls(io_threads=1)
    context, failures = authority.context("client"), []

    def crowd():
        try:
            for _ in range(25):
                with TlsConnection(server.tls_port, context, 60) as conn:
                    assert conn.cmd("PING") == b"PONG"
        except (OSError, AssertionError) as failure:
            failures.append(failure)

    threads = [threading.Thread(target=crowd) for _ in range(8)]
    with server.connect() as conn:
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            assert conn.cmd("PING") == b"PONG"
        for thread in threads:
            thread.join()
        assert not failures
        assert wait_until(lambda: b"connected_clients:1\r\n" in conn.cmd("INFO", "clients"))


def processor_ns(server, name):
    """Time on the processor of the threads with that name and a number."""
    return sum(int((path / "schedstat").read_text().split()[0]) for path in Path(f"/proc/{server.pid}/task").iterdir()
               if (path / "comm").read_text().startswith(name + "-"))


@pytest.mark.release
def test_handshakes_hold_no_reactor(start_tls, authority):
    """Workers calculate. A signature by RSA takes a multiple of all that reactors have to do with a connection."""
    authority.issue("rsa", rsa=True)
    server = start_tls(**authority.server("rsa"), io_threads=1)
    context = authority.context("client")
    before = [processor_ns(server, name) for name in ("reactor", "worker")]
    for _ in range(50):
        with TlsConnection(server.tls_port, context) as conn:
            assert conn.cmd("PING") == b"PONG"
    after = [processor_ns(server, name) for name in ("reactor", "worker")]
    assert after[0] - before[0] < after[1] - before[1]


def test_more_handshakes_than_are_done_at_once(start_tls):
    """All begin in one moment; every other one is gone when its turn comes. The rest is answered."""
    server, hello = start_tls(io_threads=1), make_hello()
    with server.connect() as conn:
        for _ in range(3):
            crowd = [socket.create_connection(("127.0.0.1", server.tls_port), 60) for _ in range(100)]
            for sock in crowd:
                sock.sendall(hello)
            for sock in crowd[::2]:
                sock.close()
            for sock in crowd[1::2]:
                assert sock.recv(1) == b"\x16"
                sock.close()
            assert conn.cmd("PING") == b"PONG"
        assert wait_until(lambda: b"connected_clients:1\r\n" in conn.cmd("INFO", "clients"), 20)


@contextmanager
def all_at_once(server, hello, count):
    """So many connections that all say hello in the same moment, when the block ends."""
    crowd = [socket.create_connection(("127.0.0.1", server.tls_port), 60) for _ in range(count)]
    with server.connect() as conn:
        assert wait_until(lambda: conn.cmd("CLIENT", "LIST").count(b"\n") > count, 20)
    os.kill(server.pid, signal.SIGSTOP)
    try:
        for sock in crowd:
            sock.sendall(hello)
        yield crowd
    finally:
        os.kill(server.pid, signal.SIGCONT)


def test_stop_during_handshakes(start_tls, authority):
    """More of them than are done at once: those that wait never begin."""
    authority.issue("rsa", rsa=True)
    server = start_tls(**authority.server("rsa"), io_threads=1)
    with all_at_once(server, make_hello(), 200) as crowd:
        pass
    server.stop()
    for sock in crowd:
        sock.close()


def test_reset_before_its_handshake(start_tls, authority):
    """Who is gone when its turn comes, with bytes left in its socket, is neither looked at all the time nor calculated
    for."""
    authority.issue("rsa", rsa=True)
    server, hello = start_tls(**authority.server("rsa"), io_threads=1), make_hello()
    with server.connect() as conn:
        alone = b"connected_clients:1\r\n"
        spent = []
        for reset in (False, True):
            before = processor_ns(server, "worker")
            with all_at_once(server, hello, 200) as crowd:
                for sock in crowd if reset else []:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    sock.close()
            for sock in crowd if not reset else []:
                assert sock.recv(1) == b"\x16"
                sock.close()
            assert wait_until(lambda: alone in conn.cmd("INFO", "clients"), 20)
            spent.append(processor_ns(server, "worker") - before)
        assert spent[1] < spent[0] / 2


def test_a_handshake_beside_a_long_script(start_tls, authority):
    """The only reactor is inside the script: who wants to end it has yet to come in."""
    server = start_tls(io_threads=1, busy_reply_threshold=50)
    with server.connect() as slow, TlsConnection(server.tls_port, authority.context("client")) as early:
        slow.send(encode(["EVAL", "while true do end", 0]))
        assert wait_until(lambda: isinstance(early.cmd("PING"), Error), 20)
        with TlsConnection(server.tls_port, authority.context("client"), 60) as late:
            assert late.cmd("PING").code() == b"BUSY"
            assert late.cmd("SCRIPT", "KILL") == b"OK"
        assert isinstance(slow.read(), Error)


def test_reload_during_a_storm(start_tls, authority):
    server = start_tls(io_threads=4)
    context, stop, failures, served = authority.context("client"), threading.Event(), [], []

    def crowd():
        try:
            while not stop.is_set():
                with TlsConnection(server.tls_port, context, 60) as conn:
                    assert conn.pipeline([["PING"]] * 50) == [b"PONG"] * 50
                    served.append(1)
        except (OSError, AssertionError) as failure:
            failures.append(failure)

    threads = [threading.Thread(target=crowd) for _ in range(4)]
    for thread in threads:
        thread.start()
    with server.connect() as conn:
        for _ in range(50):
            assert conn.cmd("CONFIG", "SET", "tls-cert-file", authority.path("server", "crt")) == b"OK"
            assert conn.cmd("CONFIG", "SET", "tls-cert-file", "/nonexistent").endswith(CANNOT_UPDATE)
        assert wait_until(lambda: len(served) > 20, 30)
    stop.set()
    for thread in threads:
        thread.join()
    assert not failures


@pytest.mark.release
def test_idle_connections_are_small(start_tls, authority):
    server = start_tls(io_threads=1, tls_session_caching="no")
    context = authority.context("client")

    def crowd(count):
        connections = [TlsConnection(server.tls_port, context) for _ in range(count)]
        for connection in connections:
            assert connection.pipeline([["ECHO", "x" * 5000]] * 5)
        return connections

    connections = crowd(50)
    before = server.rss_kb()
    connections += crowd(200)
    each = (server.rss_kb() - before) / 200
    for connection in connections:
        connection.close()
    assert each < 48, f"{each} KB per idle connection"
