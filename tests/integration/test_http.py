"""HTTP: REST, /kv, events, health, over raw sockets."""
import base64
import json
import subprocess
import threading
import time
from pathlib import Path

import pytest

from lib import rdb
from lib.http import message
from lib.resp import encode
from lib.server import free_port
from lib.wait import wait_until

pytestmark = pytest.mark.tokamak


@pytest.mark.smoke
def test_commands(http):
    assert http.cmd("SET", "k", "v\u00e9") == {"result": "OK"}
    assert http.cmd("GET", "k") == {"result": "v\u00e9"}
    assert http.cmd("GET", "none") == {"result": None}
    assert http.cmd("HSET", "h", "f", 1, "g", 2.5) == {"result": 2}
    assert http.cmd("HGETALL", "h") == {"result": ["f", "1", "g", "2.5"]}
    assert http.cmd("EVAL", "return {1,{2,{}},'x'}", 0) == {"result": [1, [2, []], "x"]}
    wrong = http.post("/", ["INCR", "h"])
    assert (wrong.status, wrong.json()) == (
        400, {"error": "WRONGTYPE Operation against a key holding the wrong kind of value"})
    assert http.post("/", ["NOSUCH"]).status == 400


def test_paths(http):
    assert http.request("GET", "/set/a%2Fb/x%20y?EX=100&NX").json() == {"result": "OK"}
    assert http.cmd("GET", "a/b") == {"result": "x y"}
    assert 0 < http.cmd("TTL", "a/b")["result"] <= 100
    assert http.request("POST", "/set/c?ex=50", b"a\r\n\0\xff").json() == {"result": "OK"}
    assert http.request("GET", "/get/c", upstash_encoding="base64").json()["result"] == \
        base64.b64encode(b"a\r\n\0\xff").decode()
    assert http.request("GET", "/get/%zz").status == 400
    assert http.request("GET", "/get/%2").status == 400
    assert http.request("GET", "/set/e/").json() == {"result": "OK"}
    assert http.cmd("GET", "e") == {"result": ""}
    assert http.cmd("GET", "..")["result"] is None and http.request("GET", "/get/..").json() == {"result": None}


def test_pipeline(http):
    answers = http.post("/pipeline", [["SET", "a", 1], ["INCR", "a"], ["LPUSH", "a", "x"], ["GET", "none"]]).json()
    assert answers[:2] == [{"result": "OK"}, {"result": 2}] and "WRONGTYPE" in answers[2]["error"]
    assert answers[3] == {"result": None}
    many = http.post("/pipeline", [["RPUSH", "l", i] for i in range(1000)]).json()
    assert many == [{"result": i + 1} for i in range(1000)]


def test_multi_exec(http):
    answers = http.post("/multi-exec", [["SET", "a", 1], ["INCR", "a"], ["LPUSH", "a", "x"]])
    assert answers.status == 200 and answers.json()[:2] == [{"result": "OK"}, {"result": 2}]
    assert "error" in answers.json()[2]
    aborted = http.post("/multi-exec", [["SET", "b", 1], ["NOSUCH"]])
    assert aborted.status == 400 and aborted.json()["error"].startswith("EXECABORT")
    assert http.cmd("EXISTS", "b") == {"result": 0}
    assert http.cmd("PING") == {"result": "PONG"}


def test_multi_exec_without_the_right_to_multi_runs_nothing(http_server):
    with http_server.connect() as conn, http_server.connect_http() as http:
        conn.cmd("ACL", "SETUSER", "u", "on", ">p", "~*", "+@all", "-multi")
        refused = http.post("/multi-exec", [["SET", "a", 1]], authorization="Bearer u:p")
        assert refused.status == 403
        assert conn.cmd("EXISTS", "a") == 0


@pytest.mark.parametrize("command", [["SELECT", 1], ["multi"], ["SUBSCRIBE", "x"], ["CLIENT", "REPLY", "OFF"],
                                     ["AUTH", "x"], ["HELLO", 3], ["WATCH", "k"], ["MONITOR"], ["QUIT"], ["RESET"]])
def test_commands_that_need_a_session(http, command):
    for target, value in (("/", command), ("/pipeline", [["SET", "k", 1], command])):
        refused = http.post(target, value)
        assert refused.status == 400 and "not available" in refused.json()["error"]
    assert http.cmd("EXISTS", "k") == {"result": 0}


@pytest.mark.parametrize("body", [b"", b"{}", b"[", b"[]", b'["GET"', b'["GET",null]', b'["GET","\xff"]',
                                  b'["GET","\\ud800"]', b'[["GET","a"]]', b'["SET","k","v"]x', b"[" * 100000])
def test_bad_json(http, body):
    refused = http.request("POST", "/", body)
    assert refused.status == 400 and "error" in refused.json()
    assert http.cmd("DBSIZE") == {"result": 0}


def test_databases(http):
    http.post("/?db=3", ["SET", "k", "three"])
    assert http.cmd("GET", "k") == {"result": None}
    assert http.request("GET", "/get/k?db=3").json() == {"result": "three"}
    assert http.request("GET", "/kv/k?db=3").body == b"three"
    for bad in ("16", "-1", "x", ""):
        assert http.request("GET", f"/get/k?db={bad}").status == 400


# ---- waiting, and running elsewhere ----

@pytest.mark.smoke
def test_a_command_that_waits(http_server):
    with http_server.connect() as conn, http_server.connect_http() as http:
        http.send(message("POST", "/pipeline", b'[["SET","a",1],["BLPOP","q",0],["INCR","a"],["BLPOP","q","0.01"]]')
                  + message("GET", "/get/a"))
        assert wait_until(lambda: b"blocked_clients:1" in conn.cmd("INFO", "clients"))
        assert conn.cmd("GET", "a") == b"1"
        conn.cmd("RPUSH", "q", "x")
        assert http.read().json() == [{"result": "OK"}, {"result": ["q", "x"]}, {"result": 2}, {"result": None}]
        assert http.read().json() == {"result": "2"}


def test_a_client_that_goes_while_it_waits(http_server):
    with http_server.connect() as conn:
        with http_server.connect_http() as http:
            http.send(message("POST", "/", b'["BLPOP","q",0]'))
            assert wait_until(lambda: b"blocked_clients:1" in conn.cmd("INFO", "clients"))
        assert wait_until(lambda: b"blocked_clients:0" in conn.cmd("INFO", "clients"))


def test_commands_on_the_worker_pool(start_server):
    server = start_server(http_port=free_port(), slow_command_threshold=10)
    with server.connect() as conn, server.connect_http() as http:
        conn.cmd("RPUSH", "l", *range(1000))
        conn.cmd("SADD", "s", *range(1000))
        everything = [str(i) for i in range(1000)]
        answers = http.post("/pipeline", [["LRANGE", "l", 0, -1], ["SUNIONSTORE", "d", "s"], ["SCARD", "d"]] * 5).json()
        assert answers == [{"result": everything}, {"result": 1000}, {"result": 1000}] * 5
        answers = http.post("/multi-exec", [["LRANGE", "l", 0, -1], ["LLEN", "l"]]).json()
        assert answers == [{"result": everything}, {"result": 1000}]


def test_a_pipeline_that_waits_often_is_read_once(http_server):
    """Processor time, since the machine may be busy: 300 commands that wait do not read a body of 4 MB 300 times."""
    def cpu_of(commands):
        before = conn.cmd("INFO", "cpu").decode()
        assert len(http.post("/pipeline", commands).json()) == len(commands)
        after = conn.cmd("INFO", "cpu").decode()
        seconds = [[float(line.split(":")[1]) for line in text.split() if line.startswith(("used_cpu_user:", "used_cpu_sys:"))]
                   for text in (before, after)]
        return sum(seconds[1]) - sum(seconds[0])

    with http_server.connect() as conn, http_server.connect_http() as http:
        long = [["SET", "k", "x" * 1000]] * 4000
        once = cpu_of(long) + cpu_of([["WAIT", 1, 1]] * 300)
        assert cpu_of([["WAIT", 1, 1]] * 300 + long) < 4 * once + 0.2


def test_replies_that_pass_the_output_limit(http_server):
    """They are bounded while they are made, and who asked is told."""
    with http_server.connect() as conn, http_server.connect_http() as http:
        conn.cmd("CONFIG", "SET", "client-output-buffer-limit", "normal 1mb 0 0")
        conn.cmd("SET", "v", "x" * 100_000)
        assert len(http.post("/pipeline", [["GET", "v"]] * 5).json()) == 5
        refused = http.post("/pipeline", [["INCR", "n"], ["GET", "v"]] * 1000)
        assert refused.status == 507 and refused.headers["connection"] == "close" and http.closed()
        assert 0 < int(conn.cmd("GET", "n")) < 1000
        assert "client_output_buffer_limit_disconnections:1" in conn.cmd("INFO", "stats").decode()


def waiting_client(conn):
    """{field: value} of the HTTP client whose command waits, as CLIENT LIST shows it."""
    lines = [line for line in conn.cmd("CLIENT", "LIST").decode().splitlines() if " flags=b " in line]
    return dict(part.split("=", 1) for part in lines[0].split()) if lines else None


GATHERS = [["GET", "v"]] * 20 + [["BLPOP", "q", 0], ["GET", "v"], ["BLPOP", "q", 0]]


def test_gathered_replies_count_as_output(http_server):
    """What waits for the rest of its message is the client's memory; it is none when the message is answered."""
    with http_server.connect() as conn, http_server.connect_http() as http:
        conn.cmd("SET", "v", "x" * 100_000)
        http.send(message("POST", "/pipeline", json.dumps(GATHERS).encode()))
        assert wait_until(lambda: waiting_client(conn))
        assert int(waiting_client(conn)["omem"]) >= 2_000_000 and int(waiting_client(conn)["tot-mem"]) >= 2_000_000
        assert "client_recent_max_output_buffer:20" in conn.cmd("INFO", "clients").decode()
        conn.cmd("RPUSH", "q", "x")
        assert wait_until(lambda: waiting_client(conn) and int(waiting_client(conn)["omem"]) >= 2_100_000)
        conn.cmd("RPUSH", "q", "y")
        assert len(http.read().json()) == len(GATHERS)
        assert "client_recent_max_output_buffer:0\r" in conn.cmd("INFO", "clients").decode()


@pytest.mark.parametrize("limit", [("client-output-buffer-limit", "normal 0 1mb 1"), ("maxmemory-clients", "1mb")])
def test_who_gathers_too_much_is_closed(http_server, limit):
    with http_server.connect() as conn, http_server.connect_http() as http, http_server.connect_http() as small:
        conn.cmd("SET", "v", "x" * 100_000)
        for connection, commands in (http, GATHERS), (small, GATHERS[-3:]):
            connection.send(message("POST", "/pipeline", json.dumps(commands).encode()))
        assert wait_until(lambda: b"blocked_clients:2" in conn.cmd("INFO", "clients"))
        conn.cmd("CONFIG", "SET", *limit)
        conn.cmd("RPUSH", "q", "a", "b")  # the longer waits first: it gathers more, and waits again
        assert http.closed()
        conn.cmd("RPUSH", "q", "c", "d")
        assert len(small.read().json()) == 3


def test_exclusive_commands_beside_others(http_server):
    failures = []

    def hammer(number):
        with http_server.connect_http() as http:
            for i in range(100):
                answers = http.post("/pipeline", [["SET", f"k{number}", i], ["EVAL", "return redis.call('GET', KEYS[1])", 1,
                                                  f"k{number}"], ["SCRIPT", "EXISTS", "x"]]).json()
                if answers[1] != {"result": str(i)}:
                    failures.append(answers)
    threads = [threading.Thread(target=hammer, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


# ---- /kv ----

@pytest.mark.smoke
def test_kv(http):
    value = bytes(range(256))
    assert http.request("GET", "/kv/k").status == 404
    assert http.request("PUT", "/kv/k", value).status == 204
    got = http.request("GET", "/kv/k")
    assert (got.status, got.body) == (200, value) and "x-ttl" not in got.headers
    assert got.headers["etag"].strip('"') == http.cmd("DIGEST", "k")["result"]
    head = http.request("HEAD", "/kv/k")
    assert head.status == 200 and head.headers["content-length"] == "256" and head.headers["etag"] == got.headers["etag"]
    assert http.request("DELETE", "/kv/k").status == 204
    assert http.request("DELETE", "/kv/k").status == 404
    assert http.request("PUT", "/kv/", b"x").status == 400
    assert http.request("POST", "/kv/k", b"x").status == 405


def test_kv_sizes(http):
    for size in (0, 1, 999, 1000, 16384, 16385, 32767, 32768, 100000, 3_000_000):
        value = (b"0123456789abcdef" * (size // 16 + 1))[:size]
        assert http.request("PUT", "/kv/k", value).status == 204
        assert http.request("GET", "/kv/k").body == value
    http.cmd("SET", "n", 12345)
    assert http.request("GET", "/kv/n").body == b"12345"


def test_kv_time_to_live(http):
    assert http.request("PUT", "/kv/k?ttl=100", b"x").status == 204
    assert 0 < int(http.request("GET", "/kv/k").headers["x-ttl"]) <= 100
    assert http.request("PUT", "/kv/k?px=50000", b"x").status == 204
    assert 0 < int(http.request("GET", "/kv/k").headers["x-ttl-ms"]) <= 50000
    assert http.request("PUT", "/kv/k", b"x", x_ttl=70).status == 204
    assert 60 < int(http.request("GET", "/kv/k").headers["x-ttl"]) <= 70
    for bad in ("ttl=0", "ttl=-1", "ttl=x", "px=1.5", "ttl=99999999999999999"):
        assert http.request("PUT", f"/kv/k?{bad}", b"new").status == 400
    assert http.request("GET", "/kv/k").body == b"x"


def test_kv_conditions(http):
    assert http.request("PUT", "/kv/k", b"1", if_match='"*"').status == 412
    assert http.request("PUT", "/kv/k", b"1", if_match="*").status == 412
    assert http.request("PUT", "/kv/k", b"1", if_none_match="*").status == 204
    assert http.request("PUT", "/kv/k", b"2", if_none_match="*").status == 412
    tag = http.request("GET", "/kv/k").headers["etag"]
    assert http.request("GET", "/kv/k", if_none_match=f'"x", {tag}').status == 304
    assert http.request("GET", "/kv/k", if_none_match='"x"').status == 200
    assert http.request("GET", "/kv/k", if_match='"0000000000000000"').status == 412
    assert http.request("PUT", "/kv/k", b"2", if_match=tag).status == 204
    assert http.request("PUT", "/kv/k", b"3", if_match=tag).status == 412
    assert http.request("DELETE", "/kv/k", if_match=tag).status == 412
    assert http.request("GET", "/kv/k").body == b"2"
    assert http.request("PUT", "/kv/k", b"3", if_none_match=tag).status == 204
    new = http.request("GET", "/kv/k").headers["etag"]
    assert http.request("DELETE", "/kv/k", if_match=new).status == 204


def test_kv_conditions_that_cannot_be_read_change_nothing(http):
    http.request("PUT", "/kv/k", b"1")
    weak = "W/" + http.request("GET", "/kv/k").headers["etag"]
    for header in ({"if_none_match": "junk"}, {"if_none_match": ""}, {"if_match": "junk"}, {"if_none_match": 'W/"'}):
        assert http.request("PUT", "/kv/k", b"2", **header).status == 400
        assert http.request("DELETE", "/kv/k", **header).status == 400
    assert http.request("PUT", "/kv/k", b"2", if_none_match=weak).status == 412
    assert http.request("PUT", "/kv/k", b"2", if_match=weak).status == 412
    assert http.request("DELETE", "/kv/k", if_match=weak).status == 412
    assert http.request("DELETE", "/kv/k", if_none_match="*").status == 400
    assert http.request("GET", "/kv/k").body == b"1"
    assert http.request("PUT", "/kv/k", b"2", if_none_match='W/"0000000000000000"').status == 204


def test_parameters_that_cannot_be_read_change_nothing(http):
    for target in ("/kv/k?ttl=%zz", "/kv/k?px=%1", "/kv/k?db=%zz", "/kv/k?ttl=10&px=10"):
        assert http.request("PUT", target, b"x").status == 400, target
    assert http.request("GET", "/set/k/v?db=%zz").status == 400
    assert http.cmd("DBSIZE") == {"result": 0}


def test_kv_of_another_type(http):
    http.cmd("RPUSH", "l", 1)
    assert http.request("GET", "/kv/l").status == 409


def test_kv_compare_and_set_counts_every_step(http_server):
    """Many writers with If-Match: no step is lost."""
    def work():
        with http_server.connect_http() as http:
            for _ in range(25):
                while True:
                    got = http.request("GET", "/kv/n")
                    put = http.request("PUT", "/kv/n", str(int(got.body) + 1).encode(), if_match=got.headers["etag"])
                    if put.status == 204:
                        break
                    assert put.status == 412
    with http_server.connect_http() as http:
        http.request("PUT", "/kv/n", b"0")
        threads = [threading.Thread(target=work) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert http.request("GET", "/kv/n").body == b"150"


def test_kv_value_and_time_to_live_are_of_one_moment(start_server):
    """Each writer's value says its time to live: no response mixes two of them."""
    server = start_server(http_port=free_port(), io_threads=2)
    times, done, wrong = {b"none": None, b"short": 100, b"long": 5000}, threading.Event(), []

    batch = b"".join(encode(["SET", "k", value, *(["EX", seconds] if seconds else [])]) for value, seconds in times.items()) * 1000

    def write():
        with server.connect() as conn:
            while not done.is_set():
                conn.send(batch)
                left = 3000 * len(b"+OK\r\n")
                while left:
                    left -= len(conn.sock.recv(left))

    def read(http, **headers):
        http.send(message("GET", "/kv/k", **headers) * 200)
        for _ in range(200):
            got = http.read()
            left, want = got.headers.get("x-ttl"), times[got.body]
            if (left is None) != (want is None) or (left and not want - 60 < int(left) < want + 60):
                wrong.append((got.body, left))

    with server.connect() as conn, server.connect_http() as http, server.connect_http() as limited:
        conn.cmd("SET", "k", "none")
        conn.cmd("ACL", "SETUSER", "u", "on", ">p", "~*", "+get", "+pttl")
        writers = [threading.Thread(target=write) for _ in range(2)]
        for writer in writers:
            writer.start()
        for _ in range(150):
            read(http)
            read(limited, authorization="Bearer u:p")
        done.set()
        for writer in writers:
            writer.join()
        for value, seconds in times.items():
            http.request("PUT", "/kv/k", value, **({"x_ttl": seconds} if seconds else {}))
            read(http)
    assert not wrong


def test_kv_tells_the_time_to_live_to_whoever_may_know_it(http_server):
    with http_server.connect() as conn, http_server.connect_http() as http:
        conn.cmd("SET", "k", "v", "EX", 1000)
        conn.cmd("SET", "long", "v" * 100000, "EX", 1000)
        conn.cmd("ACL", "SETUSER", "reads", "on", ">p", "~*", "+get")
        conn.cmd("ACL", "SETUSER", "knows", "on", ">p", "~*", "+get", "+pttl")
        for key in "k", "long":
            assert "x-ttl" not in http.request("GET", f"/kv/{key}", authorization="Bearer reads:p").headers
            assert 900 < int(http.request("GET", f"/kv/{key}", authorization="Bearer knows:p").headers["x-ttl"]) <= 1000
            assert 900 < int(http.request("GET", f"/kv/{key}").headers["x-ttl"]) <= 1000
        assert "x-ttl" not in http.request("GET", "/kv/none").headers


# ---- connections ----

def test_pipelining_and_chunking(http_server):
    data = b"".join(message("POST", "/", json.dumps(["RPUSH", "l", i]).encode()) for i in range(50))
    for size in (1, 7, 1000, len(data)):
        with http_server.connect() as conn, http_server.connect_http() as http:
            conn.cmd("DEL", "l")
            for at in range(0, len(data), size):
                http.send(data[at:at + size])
            assert [http.read().json()["result"] for _ in range(50)] == list(range(1, 51))


def test_persistence(http_server):
    for head, stays in (("HTTP/1.1\r\nHost: x.localhost", True), ("HTTP/1.1\r\nHost: localhost\r\nConnection: close", False),
                        ("HTTP/1.0", False), ("HTTP/1.0\r\nConnection: Keep-Alive", True)):
        with http_server.connect_http() as http:
            http.send(f"GET /healthz {head}\r\n\r\n".encode())
            response = http.read()
            assert response.status == 200
            if stays:
                assert response.headers.get("connection") == ("keep-alive" if "1.0" in head else None)
                assert http.cmd("PING") == {"result": "PONG"}
            else:
                assert response.headers["connection"] == "close" and http.closed()


def test_chunked_bodies_and_expect(http):
    http.send(b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n")
    assert http.head() == (100, {})
    for part in (b'["SET",', b'"k",', b'"v"]'):
        http.send(b"%x\r\n%s\r\n" % (len(part), part))
    http.send(b"0\r\n\r\n")
    assert http.read().json() == {"result": "OK"}
    assert http.cmd("GET", "k") == {"result": "v"}


def test_a_body_in_chunks_is_taken_as_it_is(http):
    """Its memory is the parser's, which looks for the next message only when it is stored."""
    for i in range(100):
        value = bytes([i]) * 20000
        http.send(message("PUT", "/kv/k", None, transfer_encoding="chunked") + b"4e20\r\n" + value + b"\r\n0\r\n\r\n")
        assert http.read().status == 204
        assert http.request("GET", "/kv/k").body == value


def test_options_and_unknown_methods(http):
    options = http.request("OPTIONS", "*")
    assert options.status == 204 and "POST" in options.headers["allow"]
    assert not [name for name in options.headers if name.startswith("access-control")]
    assert http.request("PATCH", "/kv/k", b"").status == 501
    assert http.request("DELETE", "/get/k").status == 405
    assert http.request("GET", "/pipeline").status == 405


# ---- who may ----

def test_users(start_server):
    server = start_server(http_port=free_port(), requirepass="secret")
    with server.connect() as conn:
        conn.cmd("AUTH", "secret")
        conn.cmd("ACL", "SETUSER", "reader", "on", ">pw:x", "~a*", "+get", "+ping")
        with server.connect_http() as http:
            assert http.request("GET", "/ping").status == 401
            assert http.request("GET", "/ping").headers["www-authenticate"].startswith("Bearer")
            assert http.request("GET", "/ping", authorization="Bearer wrong").status == 401
            assert http.request("GET", "/ping", authorization="Bearer secret").status == 200
            basic = "Basic " + base64.b64encode(b"reader:pw:x").decode()
            for value in ("Bearer reader:pw:x", basic, "bearer  reader:pw:x"):
                assert http.request("GET", "/get/a1", authorization=value).status == 200
                assert http.request("GET", "/get/b1", authorization=value).status == 403
                assert http.request("GET", "/set/a1/x", authorization=value).status == 403
            assert http.request("GET", "/ping").status == 401, "the next message is nobody's"
            for value in ("Bearer", "Basic !!!", "Digest x", "Bearer reader:pw"):
                assert http.request("GET", "/ping", authorization=value).status == 401
            assert http.request("GET", "/healthz").status == 200
            assert http.request("GET", "/metrics").status == 401
            assert conn.cmd("GET", "a1") is None


def test_a_large_body_of_a_stranger_is_not_read(start_server):
    server = start_server(http_port=free_port(), requirepass="secret")
    with server.connect_http() as http:
        http.send(b"PUT /kv/k HTTP/1.1\r\nHost: localhost\r\nContent-Length: 400000000\r\n\r\n")
        refused = http.read()
        assert refused.status == 401 and refused.headers["connection"] == "close"
        assert http.closed()


def test_a_password_that_is_taken_away(start_server):
    server = start_server(http_port=free_port())
    with server.connect() as conn, server.connect_http() as http:
        conn.cmd("ACL", "SETUSER", "u", "on", ">p", "~*", "+@all")
        assert http.request("GET", "/ping", authorization="Bearer u:p").status == 200
        conn.cmd("ACL", "SETUSER", "u", "resetpass", ">q")
        assert wait_until(lambda: http.request("GET", "/ping", authorization="Bearer u:p").status == 401)


@pytest.mark.parametrize("host, status", [
    ("localhost", 200), ("LocalHost:80", 200), ("127.0.0.1:1", 200), ("[::1]:80", 200), ("10.1.2.3", 200),
    ("good.example", 200), ("good.example:99", 200), ("evil.example", 421), ("evil.example:80", 421),
    ("localhost.evil.example", 421), ("", 421), ("localhost:x", 421), ("[::1", 421), ("127.0.0.1.evil.example", 421),
    ("good.example.", 421), ("user@localhost", 421), ("0.0.0.0:80", 421), ("[::]:80", 421), ("[::ffff:0.0.0.0]", 421)])
def test_hosts(start_server, host, status):
    server = start_server(http_port=free_port(), http_allowed_hosts="good.example other.example")
    with server.connect_http() as http:
        response = http.request("GET", "/set/k/v", host=host)
        assert response.status == status
        if status != 200:
            assert http.closed()
    with server.connect() as conn:
        assert conn.cmd("EXISTS", "k") == (status == 200)


@pytest.mark.parametrize("headers, status", [
    ({"origin": "http://localhost"}, 200), ({"origin": "https://localhost"}, 200), ({"origin": "http://evil.example"}, 403),
    ({"origin": "null"}, 403), ({"origin": "http://localhost:81"}, 403), ({"origin": ""}, 403),
    ({"sec_fetch_site": "same-origin"}, 200), ({"sec_fetch_site": "none"}, 200),
    ({"sec_fetch_site": "cross-site"}, 403), ({"sec_fetch_site": "same-site"}, 403)])
def test_other_sites(http_server, headers, status):
    with http_server.connect_http() as http:
        assert http.post("/", ["SET", "k", "v"], **headers).status == status
    with http_server.connect() as conn:
        assert conn.cmd("EXISTS", "k") == (status == 200)


# ---- what tries to deceive ----

BODY = b'["SET","evil","1"]'
SMUGGLED = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)
HEAD = b"POST / HTTP/1.1\r\nHost: localhost\r\n"


@pytest.mark.parametrize("data, status", [
    (HEAD + b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    (HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\n", 400),
    (HEAD + b"Content-Length: 0\r\nContent-Length: 0\r\n\r\n", 400),
    (HEAD + b"Content-Length: 0, 0\r\n\r\n", 400),
    (HEAD + b"Content-Length: +0\r\n\r\n", 400),
    (HEAD + b"Content-Length : 0\r\n\r\n", 400),
    (HEAD + b"Transfer-Encoding: xchunked\r\n\r\n", 501),
    (HEAD + b"Transfer-Encoding: chunked, identity\r\n\r\n", 501),
    (HEAD + b"Transfer-Encoding:\x0bchunked\r\n\r\n", 400),
    (HEAD + b"X: y\r\n Transfer-Encoding: chunked\r\n\r\n", 400),
    (HEAD + b"X: y\nContent-Length: 0\r\n\r\n", 400),
    (HEAD + b"X: y\rContent-Length: 0\r\n\r\n", 400),
    (HEAD + b"X\0: y\r\n\r\n", 400),
    (b"POST http://localhost/ HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    (b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\n\r\n", 400),
    (HEAD + b"Host: localhost\r\n\r\n", 400),
    (b"POST / HTTP/3.0\r\nHost: localhost\r\n\r\n", 505),
    (HEAD + b"Expect: gold\r\n\r\n", 417),
    (HEAD + b"X: " + b"y" * 17000 + b"\r\n\r\n", 431),
    (HEAD + b"X: y\r\n" * 200 + b"\r\n", 431),
    (HEAD + b"Content-Length: 99999999999\r\n\r\n", 413),
    (HEAD + b"Transfer-Encoding: chunked\r\n\r\n0;x\r\n\r\n", 400),
    (HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n\r\n", 400),
    (b"\r\n" + HEAD + b"\r\n", 400),
    (b"*1\r\n$4\r\nPING\r\n", 400),
    (b"SET evil 1\r\n\r\n", 400),
])
def test_smuggling(http_server, data, status):
    """The right status, the connection closed, and nothing of what follows executed."""
    with http_server.connect_http() as http:
        http.send(data + SMUGGLED)
        response = http.read()
        assert response.status == status and response.headers["connection"] == "close"
        assert http.closed()
    with http_server.connect() as conn:
        assert conn.cmd("EXISTS", "evil") == 0


def test_heads_and_bodies_that_drip_in(http_server):
    """Closed at the deadline however much is still dripping; others go on."""
    dripping = [http_server.connect_http() for _ in range(3)]
    dripping[1].send(b"GET /healthz HTTP/1.1\r\n")
    dripping[2].send(HEAD + b"Content-Length: 100\r\n\r\n")
    ended, deadline = set(), time.monotonic() + 60
    while len(ended) < 3 and time.monotonic() < deadline:
        for number, http in enumerate(dripping):
            try:
                if number in (1, 2) and number not in ended:
                    http.send(b"x")
                http.sock.settimeout(0.1)
                if http.sock.recv(1) == b"":
                    ended.add(number)
            except (TimeoutError, BlockingIOError):
                pass
            except ConnectionError:
                ended.add(number)
        with http_server.connect_http() as other:
            assert other.cmd("PING") == {"result": "PONG"}
        time.sleep(0.3)
    assert ended == {0, 1, 2}
    for http in dripping:
        http.sock.close()


def test_an_idle_connection_stays_and_a_busy_one(http_server):
    """The deadline is each message's: a pipeline may go on for ever, even if no packet ends with a message."""
    ping, until = message("GET", "/ping"), time.monotonic() + 12
    with http_server.connect_http() as idle, http_server.connect_http() as busy:
        assert idle.cmd("PING") == {"result": "PONG"}
        busy.send(ping[:20])
        while time.monotonic() < until:
            busy.send(ping[20:] + ping[:20])
            assert busy.read().json() == {"result": "PONG"}
            time.sleep(0.2)
        assert idle.cmd("PING") == {"result": "PONG"}


def test_refused_at_the_door(start_server):
    server = start_server(http_port=free_port())
    with server.connect() as conn:
        conn.cmd("CONFIG", "SET", "maxclients", 1)  # from here on only this one counts, whoever asked before
        assert wait_until(lambda: b"connected_clients:1\r" in conn.cmd("INFO", "clients"))
        with server.connect_http() as http:
            response = http.read()
            assert response.status == 503 and http.closed()


# ---- events ----

def read_event(http):
    text = http.until(b"\n\n").decode()[:-2]
    return "\n".join(line.removeprefix("data: ") for line in text.split("\n"))


@pytest.mark.smoke
def test_subscribe(http_server):
    with http_server.connect() as conn, http_server.connect_http() as http:
        http.send(message("GET", "/subscribe/a/b", accept="text/event-stream"))
        status, headers = http.head()
        assert status == 200 and headers["content-type"] == "text/event-stream"
        assert [read_event(http), read_event(http)] == ["subscribe,a,1", "subscribe,b,2"]
        for text in ("x", '{"y":1}', "two\nlines", "z" * 100000):
            assert conn.cmd("PUBLISH", "b", text) == 1
            assert read_event(http) == f"message,b,{text}"
        http.send(message("GET", "/ping"))
        assert conn.cmd("PUBLISH", "a", "end") == 1
        assert read_event(http) == "message,a,end"
    with http_server.connect() as conn:
        assert wait_until(lambda: conn.cmd("PUBLISH", "a", "x") == 0)


def test_psubscribe_and_monitor(http_server):
    with http_server.connect() as conn, http_server.connect_http() as http, http_server.connect_http() as monitor:
        http.send(message("POST", "/psubscribe/n*", b"[]"))
        assert http.head()[0] == 200 and read_event(http) == "psubscribe,n*,1"
        monitor.send(message("GET", "/monitor"))
        assert monitor.head()[0] == 200 and read_event(monitor) == "OK"
        conn.cmd("PUBLISH", "news", "x")
        assert read_event(http) == "pmessage,n*,news,x"
        assert '"PUBLISH" "news" "x"' in read_event(monitor)


def test_a_head_request_subscribes_to_nothing(http_server):
    with http_server.connect() as conn, http_server.connect_http() as http:
        for target in ("/subscribe/a", "/psubscribe/a", "/monitor"):
            assert http.request("HEAD", target).status == 405
        assert http.cmd("PUBLISH", "a", "x") == {"result": 0}
        assert conn.cmd("PUBSUB", "CHANNELS") == []


def test_events_need_rights(http_server):
    with http_server.connect() as conn, http_server.connect_http() as http:
        conn.cmd("ACL", "SETUSER", "u", "on", ">p", "+@all", "~*", "resetchannels", "&mine")
        assert http.request("GET", "/subscribe/other", authorization="Bearer u:p").status == 403
        assert http.request("GET", "/ping", authorization="Bearer u:p").status == 200


# ---- health ----

def test_health_while_loading(start_server):
    server = start_server(http_port=free_port())
    server.stop()
    keys = [rdb.key(b"k%d" % i, 0, rdb.text(b"v")) for i in range(20000)]
    Path(server.dir, "dump.rdb").write_bytes(rdb.file(rdb.select(0), *keys))
    server.directives["key-load-delay"] = 20000
    server.stopped = False
    server.start()
    with server.connect() as conn, server.connect_http() as http:
        assert http.request("GET", "/readyz").status == 503
        assert http.request("GET", "/healthz").status == 200
        refused = http.request("GET", "/get/k1")
        assert refused.status == 503 and refused.json()["error"].startswith("LOADING")
        conn.cmd("CONFIG", "SET", "key-load-delay", 0)
        assert wait_until(lambda: http.request("GET", "/readyz").status == 200, 60)
        assert http.request("GET", "/get/k1").json() == {"result": "v"}


def test_openapi(http):
    described = http.request("GET", "/openapi.json").json()
    assert described["openapi"].startswith("3.") and "/kv/{key}" in described["paths"]


def test_curl(http_server):
    url = f"http://localhost:{http_server.directives['http-port']}/kv/k"
    subprocess.run(["curl", "-sfS", "-T", "-", url], input=b"x" * 100000, check=True, timeout=60)
    got = subprocess.run(["curl", "-sfS", url, url], capture_output=True, check=True, timeout=60)
    assert got.stdout == b"x" * 200000
