"""Manage console users: invitations, passwords, sign-in, memberships."""
