"""Which rule prices which type. A type that is neither here nor among the free ones cannot be priced."""

from collections.abc import Mapping

from cfn.costs.rules import compute, data, edge, network, operations, storage, watching
from cfn.costs.rules.bill import Rule

RULES: Mapping[str, Rule] = {
    **compute.RULES,
    **network.RULES,
    **data.RULES,
    **edge.RULES,
    **storage.RULES,
    **watching.RULES,
    **operations.RULES,
}
