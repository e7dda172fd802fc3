-- Inside a transaction: nothing else is appended until its end.
SELECT history.lock()
