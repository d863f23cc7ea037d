"""Is there an order of the operations that respects real time and the sequential model?

The search of Wing and Gong (1993) with Lowe's memory of visited configurations (2017): an operation may
come next when no other unplaced one ended before it began; a configuration is the set of placed
operations with the state they led to, and none is explored twice. An enabled operation that changes
nothing is placed at once, which loses no solution.

Registers leave that search too many choices, because a SET tells nothing about its place. With unique
values the zones of Gibbons and Korach (1997) decide them exactly in O(n^2) at worst.
"""
from linear.models import IMPOSSIBLE

STEP_LIMIT = 2_000_000


class Undecided(Exception):
    """The search took too long to say anything."""


def linearizable(operations, model, state):
    """True or False; Undecided beyond the step limit."""
    operations = sorted(operations, key=lambda op: op.start)
    wanted = sum(1 << i for i, op in enumerate(operations) if op.known)
    seen = set()
    stack = [(0, 0, state)]
    steps = 0
    while stack:
        placed, first, state = stack.pop()
        if placed & wanted == wanted:
            return True
        steps += 1
        if steps > STEP_LIMIT:
            raise Undecided()
        for config in _next_configs(operations, model, placed, first, state):
            if config not in seen:
                seen.add(config)
                stack.append((config[0], _first_open(config[0], first), config[1]))
    return False


def _next_configs(operations, model, placed, first, state):
    """Where one more operation leads, the likeliest last."""
    configs = []
    for i in reversed(_candidates(operations, placed, first)):
        following = model(state, operations[i])
        if following is state and operations[i].known:
            return [(placed | 1 << i, state)]
        if following is not IMPOSSIBLE:
            configs.append((placed | 1 << i, following))
    return configs


def _first_open(placed, first):
    while placed >> first & 1:
        first += 1
    return first


def _candidates(operations, placed, first):
    """Unplaced operations that began before every unplaced one ended, soonest end first."""
    earliest_end = float("inf")
    candidates = []
    for i in range(first, len(operations)):
        if operations[i].start > earliest_end:
            break
        if not placed >> i & 1:
            candidates.append(i)
            earliest_end = min(earliest_end, operations[i].end)
    return sorted((i for i in candidates if operations[i].start <= earliest_end),
                  key=lambda i: operations[i].end)


def register_linearizable(operations):
    """For registers whose written values are all different and whose initial value is None."""
    clusters = _clusters(operations)
    if clusters is None:
        return False
    forward, backward = [], []
    for cluster in clusters:
        first_end, last_start = min(op.end for op in cluster), max(op.start for op in cluster)
        if first_end < last_start:
            forward.append((first_end, last_start))
        else:
            backward.append((last_start, first_end))
    forward.sort()
    overlap = any(a[1] > b[0] for a, b in zip(forward, forward[1:]))
    inside = any(f[0] < b[0] and b[1] < f[1] for f in forward for b in backward)
    return not overlap and not inside


def _clusters(operations):
    """Each write with the reads of its value; None when a read has no write that began before it ended."""
    writes = {op.value: [op] for op in operations if op.name in ("SET", "MSET")}
    initial = []
    for op in operations:
        if op.name in ("SET", "MSET") or not op.known:
            continue
        value = op.reply
        if isinstance(value, list):
            if value[0] != value[1]:
                return None
            value = value[0]
        if value is None:
            initial.append(op)
        elif value not in writes or op.end < writes[value][0].start:
            return None
        else:
            writes[value].append(op)
    if initial:
        initial.append(type(initial[0])("SET", None, float("-inf"), float("-inf"), b"OK"))
    seen = [cluster for cluster in writes.values() if cluster[0].known or len(cluster) > 1]
    return seen + ([initial] if initial else [])
