"""Read models that ask for what this version of Twofold may not have yet; a measurement that needs it is skipped."""

from __future__ import annotations

import types
from typing import Any

from examples.profiles.app import Profile

from twofold import App, ReadModel


def profiles_with(**options: Any) -> App | None:
    """Return an app whose one read model is that of profiles, declared with options of its class; None if it cannot."""

    def fill(namespace: dict[str, Any]) -> None:
        kept = ("__annotations__", "name", "bio", "updates", "evolve")
        defaults = {"name": "", "bio": "", "updates": 0}
        namespace.update({name: defaults[name] if name in defaults else Profile.__dict__[name] for name in kept})
        namespace["__module__"] = __name__

    try:
        made = types.new_class("Profile", (ReadModel,), {"key": "user_id", **options}, fill)
    except TypeError:
        return None
    app = App("profiles")
    app.read_model(made)
    return app
