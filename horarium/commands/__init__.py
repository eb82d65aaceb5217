"""The commands that ask a running Horarium, one module a subject, each with a typer app that `cli.py` takes in.

A command parses its arguments, makes its calls inside `talk`, and prints. Tables are for people, `--json` prints the
API's own answer for programs; results go to stdout, complaints to stderr. Exit codes: 0, and those of
`horarium.client.errors`; 2 for a wrong command line or setting; 130 and 143 after Ctrl-C and SIGTERM.
"""
