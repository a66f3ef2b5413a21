"""Users of the console: invitations, passwords, sign-in, memberships."""
