"""Students enrol in courses: the case of https://dcb.events, with all of its rules."""
