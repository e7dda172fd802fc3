-- what the file is
SELECT application, version FROM twofold_file
