"""The product service on Lambda: `services.product.lambda_handler.handler`."""

import gc

gc.disable()  # what is loaded here stays; looking through it again and again is a tenth of a cold start

from services.chassis.serverless import Sandbox  # noqa: E402
from services.product.main import create  # noqa: E402

handler = Sandbox("product", create)

gc.freeze()
gc.enable()
