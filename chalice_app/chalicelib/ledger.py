"""The ledger in DynamoDB: records of Powertools' idempotency, which knows how to lock, expire and clean up.

Importing this loads boto3; it is imported with the first record.
"""

from typing import Any

from aws_lambda_powertools.utilities.idempotency import DynamoDBPersistenceLayer, IdempotencyConfig
from aws_lambda_powertools.utilities.idempotency.exceptions import IdempotencyItemAlreadyExistsError

from chalicelib.once import Entry

KEPT = 7 * 24 * 3600  # seconds; nothing is redelivered by itself for longer


class PowertoolsLedger:
    def __init__(self, client: Any, table: str) -> None:
        self._records = DynamoDBPersistenceLayer(table_name=table, boto3_client=client)
        self._records.configure(
            IdempotencyConfig(expires_after_seconds=KEPT, hash_function="sha256"), key_prefix="told"
        )

    def begin(self, key: str, seconds: float) -> Entry:
        try:
            self._records.save_inprogress(_data(key), remaining_time_in_millis=max(0, int(seconds * 1000)))
        except IdempotencyItemAlreadyExistsError as error:
            record = error.old_data_record or self._records.get_record(_data(key))
            return "done" if record is not None and record.status == "COMPLETED" else "busy"
        return "new"

    def finish(self, key: str) -> None:
        self._records.save_success(_data(key), {})

    def abandon(self, key: str) -> None:
        self._records.delete_record(_data(key), RuntimeError("not told"))


def _data(key: str) -> dict[str, Any]:
    return {"key": key}
