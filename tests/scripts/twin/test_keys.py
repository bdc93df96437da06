"""The local secrets."""

import stat
from pathlib import Path

from scripts.twin import keys
from services.chassis.auth import AdminKeys
from services.chassis.settings import Settings


def test_secrets_are_made_once_and_are_their_owners_alone(tmp_path: Path) -> None:
    first = keys.load(tmp_path / "new")
    assert keys.load(tmp_path / "new") == first
    assert keys.load(tmp_path / "other") != first
    assert stat.S_IMODE((tmp_path / "new" / "secrets.json").stat().st_mode) == 0o600
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["secrets.json"]


def test_the_services_accept_them_and_know_the_admin_key_with_every_role(tmp_path: Path) -> None:
    made = keys.load(tmp_path)
    settings = Settings.from_env("product", made.environment())
    holder = AdminKeys(settings.admin_keys).read(made.admin)
    assert holder.roles == {"catalog:write", "orders:write", "ops:read"}
    assert made.admin not in "".join(made.environment().values())
