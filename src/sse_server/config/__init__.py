"""Configuration: the options of every module, read from a file, the environment and flags."""
