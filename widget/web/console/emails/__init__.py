"""When emails leave: the simulation of sequences on sample orders."""

from __future__ import annotations

from widget.web.console.emails import simulation

BLUEPRINTS = (simulation.blueprint,)
