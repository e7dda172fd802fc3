"""How much each measurement does: for numbers, for a quick look, or only to see that the harness runs."""

import msgspec


class Sizes(msgspec.Struct, frozen=True):
    """Counts of one run; times are the machine's affair."""

    name: str
    rounds: int
    users: int
    commands: int
    single_commands: int
    in_flight: int
    events: int
    few_keys: int
    many_keys: int
    rows: int
    asks: int
    pages: int
    probes: int
    load: int
    memory_events: int
    memory_users: int
    opens: int
    boundary_events: int
    peer_commands: int
    peer_events: int
    growth: tuple[int, ...]


FULL = Sizes(
    name="full", rounds=7, users=1_000, commands=20_000, single_commands=4_000, in_flight=100, events=300_000,
    few_keys=1_000, many_keys=50_000, rows=50_000, asks=20_000, pages=2_000, probes=1_000, load=1_000,
    memory_events=1_000_000, memory_users=60_000, opens=10, boundary_events=1_000_000,
    peer_commands=6_000, peer_events=10_000,
    growth=(10_000, 100_000, 1_000_000),
)  # fmt: skip

QUICK = Sizes(
    name="quick", rounds=3, users=1_000, commands=6_000, single_commands=1_000, in_flight=100, events=100_000,
    few_keys=1_000, many_keys=50_000, rows=10_000, asks=5_000, pages=500, probes=200, load=1_000,
    memory_events=100_000, memory_users=5_000, opens=3, boundary_events=200_000,
    peer_commands=2_000, peer_events=3_000,
    growth=(10_000, 100_000),
)  # fmt: skip

TINY = Sizes(
    name="tiny", rounds=1, users=10, commands=200, single_commands=20, in_flight=20, events=300,
    few_keys=10, many_keys=50, rows=60, asks=50, pages=5, probes=5, load=100,
    memory_events=400, memory_users=20, opens=1, boundary_events=1_500,
    peer_commands=100, peer_events=200,
    growth=(300, 600),
)  # fmt: skip

BY_NAME = {sizes.name: sizes for sizes in (FULL, QUICK, TINY)}
