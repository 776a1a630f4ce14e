"""One harness for every test that needs several processes.

    with ranks(3) as pool:
        sums = pool.run(add_everything, 7)      # add_everything(rank, world, 7) on three ranks

The ranks are forked from a server that has imported torch once, are reused from call to call, and
can't outlive a deadline. See `pool.py` for what a pool can do, `server.py` for where ranks come from.
"""

from harness.backend import BACKEND, ENGINES, ON_GLOO
from harness.outcome import Outcome, RankFailure
from harness.pool import Call, Pool, ranks
from harness.registry import PoolRegistry

__all__ = ["BACKEND", "ENGINES", "ON_GLOO", "Call", "Outcome", "Pool", "PoolRegistry", "RankFailure", "ranks"]
