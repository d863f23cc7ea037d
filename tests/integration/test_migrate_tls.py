"""MIGRATE with tls-cluster: to and from redis-server, whose certificates count, and what refuses."""
import pytest

from integration.test_migrate import CONNECTING, LOCAL, OK, SlowTarget, fill
from lib.resp import Error
from lib.server import REDIS, free_port
from lib.tls import Authority, TlsConnection

CANNOT_UPDATE = b" - Unable to update TLS configuration. Check server logs."


@pytest.fixture
def start_tls(start_server, authority):
    """Factory: a server with a TLS port that asks for certificates, and speaks TLS to others."""
    def start(binary=None, **directives):
        server = start_server(binary=binary, tls_port=free_port(),
                              **{**authority.server(tls_cluster="yes"), **directives})
        server.tls_port = int(server.directives["tls-port"])
        return server
    return start


@pytest.mark.parametrize("source,target", [(None, REDIS), (REDIS, None), (None, None)])
def test_there(start_tls, authority, source, target):
    source, target = start_tls(source), start_tls(target)
    with source.connect() as conn, TlsConnection(target.tls_port, authority.context("client")) as other:
        fill(conn)
        conn.cmd("SET", "big", "x" * (3 << 20))
        assert conn.cmd("MIGRATE", LOCAL, target.tls_port, "s", 0, 20000) == OK
        assert conn.cmd("MIGRATE", LOCAL, target.tls_port, "", 3, 20000, "KEYS", "l", "none", "h", "set", "z",
                        "big") == OK
        assert conn.cmd("DBSIZE") == 0
        assert other.cmd("GET", "s") == b"\0\1binary" * 1000 and 900 < other.cmd("TTL", "s") <= 1000
        other.cmd("SELECT", 3)
        assert other.cmd("LRANGE", "l", 0, -1) == [b"%d" % i for i in range(300)]
        assert other.cmd("STRLEN", "big") == 3 << 20 and other.cmd("DBSIZE") == 5


def test_many_keys(start_tls):
    """More replies than one record, and than one recv, brings."""
    source, target = start_tls(), start_tls()
    with source.connect() as conn, target.connect() as other:
        names = [f"k{i}" for i in range(20000)]
        conn.pipeline([["SET", name, "v"] for name in names])
        other.cmd("SET", "k7", "there")
        reply = conn.cmd("MIGRATE", LOCAL, target.tls_port, "", 0, 60000, "KEYS", *names)
        assert reply == Error(b"ERR Target instance replied with error: BUSYKEY Target key name already exists.")
        assert conn.cmd("KEYS", "*") == [b"k7"] and other.cmd("DBSIZE") == 20000


def test_own_certificate(start_tls, authority):
    """tls-client-cert-file, by which the target knows who comes; without it the server's is shown."""
    target = start_tls(tls_auth_clients_user="CN", requirepass="secret")
    authority.issue("by-name", "/O=Test/CN=default")
    source = start_tls()
    with source.connect() as conn:
        conn.cmd("MSET", "a", 1, "b", 2)
        assert conn.cmd("MIGRATE", LOCAL, target.tls_port, "a", 0, 20000).code() == b"ERR"
        assert conn.cmd("MIGRATE", LOCAL, target.tls_port, "a", 0, 20000, "AUTH", "secret") == OK
        files = [str(authority.path("by-name", kind)) for kind in ("crt", "key")]
        assert conn.cmd("CONFIG", "SET", "tls-client-cert-file", files[0], "tls-client-key-file", files[1]) == b"OK"
        assert conn.cmd("MIGRATE", LOCAL, target.tls_port, "b", 0, 20000) == OK


def test_who_is_not_trusted(start_tls, start_server, authority, tmp_path):
    """Neither a target of another authority, nor one that speaks no TLS, nor one that says nothing, gets a key."""
    stranger = Authority(tmp_path / "stranger")
    other = start_tls(**stranger.server(tls_auth_clients="no"))
    plain, source = start_server(), start_tls()
    with source.connect() as conn, SlowTarget() as silent:
        conn.cmd("SET", "a", 1)
        for port in (other.tls_port, plain.port):
            assert conn.cmd("MIGRATE", LOCAL, port, "a", 0, 20000) == CONNECTING
        assert "MIGRATE: no TLS with" in source.log()
        assert conn.cmd("MIGRATE", LOCAL, silent.port, "a", 0, 200) == CONNECTING
        assert conn.cmd("GET", "a") == b"1"
        assert conn.cmd("CONFIG", "SET", "tls-cluster", "no") == b"OK"
        assert conn.cmd("MIGRATE", LOCAL, plain.port, "a", 0, 20000) == OK


def test_directives(start_server, authority):
    """As for a port: without what it needs it is refused, at the start and later, and changes nothing."""
    server = start_server()
    refused = Error(b"ERR CONFIG SET failed (possibly related to argument 'tls-cluster')" + CANNOT_UPDATE)
    with server.connect() as conn:
        assert conn.cmd("CONFIG", "SET", "tls-cluster", "yes") == refused
        for name, value in authority.server().items():
            assert conn.cmd("CONFIG", "SET", name.replace("_", "-"), str(value)) == b"OK"
        assert conn.cmd("CONFIG", "SET", "tls-ca-cert-file", "", "tls-auth-clients", "no") == b"OK"
        assert conn.cmd("CONFIG", "SET", "tls-cluster", "yes") == refused, "no authority to believe"
        assert conn.cmd("CONFIG", "GET", "tls-cluster") == [b"tls-cluster", b"no"]
        assert conn.cmd("CONFIG", "SET", "tls-ca-cert-file", str(authority.ca), "tls-cluster", "yes") == b"OK"
        assert conn.cmd("CONFIG", "SET", "tls-client-cert-file", "/nonexistent", "tls-client-key-file",
                        "/nonexistent").endswith(CANNOT_UPDATE)
        assert conn.cmd("CONFIG", "SET", "tls-cluster", "no") == b"OK"
