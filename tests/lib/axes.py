"""The axes of the test matrix: what else besides the default settings a test runs on.

TOKAMAK_AXES=each (default): all tests at the defaults, `smoke` ones also on each alternative alone.
TOKAMAK_AXES=default: nothing but the defaults. TOKAMAK_AXES=product: everything on the full product.
"""
import itertools
import os

DEFAULT = {"io-threads": 2}
ALTERNATIVES = {"io-threads": (1, 4), "exec-mode": ("striped", "exclusive"),
                "poller": ("epoll", "poll")}


def product():
    names = list(ALTERNATIVES)
    return [dict(zip(names, values)) for values in itertools.product(*ALTERNATIVES.values())]


def each_alone():
    """One setting off the defaults at a time; the first value of a mode is its default."""
    singles = [{"io-threads": n} for n in ALTERNATIVES["io-threads"]]
    singles += [dict(DEFAULT, **{name: ALTERNATIVES[name][1]}) for name in ("exec-mode", "poller")]
    return singles


def settings_for(smoke):
    """The list of directive sets one test runs with."""
    mode = os.environ.get("TOKAMAK_AXES", "each")
    if mode == "product":
        return product()
    return [DEFAULT] + (each_alone() if smoke and mode == "each" else [])


def label(setting):
    """Such as io2-exclusive: fit for pytest's -k."""
    return "-".join(f"io{value}" if name == "io-threads" else value for name, value in setting.items())
