"""Handles that usually travel together, so that a box asks for one thing instead of five."""

from dataclasses import dataclass

from cfn.boxes.alerts import Alerts
from cfn.boxes.cache import Caching
from cfn.boxes.data import Data
from cfn.boxes.encryption import Encryption
from cfn.boxes.keys import Keys
from cfn.boxes.load_balancer import Balancer
from cfn.boxes.network import Network
from cfn.boxes.registry import Registry
from cfn.boxes.security import Security


@dataclass(frozen=True, slots=True)
class Foundation:
    """What everything stands on."""

    network: Network
    security: Security
    encryption: Encryption
    registry: Registry
    alerts: Alerts


@dataclass(frozen=True, slots=True)
class Backing:
    """What a service works with."""

    data: Data
    keys: Keys
    caching: Caching
    balancer: Balancer
