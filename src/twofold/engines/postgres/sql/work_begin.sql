-- Inside a transaction: nothing else is appended until its end, and handlers' statements are about their own tables.
SELECT history.lock(), set_config('search_path', 'application', true)
