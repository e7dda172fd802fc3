"""The command side: a command is decided against write models folded from the history, and its events appended."""
