"""Targets: how a plan is spelled, one file each. A target holds spelling only; every decision is in the plan."""
