#!/usr/bin/env python3
"""Plays the cases against an implementation of the channel protocol and reports in TAP.

  run.py guest SOCKET [--case NAME]
      SOCKET is a Unix socket on which a guest's agent takes links, one at a time or more; we are the host.
  run.py host SOCKET [--case NAME] -- COMMAND [ARG ...]
      COMMAND is run once for each case, with what the case's "command" says in place of {}; it dials SOCKET; we are the guest.
"""

import argparse
import json
import pathlib
import socket
import subprocess
import sys

import wire
from peer import Closed, Peer, dial
from steps import Failed, Player
from wire import ProtocolViolation

CASES = pathlib.Path(__file__).parent / "cases"
GUEST, HOST = 1, 2


def check_vectors():
    """The frames and chains that the project's vectors have are what this implementation makes."""
    folder = pathlib.Path(__file__).parent.parent.parent / "protocol/vectors"
    for line in (folder / "frames.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            name, *numbers, payload, whole = line.split()
            kind, flags, stream, sequence = (int(number, 16) for number in numbers)
            if wire.Frame(kind, stream, sequence, bytes.fromhex(payload.strip("-")), flags).encode().hex() != whole:
                sys.exit(f"run.py: the vector {name} is not the frame that section 3 describes")
    (nonce, other, seed), *frames = [line.split() for line in (folder / "chain.txt").read_text().splitlines() if not line.startswith("#")]
    chain = wire.chain_seed(*(int(number, 16).to_bytes(16, "little") for number in (nonce, other)))
    values = [chain, *(chain := wire.chain_on(chain, bytes.fromhex(frame)) for frame, _ in frames)]
    if values != [int(value, 16) for value in (seed, *(value for _, value in frames))]:
        sys.exit("run.py: the chain of the vectors is not that of section 5")


def load(target, only):
    """The cases for a target, in the order of files and places. A case without "against" is for both."""
    cases = [case for path in sorted(CASES.glob("*.json")) for case in json.loads(path.read_text())]
    return [case for case in cases if case.get("against", target) == target and only in (None, case["name"])]


def play(case, role, connect):
    """Plays a case, then looks whether a new session is served: no case may leave the other side worse."""
    peer = Peer(role, connect)
    afterwards = Peer(role, connect)
    try:
        Player(peer).play(case["steps"])
        if "exits" in case or not case.get("afterwards", True):
            return
        peer.drop()
        player = Player(afterwards)
        try:
            player.play([{"connect": {}}, {"establish": {}}, {"alive": True}])
        except Failed as error:
            raise Failed(f"afterwards, in a new session: {error}") from error
    finally:
        peer.drop()
        afterwards.drop()


def play_host(case, path, command):
    """A host dials, so it gets a socket of its own that nobody used before, and a process of its own."""
    pathlib.Path(path).unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(4)
        listener.settimeout(20)
        words = [word for part in command for word in (case.get("command", ["watch"]) if part == "{}" else [part])]
        host = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            play(case, GUEST, lambda: listener.accept()[0])
            if "exits" in case and host.wait(20) != case["exits"]:
                raise Failed(f"the host's exit code is {host.returncode}; {case['exits']} was expected")
            if "exits" not in case and "afterwards" not in case and host.poll() is not None:
                raise Failed(f"the host has ended with {host.returncode}: {host.stderr.read()}")
        finally:
            host.kill()
            host.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", choices=["guest", "host"])
    parser.add_argument("socket")
    parser.add_argument("--case")
    words = sys.argv[1:]
    at = words.index("--") if "--" in words else len(words)
    arguments, command = parser.parse_args(words[:at]), words[at + 1:]
    if (arguments.target == "host") != bool(command):
        parser.error("a host needs a command behind --, a guest has none")
    check_vectors()
    cases = load(arguments.target, arguments.case)
    print(f"1..{len(cases)}", flush=True)
    failed = 0
    for number, case in enumerate(cases, 1):
        try:
            if arguments.target == "guest":
                play(case, HOST, lambda: dial(arguments.socket))
            else:
                play_host(case, arguments.socket, command)
            print(f"ok {number} - {case['name']}", flush=True)
        except (Failed, Closed, ProtocolViolation, OSError, subprocess.TimeoutExpired) as error:
            failed += 1
            print(f"not ok {number} - {case['name']}: {error}", flush=True)
    return 0 if cases and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
