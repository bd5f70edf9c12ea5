"""The command line: parse, call the library, print. Heavy imports wait until a command runs."""
