"""How long the machines run, by TANDEM_CHAOS.

unset    the same short run every time; a failure is shown as it was found, at once
shrink   the same run; a failure is made as small as it gets, which takes minutes
night    a long run, another one every time, with shrinking
"""

import os

from hypothesis import HealthCheck, Phase, settings

CHAOS = os.environ.get("TANDEM_CHAOS", "")
NIGHT = CHAOS == "night"


def profile(*, examples: int, steps: int, night_examples: int, night_steps: int) -> settings:
    """Settings for one machine."""
    return settings(
        max_examples=night_examples if NIGHT else examples,
        stateful_step_count=night_steps if NIGHT else steps,
        derandomize=not NIGHT,
        phases=[Phase.generate, Phase.shrink] if CHAOS else [Phase.generate],
        database=None,
        deadline=None,  # every step is several round trips, and the machine may be busy
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )
