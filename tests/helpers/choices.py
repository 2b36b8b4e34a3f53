"""The backend that dispatch chooses: its name, and a choice made anew."""

from __future__ import annotations

from rnnfast.backends import choose


def forget() -> None:
    """Let the next call choose anew."""
    choose._explicit.cache_clear()
    choose._automatic.cache_clear()


def chosen(argument: str | None = None) -> str:
    """The name of the chosen backend and variant."""
    choice = choose.select(argument)
    return f"{choice.name}:{choice.variant}" if choice.variant else choice.name
