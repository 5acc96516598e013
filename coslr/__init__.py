"""coslr: the cosine annealing learning rate and its relatives, exact and audited.

>>> import coslr
>>> schedule = coslr.Cosine(T_max=50, eta_max=0.1, eta_min=0.0001)
>>> schedule(0), schedule(50)
(0.1, 0.0001)

There are three rooms. The top level is for your own training code: the schedules need numpy alone,
``coslr.pytorch`` drives and audits an optimizer, ``coslr.diagnose`` names the mistake behind wrong
learning rates, and ``coslr.theory`` computes expected losses.
``coslr.experiments`` trains many networks and compares them, and ``coslr.course`` holds what the
lessons need.
"""

from coslr.diagnosis import diagnose
from coslr.schedules import (
    WSD,
    Constant,
    Cosine,
    CosineWarmRestarts,
    Cyclical,
    Exponential,
    InverseSqrt,
    Linear,
    MultiStep,
    OneCycle,
    Polynomial,
    Schedule,
    Step,
    cosine,
    from_dict,
    join,
    warmup,
)

__version__ = "0.1.0"

__all__ = [
    "WSD",
    "Constant",
    "Cosine",
    "CosineWarmRestarts",
    "Cyclical",
    "Exponential",
    "InverseSqrt",
    "Linear",
    "MultiStep",
    "OneCycle",
    "Polynomial",
    "Schedule",
    "Step",
    "cosine",
    "diagnose",
    "from_dict",
    "join",
    "warmup",
]
