-- The position of the last event.
SELECT history.head()
