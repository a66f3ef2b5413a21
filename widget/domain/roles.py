"""Permissions in the console: four roles, each including the one before."""

from __future__ import annotations

VIEWER, EDITOR, PUBLISHER, OWNER = "viewer", "editor", "publisher", "owner"
ROLES = (VIEWER, EDITOR, PUBLISHER, OWNER)
VIEW, EDIT, PUBLISH, MONEY, MANAGE = "view", "edit", "publish", "money", "manage"
"""``view``: read everything except revenue and orders. ``edit``: change drafts. ``publish``: change what shoppers see.
``money``: see revenue and orders. ``manage``: users, secrets, and settings of the shop."""
MINIMUM_ROLE = {VIEW: VIEWER, EDIT: EDITOR, PUBLISH: PUBLISHER, MONEY: PUBLISHER, MANAGE: OWNER}
MEANS = {
    VIEWER: "view everything except orders and revenue",
    EDITOR: "edit drafts",
    PUBLISHER: "edit drafts, publish, and view orders and revenue",
    OWNER: "do everything, and manage the team and settings",
}


def may(role: str | None, what: str) -> bool:
    """Return whether a role (None: no role in this shop) includes a permission."""
    return role in ROLES and ROLES.index(role) >= ROLES.index(MINIMUM_ROLE[what])
