"""Lambda's context, as far as Powertools and the operations app read it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Context:
    function_name: str = "test-ops-notify"
    memory_limit_in_mb: int = 256
    invoked_function_arn: str = "arn:aws:lambda:eu-west-1:123456789012:function:test-ops-notify"
    aws_request_id: str = "8f507cfc-example-4697-b07a-ac58fc914c95"
    milliseconds: int = 30_000

    def get_remaining_time_in_millis(self) -> int:
        return self.milliseconds
