"""How much each measurement does: for numbers, for a quick look, or only to see that the harness runs."""

import msgspec


class Sizes(msgspec.Struct, frozen=True):
    """Counts of one run; times are the machine's affair.

    `levels` are how many commands are in flight, first one, last but one what the targets speak of. `window` is the
    seconds of what is measured for a time instead of a count.
    """

    name: str
    rounds: int
    users: int
    commands: int
    levels: tuple[int, ...]
    level_commands: int
    in_flight: int
    window: float
    events: int
    few_keys: int
    many_keys: int
    rows: int
    asks: int
    pages: int
    probes: int
    load: int
    watchers: int
    requests: int
    memory_events: int
    memory_users: int
    opens: int
    boundary_events: int
    rebuilt_events: int
    peer_commands: int
    peer_events: int
    growth: tuple[int, ...]


FULL = Sizes(
    name="full", rounds=5, users=1_000, commands=10_000, levels=(1, 8, 64, 256), level_commands=8_000, in_flight=100,
    window=4.0, events=200_000, few_keys=1_000, many_keys=50_000, rows=50_000, asks=20_000, pages=2_000, probes=300,
    load=1_000, watchers=1_000, requests=4_000, memory_events=1_000_000, memory_users=60_000, opens=10,
    boundary_events=1_000_000, rebuilt_events=1_000_000, peer_commands=600, peer_events=5_000,
    growth=(1_000, 10_000, 100_000, 1_000_000),
)  # fmt: skip

QUICK = Sizes(
    name="quick", rounds=1, users=1_000, commands=4_000, levels=(1, 8, 64, 256), level_commands=2_000, in_flight=100,
    window=1.0, events=30_000, few_keys=1_000, many_keys=10_000, rows=10_000, asks=4_000, pages=300, probes=60,
    load=1_000, watchers=1_000, requests=600, memory_events=20_000, memory_users=2_000, opens=3,
    boundary_events=50_000, rebuilt_events=50_000, peer_commands=150, peer_events=1_000,
    growth=(1_000, 10_000, 30_000),
)  # fmt: skip

TINY = Sizes(
    name="tiny", rounds=1, users=10, commands=200, levels=(1, 4, 8), level_commands=64, in_flight=20,
    window=0.2, events=300, few_keys=10, many_keys=50, rows=60, asks=50, pages=5, probes=5,
    load=100, watchers=20, requests=100, memory_events=400, memory_users=20, opens=1, boundary_events=1_500,
    rebuilt_events=300, peer_commands=60, peer_events=200,
    growth=(300, 600),
)  # fmt: skip

BY_NAME = {sizes.name: sizes for sizes in (FULL, QUICK, TINY)}
LONGEST = 10_000_000
