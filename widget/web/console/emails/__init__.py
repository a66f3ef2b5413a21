"""The simulation of sequences on sample orders, which shows when emails are sent."""

from __future__ import annotations

from widget.web.console.emails import simulation

BLUEPRINTS = (simulation.blueprint,)
