"""The gateway on Lambda: `services.frontend.lambda_handler.handler`."""

import gc

gc.disable()  # what is loaded here stays; looking through it again and again is a tenth of a cold start

from services.chassis.serverless import Sandbox  # noqa: E402
from services.frontend.main import create  # noqa: E402

handler = Sandbox("frontend", create)

gc.freeze()
gc.enable()
