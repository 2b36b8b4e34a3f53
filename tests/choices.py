"""The backend that dispatch chooses: its name, and a choice made anew."""

from __future__ import annotations

from rnnfast import dispatch


def forget() -> None:
    """Let the next call choose anew."""
    dispatch._explicit.cache_clear()
    dispatch._automatic.cache_clear()


def chosen(argument: str | None = None) -> str:
    """The name of the chosen backend and variant."""
    choice = dispatch.select(argument)
    return f"{choice.name}:{choice.variant}" if choice.variant else choice.name
