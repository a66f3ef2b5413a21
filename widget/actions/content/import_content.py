"""Import a pack into a shop as a new, immutable content version."""

from __future__ import annotations

import hashlib
import json

from sqlalchemy.exc import IntegrityError

from widget.actions.content.check_emails import email_problems
from widget.actions.require_shop import require_shop
from widget.content.files import PackFiles
from widget.content.reader import Broken, Located, read_files
from widget.content.writer import canonical_files
from widget.domain.engine.highest import Highest
from widget.domain.engine.rules import Rules
from widget.services import Services
from widget.storage.content import ContentVersion, newest_version


def import_content(
    services: Services, *, shop: str, files: PackFiles, author: str = "", note: str = ""
) -> ContentVersion:
    """Store this pack as a new version and return it; return the newest version if its content is the same.

    Raises UnknownShop, and Broken (with all problems) for a pack with errors, of which nothing is stored.
    """
    reading = read_files(files, [])
    if reading.pack is None:
        raise Broken(reading.errors)
    unwritable = email_problems(reading.pack)
    if unwritable:
        raise Broken([Located(item, str(item.place[0]), 1) for item in unwritable])
    canonical = canonical_files(reading.pack, files)
    digest = hashlib.sha256(json.dumps(canonical, sort_keys=True).encode()).hexdigest()
    highest = Highest(Rules(reading.pack)).all()
    while True:
        try:
            with services.sessions.begin() as session:
                owner = require_shop(session, shop)
                newest = newest_version(session, owner.id, reading.pack.id)
                if newest and newest.digest == digest:
                    return newest
                version = ContentVersion(
                    shop_id=owner.id,
                    quiz=reading.pack.id,
                    number=newest.number + 1 if newest else 1,
                    files=canonical,
                    digest=digest,
                    highest=highest,
                    author=author,
                    note=note,
                    created_at=services.now(),
                )
                session.add(version)
            return version
        except IntegrityError:
            continue  # A concurrent import took the number: try the next one.
