"""What users might take instead of Twofold, doing the same work; each runs in an environment of its own."""
