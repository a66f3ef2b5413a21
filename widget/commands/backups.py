"""The commands ``recovery-quiz backup`` and ``restore``: the database and the keys, in one file."""

from __future__ import annotations

import json
import os
import shutil
import tarfile
import tempfile
import zlib
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click

from widget.actions.emails.hold_due_emails import hold_due_emails
from widget.commands.opening import opened_services
from widget.private_files import OWNER_ONLY_FILE, own_files_only
from widget.services import Services
from widget.settings import MADE_ONCE, PREFIX, SECRETS_FILE, Settings
from widget.storage.dump import DUMP, DumpError, dump_database, is_empty, load_database
from widget.storage.migrate import revision_of, revisions, upgrade

FORMAT = 1
MANIFEST, KEYS = "manifest.json", "keys.json"
MEMBERS = (MANIFEST, KEYS, DUMP)
MAX_JSON = 100_000


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--replace", is_flag=True, help="Replace the file if it exists.")
def backup(file: Path, replace: bool) -> None:
    """Write the database and the keys to FILE, while everything runs.

    The file holds addresses, orders, and the keys that decrypt them: keep it encrypted and apart from the database.
    """
    own_files_only()
    if file.exists() and not replace:
        raise click.UsageError(f"{file} exists. Choose another name, or add --replace.")
    if not file.parent.is_dir():
        raise click.UsageError(f"The folder {file.parent} does not exist.")
    with opened_services(migrate=False) as services, tempfile.TemporaryDirectory(dir=file.parent) as folder:
        inside = Path(folder)
        try:
            dump_database(services.database, inside / DUMP)
        except DumpError as error:
            raise click.ClickException(str(error)) from error
        (inside / MANIFEST).write_text(json.dumps(_manifest(services)))
        (inside / KEYS).write_text(json.dumps(_keys(services.settings)))
        whole = inside / "whole"
        with tarfile.open(whole, "w:gz", compresslevel=3) as archive:
            for name in MEMBERS:
                archive.add(inside / name, name)
        whole.chmod(OWNER_ONLY_FILE)
        whole.replace(file)  # Complete or not there: a backup that was interrupted leaves nothing behind.
    click.echo(f"{file}: {file.stat().st_size:,} bytes. It contains the keys: store it encrypted.")


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--replace", is_flag=True, help="Replace a database that has data.")
@click.option("--keys", "keys_only", is_flag=True, help="Only print the keys, as environment settings.")
@click.option("--send-due", is_flag=True, help="Send emails that are due, although they may have been sent already.")
def restore(file: Path, replace: bool, keys_only: bool, send_due: bool) -> None:
    """Read the database back from FILE. Stop web servers, workers, and beat first.

    Emails that are due are held: they may have been sent after the backup was made. Find them under Orders, or use
    `recovery-quiz emails`.
    """
    own_files_only()
    with tempfile.TemporaryDirectory() as folder:
        inside = Path(folder)
        manifest, keys = _unpacked(file, inside)
        if keys_only:
            for name, value in keys.items():
                click.echo(f"{PREFIX}{name}={value}")
            return
        _put_local_keys_back(keys)
        with opened_services(migrate=False) as services:
            _check(services, manifest, keys, replace=replace)
            try:
                load_database(services.database, inside / DUMP)
            except DumpError as error:
                raise click.ClickException(str(error)) from error
            upgrade(services.database)
            made = str(manifest["made_at"])[:16].replace("T", " ")
            reason = f"restored from a backup of {made} UTC: it may have been sent since"
            held = 0 if send_due else hold_due_emails(services, reason)
    click.echo(f"Restored the database of {made} UTC.")
    if held:
        click.echo(f"{held} emails were due. They are held, since they may have been sent after the backup was made.")
    click.echo("People who unsubscribed after the backup count as subscribed again: enter their addresses once more.")


def _manifest(services: Services) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "version": version("recovery-quiz"),
        "made_at": datetime.now(UTC).isoformat(),
        "database": services.database.dialect.name,
        "revision": revision_of(services.database),
    }


def _keys(settings: Settings) -> dict[str, str]:
    return {"SECRET_KEYS": ",".join(settings.secret_keys), "SUPPRESSION_KEY": settings.suppression_key}


def _unpacked(file: Path, folder: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """Unpack a backup into the folder; return its manifest and its keys."""
    try:
        with tarfile.open(file, "r:gz") as archive:
            for name in MEMBERS:
                _copy(archive, name, folder / name)
        read = [json.loads((folder / name).read_text()[:MAX_JSON]) for name in (MANIFEST, KEYS)]
    except (tarfile.TarError, zlib.error, OSError, EOFError, KeyError, ValueError) as error:
        raise click.ClickException(f"{file} is not a backup, or it is damaged ({type(error).__name__}).") from error
    manifest, keys = read
    if manifest.get("format") != FORMAT:
        raise click.ClickException(f"{file} was made by another version ({manifest.get('version')}). Use that one.")
    return manifest, {str(name): str(value) for name, value in keys.items() if name in MADE_ONCE}


def _copy(archive: tarfile.TarFile, name: str, target: Path) -> None:
    """Copy one file of an archive. Raises KeyError if it is missing, ValueError if it is not an ordinary file."""
    member = archive.getmember(name)
    content = archive.extractfile(member) if member.isfile() else None
    if content is None:
        raise ValueError(name)
    with content, target.open("wb") as file:
        shutil.copyfileobj(content, file)


def _put_local_keys_back(keys: dict[str, str]) -> None:
    """In local mode on a new machine, take the keys from the backup, before settings make new ones."""
    home = Path(os.environ.get(f"{PREFIX}HOME", "./var"))
    production = os.environ.get(f"{PREFIX}ENV", "local") != "local"
    given = any(os.environ.get(f"{PREFIX}{name}") for name in MADE_ONCE)
    if production or given or (home / SECRETS_FILE).exists():
        return
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    with suppress(FileExistsError):
        descriptor = os.open(home / SECRETS_FILE, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY_FILE)
        with os.fdopen(descriptor, "w") as made:
            json.dump(keys, made)


def _check(services: Services, manifest: dict[str, Any], keys: dict[str, str], *, replace: bool) -> None:
    """Refuse what could not be used afterwards, before anything is changed. Raises ClickException."""
    settings, kind = services.settings, services.database.dialect.name
    if manifest["database"] != kind:
        raise click.ClickException(f"The backup is of {manifest['database']}, and DATABASE_URL is of {kind}.")
    if manifest["revision"] not in revisions():
        raise click.ClickException(f"The backup is of a newer version ({manifest['version']}). Install that one first.")
    missing = set(keys["SECRET_KEYS"].split(",")) - set(settings.secret_keys)
    if missing or keys["SUPPRESSION_KEY"] != settings.suppression_key:
        raise click.ClickException(
            "The keys of this installation are not those of the backup, so its data could not be read. "
            "Show them with --keys, set them in the environment, and try again."
        )
    if not replace and not is_empty(services.database):
        raise click.ClickException("The database has data. Add --replace to replace all of it.")
