"""Permissions in the console: four roles, each including the one before."""

from __future__ import annotations

VIEWER, EDITOR, PUBLISHER, OWNER = "viewer", "editor", "publisher", "owner"
ROLES = (VIEWER, EDITOR, PUBLISHER, OWNER)
VIEW, EDIT, PUBLISH, MONEY, MANAGE = "view", "edit", "publish", "money", "manage"
"""``view``: read everything except revenue and orders. ``edit``: change drafts. ``publish``: change what shoppers see.
``money``: see revenue and orders. ``manage``: users, secrets, and settings of the shop."""
MINIMUM_ROLE = {VIEW: VIEWER, EDIT: EDITOR, PUBLISH: PUBLISHER, MONEY: PUBLISHER, MANAGE: OWNER}
MEANS = {
    VIEWER: "reads everything but money",
    EDITOR: "changes the draft",
    PUBLISHER: "changes the draft, publishes, and sees money",
    OWNER: "does all of it, and looks after people and settings",
}


def may(role: str | None, what: str) -> bool:
    """Return whether a role (None: no role in this shop) includes a permission."""
    return role in ROLES and ROLES.index(role) >= ROLES.index(MINIMUM_ROLE[what])
