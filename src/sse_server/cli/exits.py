"""Exit codes, the same for every command."""

EXIT_OK = 0
EXIT_FAILURE = 1
"""What was asked for could not be done: the server refused, or could not be reached."""
EXIT_USAGE = 2
"""The command line, a setting or the installation is wrong; argparse uses it, too."""
EXIT_INTERRUPTED = 130
"""By Ctrl-C: what a shell makes of a program that SIGINT has ended, 128 and its number."""
