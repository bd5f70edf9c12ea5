"""A regular expression becomes an automaton, in a process of its own: some expressions never end.

Reads ``{"pattern": ..., "alphabet": ...}`` from stdin, as JSON, and writes ``{"next": [[...]], "accepting": [...]}``,
state 0 being the first, or ``{"error": ...}``. Run as a script, so that it loads nothing but greenery.
"""

import json
import sys

from greenery import parse


def build(pattern: str, alphabet: str) -> dict[str, object]:
    """The reduced automaton of a pattern that a whole text must match, over the characters of an alphabet."""
    automaton = parse(pattern).to_fsm().reduce()
    states = sorted(automaton.states, key=lambda state: state != automaton.initial)
    number = {state: i for i, state in enumerate(states)}
    rows = [
        [number[next(end for kind, end in automaton.map[state].items() if kind.accepts(letter))] for letter in alphabet]
        for state in states
    ]
    return {"next": rows, "accepting": [state in automaton.finals for state in states]}


if __name__ == "__main__":
    request = json.load(sys.stdin)
    try:
        answer = build(request["pattern"], request["alphabet"])
    except Exception as error:
        answer = {"error": str(error).splitlines()[0] if str(error) else type(error).__name__}
    json.dump(answer, sys.stdout)
