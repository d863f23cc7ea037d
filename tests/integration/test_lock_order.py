"""Every lock of the source has its place in ARCHITECTURE.md's lock order."""
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def locks():
    found = {}
    for path in (ROOT / "src").rglob("*.[ch]"):
        for line in path.read_text().splitlines():
            match = re.search(r"\b(?:struct lock|pthread_mutex_t) (\w+)\s*(?:=[^;]*)?;", line)
            if match:
                found[str(path.relative_to(ROOT)), match[1]] = line.strip()
    return found


def test_all_locks_are_named():
    text = re.search(r"## Lock order\n(.*?)\n## ", (ROOT / "ARCHITECTURE.md").read_text(), re.S)[1]
    named = set(re.findall(r"\w+", text))
    found = locks()
    assert len(found) > 25
    # those called just `lock` and `mutex` stand there with their owner
    missing = [place for place in found if place[1] not in named]
    assert not missing, missing
    owners = {Path(path).stem for path, name in found if name in ("lock", "mutex")}
    aliases = {"keyspace": "shard", "pin": "pins", "pubsub": "stripe", "library": "libraries", "cache": "script_cache", "busy": "busy_state",
               "worker": "worker_pool", "command_log": "command_logs", "prefix_set": "prefixes", "rdb_load": "loading"}
    missing = [owner for owner in owners if aliases.get(owner, owner) not in named and owner + ".c" not in text]
    assert not missing, missing
