"""The order service on Lambda: `services.order.lambda_handler.handler`."""

import gc

gc.disable()  # what is loaded here stays; looking through it again and again is a tenth of a cold start

from services.chassis.serverless import Sandbox  # noqa: E402
from services.order.main import create  # noqa: E402

handler = Sandbox("order", create)

gc.freeze()
gc.enable()
