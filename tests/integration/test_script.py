"""Scripts: the cache, the flags, what they may not do, how they end, what the log gets."""
import os
import hashlib
import threading
import time

import pytest

from lib.resp import INCOMPLETE, Error, Reader, encode

OK = b"OK"
BUSY = Error(b"BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.")
NOSCRIPT = Error(b"NOSCRIPT No matching script. Please use EVAL.")
UNKILLABLE = Error(b"UNKILLABLE Sorry the script already executed write commands against the dataset. You can either "
                   b"wait the script termination or kill the server in a hard way using the SHUTDOWN NOSAVE command.")


def sha(text):
    return hashlib.sha1(text.encode()).hexdigest()


def run(conn, script, *keys):
    return conn.cmd("EVAL", script, len(keys), *keys)


def message(reply):
    """An error's text without the place where it happened."""
    assert isinstance(reply, Error), reply
    return reply.rsplit(b" script: ", 1)[0]


def until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        result = condition()
        if result:
            return result
        time.sleep(0.01)
    raise AssertionError("it did not happen")


# ---- the cache ----

@pytest.mark.smoke
def test_cache(conn):
    text = "return {KEYS[1], ARGV[1]}"
    assert conn.cmd("EVALSHA", sha(text), 0) == NOSCRIPT
    assert conn.cmd("SCRIPT", "LOAD", text) == sha(text).encode()
    assert conn.cmd("EVALSHA", sha(text).upper(), 1, "k", "a") == [b"k", b"a"]
    assert conn.cmd("SCRIPT", "EXISTS", sha(text), "0" * 40, "x") == [1, 0, 0]
    assert conn.cmd("SCRIPT", "SHOW", sha(text)) == text.encode()
    assert run(conn, "return 7") == 7
    assert conn.cmd("EVALSHA", sha("return 7"), 0) == 7
    for mode in ((), ("SYNC",), ("async",)):
        conn.cmd("SCRIPT", "LOAD", text)
        assert conn.cmd("SCRIPT", "FLUSH", *mode) == OK
        assert conn.cmd("SCRIPT", "EXISTS", sha(text)) == [0]
    assert conn.cmd("SCRIPT", "FLUSH", "x") == Error(b"ERR SCRIPT FLUSH only support SYNC|ASYNC option")


def test_a_script_is_known_to_every_reactor(start_server):
    server = start_server(io_threads=4)
    with server.connect() as first:
        first.cmd("SCRIPT", "LOAD", "return redis.call('incr', KEYS[1])")
    conns = [server.connect() for _ in range(8)]
    name = sha("return redis.call('incr', KEYS[1])")
    assert [c.cmd("EVALSHA", name, 1, "n") for c in conns] == list(range(1, 9))


def test_texts_that_only_eval_brought_are_evicted(conn):
    conn.cmd("SCRIPT", "LOAD", "return 'kept'")
    for i in range(700):
        assert run(conn, f"return {i}") == i
    assert conn.cmd("SCRIPT", "EXISTS", sha("return 'kept'"), sha("return 0"), sha("return 699")) == [1, 0, 1]
    info = conn.cmd("INFO", "memory").decode()
    assert "number_of_cached_scripts:501\r\n" in info
    assert int(info.split("used_memory_vm_eval:")[1].split("\r\n")[0]) > 10_000


@pytest.mark.parametrize("command,error", [
    (("EVAL", "return 1", "x"), b"ERR value is not an integer or out of range"),
    (("EVAL", "return 1", -1), b"ERR Number of keys can't be negative"),
    (("EVAL", "return 1", 1), b"ERR Number of keys can't be greater than number of args"),
    (("EVAL", "return 1", 2**63 - 1), b"ERR Number of keys can't be greater than number of args"),
    (("EVALSHA", "x", 0), bytes(NOSCRIPT)),
    (("SCRIPT", "KILL"), b"NOTBUSY No scripts in execution right now."),
    (("SCRIPT", "LOAD", "return"), None),
    (("SCRIPT", "LOAD", "#!lua flags=x\nreturn"), b"ERR Unexpected flag in script shebang: x"),
    (("EVAL_RO", "return redis.call('set', 'x', 'y')", 0), b"ERR Write commands are not allowed from read-only scripts."),
    (("EVAL_RO", "#!lua\nreturn 1", 0), b"ERR Can not execute a script with write flag using *_ro command."),
])
def test_answers(conn, command, error):
    reply = conn.cmd(*command)
    if error is None:
        assert not isinstance(reply, Error)
    else:
        assert message(reply) == error
    assert conn.cmd("EXISTS", "x") == 0


def test_an_error_with_its_place(conn):
    script = "\n\nredis.call('incr', KEYS[1]) return redis.call('lpop', KEYS[1])"
    assert run(conn, script, "n") == Error(b"WRONGTYPE Operation against a key holding the wrong kind of value script: " +
                                           sha(script).encode() + b", on @user_script:3.")
    assert conn.cmd("GET", "n") == b"1"


# ---- flags ----

def test_out_of_memory(start_server):
    server = start_server(maxmemory_policy="noeviction")
    with server.connect() as conn:
        conn.cmd("SET", "x", "1")
        conn.cmd("CONFIG", "SET", "maxmemory", 1)
        oom = b"OOM command not allowed when used memory > 'maxmemory'."
        assert message(run(conn, "return redis.call('set', KEYS[1], 'v')", "y")) == oom
        assert run(conn, "redis.call('del', KEYS[1]) return redis.call('set', KEYS[1], 'v')", "y") == OK
        assert run(conn, "return redis.call('get', KEYS[1])", "x") == b"1"
        assert run(conn, "#!lua flags=allow-oom\nreturn redis.call('set', KEYS[1], 'v')", "y") == OK
        assert run(conn, "#!lua flags=no-writes\nreturn 1") == 1
        assert run(conn, "#!lua\nreturn 1") == Error(
            b"OOM allow-oom flag is not set on the script, can not run it when used memory > 'maxmemory'")


def test_declared_keys(conn):
    script = "#!lua flags=declared-keys\nreturn redis.call(unpack(ARGV))"
    def call(*args):
        return conn.cmd("EVAL", script, 2, "a", "b", *args)
    assert call("set", "a", "1") == OK
    assert call("mget", "a", "b") == [b"1", None]
    undeclared = (b"ERR Script with the flag declared-keys attempted to access a key that is not among its KEYS")
    for command in (("get", "c"), ("mget", "a", "c"), ("rename", "a", "c")):
        assert message(call(*command)) == undeclared, command
    for command in (("keys", "*"), ("flushall",), ("randomkey",), ("swapdb", 0, 1)):
        assert message(call(*command)).startswith(b"ERR This command uses more than its keys"), command
    assert conn.cmd("MULTI") == OK
    conn.cmd("EVAL", script, 1, "a", "incr", "a")
    conn.cmd("EVAL", script, 1, "a", "incr", "c")
    replies = conn.cmd("EXEC")
    assert replies[0] == 2 and message(replies[1]) == undeclared


def test_undeclared_keys_just_work(start_server):
    with start_server(io_threads=4).connect() as conn:
        assert run(conn, "for i = 1, 500 do redis.call('set', 'k' .. i, i) end return redis.call('dbsize')") == 500


def test_a_call_with_as_many_arguments_as_there_can_be(conn):
    script = "local a = {} for i = 1, 7990 do a[i] = i end return redis.call('lpush', KEYS[1], unpack(a))"
    assert run(conn, script, "l") == 7990
    assert isinstance(run(conn, script.replace("7990", "9000"), "l"), Error)


# ---- they run as one ----

@pytest.mark.parametrize("header", ["", "#!lua flags=declared-keys\n"])
def test_scripts_of_many_clients_are_atomic(start_server, header):
    server = start_server(io_threads=4)
    script = header + ("local a, b = redis.call('incr', KEYS[1]), redis.call('incr', KEYS[2]) "
                       "if a ~= b then return redis.error_reply('TORN ' .. a .. ' ' .. b) end return a")
    failures = []

    def client(order):
        with server.connect(120) as conn:
            for _ in range(200):
                replies = conn.pipeline([["EVAL", script, 2, *order]] * 5 + [["MGET", "x", "y"]])
                failures.extend(r for r in replies[:5] if not isinstance(r, int))
                if replies[5][0] != replies[5][1]:
                    failures.append(replies[5])

    threads = [threading.Thread(target=client, args=(order,)) for order in (["x", "y"], ["y", "x"]) * 2]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failures
    with server.connect() as conn:
        assert conn.cmd("MGET", "x", "y") == [b"4000", b"4000"]


def test_waiting_clients_are_served_after_the_script(server):
    with server.connect() as waiting, server.connect() as conn:
        waiting.send(encode(["BLPOP", "l", 0]))
        until(lambda: b"blocked_clients:1\r\n" in conn.cmd("INFO", "clients"))
        assert run(conn, "redis.call('rpush', KEYS[1], 'a', 'b') return redis.call('llen', KEYS[1])", "l") == 2
        assert waiting.read() == [b"l", b"a"]
        assert conn.cmd("LRANGE", "l", 0, -1) == [b"b"]


def test_a_set_that_is_not_to_be_sorted_is_sorted_all_the_same(conn):
    conn.cmd("SADD", "s", *"qwertyuiop", "aa", "aaa")
    assert run(conn, "return redis.call('sort', KEYS[1], 'by', 'nosort')", "s") == sorted(conn.cmd("SMEMBERS", "s"))


def test_select_stays_inside(conn):
    assert run(conn, "redis.call('select', 3) redis.call('set', KEYS[1], 'v')", "k") is None
    assert conn.cmd("EXISTS", "k") == 0
    conn.cmd("SELECT", 3)
    assert conn.cmd("GET", "k") == b"v"


# ---- the log ----

def test_effects_are_one_record(start_server, tmp_path):
    path = tmp_path / "effects"
    server = start_server(debug_effects_file=path)
    with server.connect() as conn:
        run(conn, "redis.call('set', KEYS[1], 'v') redis.call('get', KEYS[1]) redis.call('sadd', 's', 1, 2, 3) "
                  "redis.call('spop', 's') redis.call('expire', KEYS[1], 100)", "k")
        run(conn, "redis.call('set', KEYS[1], 'w')", "k")
        run(conn, "redis.call('incr', 'n') error('stop')")
        run(conn, "return redis.call('get', KEYS[1])", "k")
        dataset = conn.cmd("DEBUG", "DIGEST")
        conn.cmd("PING")
    reader = Reader()
    reader.feed(path.read_bytes())
    commands = []
    while (command := reader.next()) is not INCOMPLETE:
        commands.append(command)
    names = [c[0].upper() for c in commands if c[0].upper() != b"SELECT"]
    assert names == [b"MULTI", b"SET", b"SADD", b"SREM", b"PEXPIREAT", b"EXEC", b"SET", b"INCR"]
    with start_server().connect() as twin:
        for command in commands:
            assert not isinstance(twin.cmd(*command), Error)
        assert twin.cmd("DEBUG", "DIGEST") == dataset


# ---- the sandbox ----

READONLY = b"Attempt to modify a readonly table"


@pytest.mark.parametrize("attempt", [
    "redis.call = 1", "redis.x = 1", "string.rep = 1", "math.x = 1", "table.x = 1", "cjson.encode = 1", "os.clock = 1",
    "coroutine.x = 1", "_G.x = 1", "x = 1", "_G = {}", "KEYS = {}", "server.call = 1",
    "rawset(_G, 'x', 1)", "rawset(redis, 'x', 1)", "rawset(string, 'x', 1)", "table.insert(math, 1)",
    "setmetatable(_G, {})", "setmetatable(redis, {})", "getmetatable(_G).__index = 1", "getmetatable(redis).__newindex = 1",
    "getmetatable('').__index = 1", "getmetatable('').x = 1", "rawset(getmetatable(''), 'x', 1)",
    "getmetatable(getmetatable(_G)).x = 1", "setmetatable(getmetatable(''), {})",
    "local _, t = pairs(redis) t.call = 1", "for k, v in pairs(_G) do if type(v) == 'table' and k ~= 'KEYS' and k ~= 'ARGV' then v.x = 1 end end",
])
def test_shared_tables_are_readonly(conn, attempt):
    reply = run(conn, attempt)
    assert isinstance(reply, Error) and (READONLY in reply or b"attempt to" in reply), reply
    assert run(conn, "return {type(redis.call), type(string.rep), ('x'):rep(2), rawget(_G, 'x') == nil and 1 or 0}") == [
        b"function", b"function", b"xx", 1]


@pytest.mark.parametrize("leak", [
    "KEYS[1] = 'x'", "setfenv(1, {}) ", "cjson.encode_max_depth(1)", "cjson.encode_sparse_array(true)",
    "collectgarbage('stop')", "redis.setresp(3)", "cjson.decode_max_depth(1)", "cjson.encode_number_precision(1)",
])
def test_nothing_is_left_behind(conn, leak):
    probe = ("return {#KEYS, cjson.encode({a = {b = {1.25}}}), cjson.decode('[[[1]]]')[1][1][1], type(redis), "
             "redis.call('get', 'none') == false and 1 or 0, (pcall(cjson.encode, {[100] = 1})) and 1 or 0}")
    expected = [0, b'{"a":{"b":[1.25]}}', 1, b"table", 1, 0]
    assert run(conn, probe) == expected
    run(conn, leak)
    run(conn, leak)
    assert run(conn, probe) == expected
    assert run(conn, "local t = {} for i = 1, 3000000 do t = {} end return 1") == 1


@pytest.mark.parametrize("name", ["io", "debug", "package", "require", "dofile", "loadfile", "print", "newproxy", "module"])
def test_missing_globals(conn, name):
    assert b"Script attempted to access nonexistent global variable '%b'" % name.encode() in run(conn, f"return {name}")
    assert run(conn, f"return rawget(_G, '{name}') == nil and 1 or 0") == 1


def test_os_has_a_clock_only(conn):
    assert run(conn, "local n = {} for k in pairs(os) do n[#n + 1] = k end return n") == [b"clock"]


# ---- shapes of known vulnerabilities ----

@pytest.mark.parametrize("script,part", [
    # bytecode (no CVE: what all of them need)
    ("return loadstring(string.dump(function() end))()", b"attempt to call a nil value"),
    ("return select(2, loadstring('\\27Lua'))", None),
    ("return load(function() return nil end)() or 1", None),
    ("local n = 0 return type(load(function() n = n + 1 return n == 1 and '\\27Lua' or nil end))", None),
    # CVE-2025-49844: a collection while the parser holds the chunk's name
    ("for i = 1, 200 do loadstring('local a' .. ('x'):rep(i * 50) .. ' = 1', ('n' .. i):rep(300)) collectgarbage() end return 1", None),
    # CVE-2024-46981: a destructor of the script's own
    ("return newproxy(true)", b"nonexistent global variable 'newproxy'"),
    ("setmetatable({}, {__gc = function() error('x') end}) collectgarbage() return 1", None),
    # CVE-2022-24834: more text than an int can count
    ("local s = ('\\1'):rep(20000000) local t = {} for i = 1, 50 do t[i] = s end return cjson.encode(t)", b"the text would be too long"),
    ("local t = {1} for i = 1, 60 do t = {t, t} end return cjson.encode(t)", b"the text would be too long"),
    ("cjson.encode_sparse_array(true, 0) return cjson.encode({[2^31] = 1})", b"the text would be too long"),
    # CVE-2025-67733: a reply inside a reply
    ("return redis.error_reply('ERR a\\r\\n+INJECTED\\r\\n')", b"ERR a  +INJECTED"),
    ("return {ok = 'a\\r\\n-INJECTED\\r\\n'}", None),
    ("return {err = 'ERR a\\r\\n-INJECTED\\r\\n'}", b"ERR a  -INJECTED"),
    ("return redis.error_reply('ERR nul\\0\\r\\n+INJECTED')", b"ERR nul"),
    ("error('x\\r\\n+INJECTED')", b"x  +INJECTED"),
    ("return {big_number = '1\\r\\n+INJECTED'}", None),
    # memory
    ("local s = 'x' while true do s = s .. s end", b"not enough memory"),
    ("local t = {} for i = 1, 1e9 do t[i] = {i} end", b"not enough memory"),
    ("return string.rep('x', 2^31 - 1)", b"not enough memory"),
    ("local t = {1} for i = 1, 60 do t = {t, t} end return t", b"reply is too long"),
    ("return string.rep('', 2^31 - 1)", None),
    ("local t = {} table.insert(t, -2^31, 1) return t", b"out of bounds"),
    ("local t = {1} table.insert(t, 0, 7) return t[0]", None),
    ("for i = 1, 3000 do pcall(error, {err = i + 0.5}) end error({err = 1234567.25})", b"1234567.25"),
    ("return {xpcall(function() return 1, 2 end, error)}", None),
    ("return {xpcall(function() error('x') end, function(e) return e .. 'y' end)}", None),
    ("return {xpcall(error, function(e) error('z') end)}", None),
    # recursion
    ("local function f() return 1 + f() end return f()", b"stack overflow"),
    ("local function f() return coroutine.wrap(f)() end return f()", b"C stack overflow"),
    ("local function f() return pcall(f) end return f() and 1 or 0", None),
    ("local s = ('('):rep(100000) return loadstring('return ' .. s)", None),
    ("local t = {} for i = 1, 100000 do t = {t} end return #cjson.encode(t)", b"excessive nesting"),
    ("return cjson.decode(('['):rep(100000))", b"nested"),
    ("return ('a'):rep(100000):find(('a?'):rep(100000))", b"pattern is too long"),
    ("return ('x'):rep(100):find(('x'):rep(20000)) or 1", None),
    ("return string.format('%99.99f', 1e308):len()", None),
    ("setmetatable(_G.KEYS, {__index = function(t, k) return t[k] end}) return KEYS.x", b"overflow"),
])
def test_shapes_of_vulnerabilities(conn, script, part):
    replies = conn.pipeline([["EVAL", script, 0], ["PING"]])
    assert replies[1] == b"PONG", "the reply is not one reply"
    if part is None:
        assert not isinstance(replies[0], Error), replies[0]
    else:
        assert isinstance(replies[0], Error) and part in replies[0], replies[0]
    assert run(conn, "return 'well'") == b"well"


def test_memory_limit_is_a_directive(start_server):
    with start_server(script_memory_limit="16mb").connect() as conn:
        assert b"not enough memory" in run(conn, "return #string.rep('x', 20000000)")
        conn.cmd("CONFIG", "SET", "script-memory-limit", "64mb")
        assert run(conn, "return #string.rep('x', 20000000)") == 20000000


# ---- too long ----

@pytest.fixture(params=[1, 3])
def slow_server(start_server, request):
    return start_server(io_threads=request.param, busy_reply_threshold=50)


def until_loaded(conn, *command):
    return until(lambda: (reply := conn.cmd(*command)) if conn.cmd("PING") == b"PONG" else None)


def wait_for_busy(conn):
    until(lambda: conn.cmd("GET", "k") == BUSY)


LOOPS = ["while true do end", "while true do pcall(function() while true do end end) end",
         "local f = coroutine.wrap(function() while true do end end) f()",
         "local function f() while true do end end while true do xpcall(f, f) end",
         "#!lua flags=declared-keys\nwhile true do redis.call('get', KEYS[1]) end"]


@pytest.mark.parametrize("loop", LOOPS)
def test_kill(slow_server, loop):
    with slow_server.connect(60) as scripted, slow_server.connect(60) as early, slow_server.connect(60) as other:
        early.cmd("PING")
        other.cmd("PING")
        scripted.send(encode(["EVAL", loop, 1, "k"]))
        wait_for_busy(early)
        wait_for_busy(other)
        with slow_server.connect(60) as late:
            assert late.cmd("GET", "k") == BUSY
            assert late.cmd("MULTI") == OK
            assert late.cmd("SET", "k", "v") == BUSY
            assert message(late.cmd("EXEC")) == b"EXECABORT Transaction discarded because of: " + bytes(BUSY)
            assert late.cmd("HELLO", 3)[0] == b"server"
            assert late.cmd("SHUTDOWN") == BUSY
            assert late.cmd("SCRIPT", "KILL") == OK
        assert message(scripted.read()) == b"ERR Script killed by user with SCRIPT KILL."
        assert scripted.cmd("SET", "k", "v") == OK
        assert early.cmd("GET", "k") == other.cmd("GET", "k") == b"v"
        assert early.cmd("SCRIPT", "KILL") == Error(b"NOTBUSY No scripts in execution right now.")


def test_a_script_that_has_written_cannot_be_killed(slow_server):
    with slow_server.connect(60) as scripted, slow_server.connect(60) as other:
        scripted.send(encode(["EVAL", "redis.call('set', 'k', 'v') while true do end", 0]))
        wait_for_busy(other)
        assert other.cmd("SCRIPT", "KILL") == UNKILLABLE
        other.send(encode(["SHUTDOWN", "NOSAVE"]))
        until(lambda: not slow_server.alive())
        assert slow_server.process.returncode == 0
        slow_server.stopped = True


LONG_CALLS = ["local t = {} for i = 1, 3e5 do t[i] = i end while true do table.insert(t, 1, 1) table.remove(t, 1) end",
              "while true do string.rep('x', 5e7) end",
              "local s = string.rep('x', 2e7) while true do string.find(s, 'y') string.upper(s) end",
              "while true do redis.call('lrange', KEYS[1], 0, -1) end"]


@pytest.mark.parametrize("loop", LONG_CALLS)
def test_kill_between_long_calls(start_server, loop):
    """Lua counts few instructions meanwhile."""
    server = start_server(io_threads=2, busy_reply_threshold=50)
    with server.connect(60) as scripted, server.connect(60) as other:
        other.cmd("RPUSH", "list", *range(100000))
        scripted.send(encode(["EVAL", loop, 1, "list"]))
        wait_for_busy(other)
        assert other.cmd("SCRIPT", "KILL") == OK
        started = time.monotonic()
        assert message(scripted.read()) == b"ERR Script killed by user with SCRIPT KILL."
        assert time.monotonic() - started < 20


PATTERN = "('.-'):rep(100) .. 'y'"
SUBJECT = "local s = ('x'):rep(200000) "
STUCK = [SUBJECT + f"return s:match({PATTERN})",
         SUBJECT + f"return s:find({PATTERN})",
         SUBJECT + f"return s:gsub({PATTERN}, '')",
         SUBJECT + f"for w in s:gmatch({PATTERN}) do end",
         SUBJECT + f"local f = coroutine.wrap(function() return pcall(s.match, s, {PATTERN}) end) f() while true do end",
         "local s = ('('):rep(1000000) return s:match('%b()')",
         # the median of three elements is always the second smallest
         "local n, t, at, order = 300000, {}, {}, {} for i = 1, n do at[i] = i end local lo, hi = 1, n "
         "while hi - lo > 2 do local m = math.floor((lo + hi) / 2) t[at[lo]] = lo t[at[m]] = lo + 1 "
         "at[m], at[hi - 1] = at[hi - 1], at[m] lo = lo + 2 end "
         "for i = lo, hi do t[at[i]] = i end for i = 1, n do t[i] = t[i] or i end "
         "while true do local c = {unpack(t, 1, 1)} for i = 1, n do c[i] = t[i] end table.sort(c) end",
         "local s, t = ('x'):rep(8000000), {} for i = 1, 300000 do t[i] = i % 2 == 0 and s .. 'a' or t[i - 2] or s .. 'b' "
         "if i > 2 then t[i] = t[i - 2] end end table.sort(t)",
         "local s = ('x'):rep(20000000) while true do local a, b = s .. 'a', s .. 'b' end",
         "local s = ('x'):rep(20000000) while true do pcall(function() local a, b = s .. 'a', s .. 'b' end) end",
         "local t = {1} for i = 1, 60 do t = {t, t} end return t",
         "local t = {} for i = 1, 300000 do t[i] = i end while true do table.maxn(t) table.concat(t, ',') end"]


@pytest.mark.parametrize("script", STUCK)
def test_kill_inside_a_long_call(start_server, script):
    """Where Lua counts no instructions at all."""
    server = start_server(io_threads=2, busy_reply_threshold=50)
    with server.connect(60) as scripted, server.connect(60) as same, server.connect(60) as other:
        scripted.send(encode(["EVAL", script, 1, "k"]))
        wait_for_busy(other)
        wait_for_busy(same)
        assert other.cmd("SCRIPT", "KILL") == OK
        assert message(scripted.read()) == b"ERR Script killed by user with SCRIPT KILL."
        assert run(scripted, "return ('a-b'):gsub('%-', '+')") == b"a+b"


LONG_WALKS = ["'keys', ARGV[1]", "'scan', 0, 'count', 1000000, 'match', ARGV[1]"]


@pytest.mark.parametrize("walk", LONG_WALKS)
def test_kill_inside_a_long_walk(start_server, walk):
    """One call that would take minutes: each of the names is compared with the pattern from each of its bytes on."""
    server = start_server(io_threads=2, busy_reply_threshold=50)
    with server.connect(60) as scripted, server.connect(60) as same, server.connect(60) as other:
        scripted.pipeline([["SET", b"%d" % i + b"a" * 8000, "v"] for i in range(4000)])
        pattern = "*" + "?" * 4000 + "b"
        scripted.send(encode(["EVAL", f"pcall(redis.call, {walk}) while true do end", 0, pattern]))
        wait_for_busy(other)
        wait_for_busy(same)
        assert other.cmd("SCRIPT", "KILL") == OK
        assert message(scripted.read()) == b"ERR Script killed by user with SCRIPT KILL."
        assert other.cmd("DBSIZE") == 4000
        assert run(scripted, "return #redis.call('keys', '*')") == 4000
        assert run(scripted, "return #redis.call('scan', 0, 'count', 10000)[2]") == 4000


def test_a_striped_script_is_bounded_inside_a_call(slow_server):
    with slow_server.connect(60) as conn:
        reply = run(conn, f"#!lua flags=declared-keys\nredis.call('set', KEYS[1], 'v') {SUBJECT} return s:match({PATTERN})", "k")
        assert message(reply) == b"ERR Script runs too long under the locks of its keys"
        reply = run(conn, "#!lua flags=declared-keys\nredis.call('set', KEYS[1], 'v') local s = ('x'):rep(20000000) "
                          "while true do local a, b = s .. 'a', s .. 'b' end", "k")
        assert message(reply) == b"ERR Script runs too long under the locks of its keys"
        assert run(conn, "return 'well'") == b"well"


# A threshold of 0 costs five seconds each, what never comes back fifteen: all of them in the long runs.
ALL = os.environ.get("TOKAMAK_AXES") == "product"
ENDS = [(loop, save, threshold) for loop in LOOPS[1:] for save in ("", "3600 1") for threshold in (0, 50, 500)
        if ALL or threshold == 50 or (threshold == 0 and loop is LOOPS[1] and save)]


@pytest.mark.parametrize("loop,save,threshold", ENDS)
def test_sigterm_ends_an_endless_script(start_server, loop, save, threshold):
    server = start_server(io_threads=2, busy_reply_threshold=threshold, save=save)
    with server.connect(60) as scripted, server.connect(60) as other:
        assert other.cmd("SET", "kept", "v") == OK
        scripted.send(encode(["EVAL", loop, 1, "k"]))
        time.sleep(0.2)
        server.process.terminate()
        until(lambda: not server.alive(), 40)
    assert server.process.returncode == 0
    server.start()
    with server.connect() as conn:
        assert until_loaded(conn, "MGET", "kept") == [b"v" if save else None]


@pytest.mark.parametrize("log", ["no", "yes"])
def test_sigterm_saves_no_half_of_a_script(start_server, log):
    server = start_server(io_threads=2, busy_reply_threshold=50, save="3600 1", appendonly=log)
    with server.connect(60) as scripted, server.connect(60) as other:
        assert other.cmd("SET", "kept", "v") == OK
        assert other.cmd("SAVE") == OK
        scripted.send(encode(["EVAL", "redis.call('set', 'half', 'v') while true do redis.call('incr', 'n') end", 0]))
        wait_for_busy(other)
        server.process.terminate()
        until(lambda: not server.alive(), 40)
    assert server.process.returncode == 0
    server.start()
    with server.connect() as conn:
        assert until_loaded(conn, "MGET", "kept", "half", "n") == [b"v", None, None]


@pytest.mark.parametrize("save", ["", "3600 1"] if ALL else ["3600 1"])
def test_sigterm_ends_a_server_whose_script_never_comes_back(start_server, save):
    server = start_server(io_threads=2, busy_reply_threshold=50, save=save)
    with server.connect(60) as scripted:
        assert scripted.cmd("SET", "x" * 10_000_000, "v") == OK
        scripted.send(encode(["EVAL", "return redis.call('keys', '*' .. ('x'):rep(50000) .. 'y')", 0]))
        time.sleep(0.2)
        server.process.terminate()
        until(lambda: not server.alive(), 60)
    assert server.process.returncode == 1
    server.start()


def test_a_script_that_writes_and_ends_is_waited_for(start_server):
    script = "redis.call('set', 'a', 1) local t = redis.call('time')[1] for i = 1, 3e6 do end redis.call('set', 'b', 2)"
    server = start_server(io_threads=2, busy_reply_threshold=1, save="3600 1")
    with server.connect(60) as scripted:
        scripted.send(encode(["EVAL", script, 0]))
        time.sleep(0.05)
        server.process.terminate()
        until(lambda: not server.alive(), 40)
    server.start()
    with server.connect() as conn:
        assert until_loaded(conn, "MGET", "a", "b") in ([b"1", b"2"], [None, None])


def test_a_pipeline_behind_a_slow_script_runs_after_it(slow_server):
    script = "local t = redis.call('time')[1] for i = 1, 2e7 do end return 'done'"
    with slow_server.connect(120) as conn:
        assert conn.pipeline([["SET", "a", 1], ["EVAL", script, 0], ["INCR", "a"], ["EVAL", script, 0], ["GET", "a"]]) == [
            OK, b"done", 2, b"done", b"2"]


def test_many_clients_while_it_is_slow(slow_server):
    with slow_server.connect(60) as scripted:
        scripted.send(encode(["EVAL", "while true do end", 0]))
        conns = [slow_server.connect(60) for _ in range(50)]
        for c in conns:
            wait_for_busy(c)
            c.send(encode(["WATCH", "k"]))  # waits for the script
        for c in conns[::2]:
            c.close()
        with slow_server.connect(60) as killer:
            assert killer.cmd("SCRIPT", "KILL") == OK
        for c in conns[1::2]:
            assert c.read() == OK
        assert isinstance(scripted.read(), Error)


def test_a_striped_script_that_has_written_is_bounded(slow_server):
    with slow_server.connect(60) as conn:
        reply = run(conn, "#!lua flags=declared-keys\nredis.call('set', KEYS[1], 'v') while true do end", "k")
        assert message(reply) == b"ERR Script runs too long under the locks of its keys"
        assert conn.cmd("GET", "k") == b"v"


# ---- users and what is observed ----

def test_users(conn):
    assert conn.cmd("ACL", "SETUSER", "bob", "on", ">secret", "+@all", "-set", "~a*") == OK
    assert conn.cmd("AUTH", "bob", "secret") == OK
    assert message(run(conn, "return redis.call('set', 'a', 1)")) == (
        b"ERR ACL failure in script: User bob has no permissions to run the 'set' command")
    assert message(run(conn, "return redis.call('get', 'b')")) == (
        b"ERR ACL failure in script: No permissions to access a key")
    assert run(conn, "return {redis.acl_check_cmd('get', 'a'), redis.acl_check_cmd('get', 'b'), redis.acl_check_cmd('set', 'a', 1)}"
               ) == [1, None, None]


def test_counters(conn):
    conn.cmd("CONFIG", "RESETSTAT")
    run(conn, "redis.pcall('incr') redis.call('set', KEYS[1], 'v') return redis.call('incr', KEYS[1])", "k")
    stats = dict(line.split(":", 1) for line in conn.cmd("INFO", "commandstats").decode().split("\r\n") if ":" in line)
    assert "calls=1" in stats["cmdstat_set"] and "calls=1" in stats["cmdstat_eval"]
    assert "rejected_calls=1,failed_calls=1" in stats["cmdstat_incr"]
    assert "failed_calls=1" in stats["cmdstat_eval"]
    assert "total_error_replies:2\r\n" in conn.cmd("INFO", "stats").decode()
