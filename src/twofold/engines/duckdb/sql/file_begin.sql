-- application, version
INSERT INTO twofold_file VALUES ($1, $2)
