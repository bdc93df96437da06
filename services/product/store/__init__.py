"""The only SQL of the product service: one function per statement, the connection first."""

from pathlib import Path

from services.chassis.migrations import Owner

OWNER = Owner(schema="catalog", role="product_svc", folder=Path(__file__).parent.parent / "sql")
