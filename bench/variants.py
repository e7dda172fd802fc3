"""The read model of examples/profiles with other options of its class: another version, more segments."""

from __future__ import annotations

import types
from typing import Any

from examples.profiles.app import Profile

from twofold import App, ReadModel


def profiles_with(**options: Any) -> App:
    """Return an app whose one read model is that of profiles, declared with these options."""
    kept = ("__annotations__", "name", "bio", "updates", "evolve")
    defaults = {"name": "", "bio": "", "updates": 0}

    def fill(namespace: dict[str, Any]) -> None:
        namespace.update({name: defaults.get(name, Profile.__dict__[name]) for name in kept})
        namespace["__module__"] = __name__

    app = App("profiles")
    app.read_model(types.new_class("Profile", (ReadModel,), {"key": "user_id", **options}, fill))
    return app
