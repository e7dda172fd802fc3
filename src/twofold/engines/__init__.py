"""Storage engines. Each implements `History` and/or `ViewStore`; none imports another."""
