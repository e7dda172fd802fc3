"""The examples of https://dcb.events against the public API; the course subscriptions are `examples/courses`."""
