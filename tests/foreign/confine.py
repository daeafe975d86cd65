"""Runs a command under the limits of a systemd unit, where no systemd runs.

    confine.py UNIT COMMAND...

What the unit says of system calls (SystemCallFilter, SystemCallErrorNumber), of memory
(MemoryDenyWriteExecute), of sockets (RestrictAddressFamilies), of privileges (NoNewPrivileges),
core dumps and file modes is put on this process by libseccomp and the kernel, and the command takes
its place. A limit that the program can't live with shows as a program that fails.
"""

import configparser
import ctypes
import errno
import os
import resource
import subprocess
import sys

ALLOW = 0x7FFF0000
NOT_EQUAL, EQUAL, GREATER, MASKED = 1, 4, 6, 7
PR_SET_NO_NEW_PRIVS = 38
FAMILIES = {"AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10}
WRITE, EXECUTE = 2, 4


class Comparison(ctypes.Structure):
    """libseccomp's scmp_arg_cmp."""

    _fields_ = [
        ("argument", ctypes.c_uint),
        ("operator", ctypes.c_int),
        ("a", ctypes.c_uint64),
        ("b", ctypes.c_uint64),
    ]


class Several(dict):
    """A unit may give a key several times: the values are kept one behind another."""

    def __setitem__(self, key, value):
        if isinstance(value, list) and key in self and isinstance(self[key], list):
            self[key].extend(value)
        else:
            super().__setitem__(key, value)


def service(path):
    parser = configparser.RawConfigParser(
        dict_type=Several, strict=False, delimiters=("=",), comment_prefixes=("#", ";"), interpolation=None
    )
    parser.optionxform = str
    with open(path, encoding="utf-8") as file:
        parser.read_file(file)
    return {key: value.splitlines() for key, value in parser["Service"].items()}


def calls_of(group):
    """A group's system calls, the groups in it included, as systemd itself lists them."""
    text = subprocess.run(
        ["systemd-analyze", "syscall-filter", group], check=True, capture_output=True, text=True
    ).stdout
    found = set()
    for line in text.splitlines()[1:]:
        name = line.strip()
        if name.startswith("@"):
            found |= calls_of(name)
        elif name and not name.startswith("#"):
            found.add(name)
    return found


def allowed(lines):
    """The calls that are left by a list of allowances and of refusals (~), in their order."""
    calls = set()
    for line in lines:
        refused = line.startswith("~")
        for name in line.lstrip("~").split():
            named = calls_of(name) if name.startswith("@") else {name}
            calls = calls - named if refused else calls | named
    return calls


library = ctypes.CDLL("libseccomp.so.2", use_errno=True)
library.seccomp_init.restype = ctypes.c_void_p
library.seccomp_init.argtypes = [ctypes.c_uint32]
library.seccomp_load.argtypes = [ctypes.c_void_p]
library.seccomp_rule_add_array.argtypes = [
    ctypes.c_void_p,
    ctypes.c_uint32,
    ctypes.c_int,
    ctypes.c_uint,
    ctypes.POINTER(Comparison),
]


class Filter:
    """One seccomp filter; several that are loaded hold together."""

    def __init__(self, otherwise):
        self.context = library.seccomp_init(otherwise)

    def rule(self, action, name, *comparisons):
        number = library.seccomp_syscall_resolve_name(name.encode())
        if number < 0:  # Not a call of this machine.
            return
        rules = (Comparison * max(1, len(comparisons)))(*comparisons)
        answer = library.seccomp_rule_add_array(self.context, action, number, len(comparisons), rules)
        if answer != 0:
            raise OSError(-answer, f"{name}: {os.strerror(-answer)}")

    def load(self):
        answer = library.seccomp_load(self.context)
        if answer != 0:
            raise OSError(-answer, os.strerror(-answer))


def refuse(number):
    return 0x00050000 | number


def confine(unit):
    said = service(unit)
    last = {key: values[-1] for key, values in said.items() if values}
    for key in ("NoNewPrivileges", "MemoryDenyWriteExecute"):
        if last.get(key) != "yes":
            raise SystemExit(f"{unit}: {key}=yes is not there")
    resource.setrlimit(resource.RLIMIT_CORE, (int(last["LimitCORE"]),) * 2)
    os.umask(int(last["UMask"], 8))

    calls = Filter(refuse(getattr(errno, last["SystemCallErrorNumber"])))
    for name in allowed(said["SystemCallFilter"]):
        calls.rule(ALLOW, name)
    memory = Filter(ALLOW)
    both = WRITE | EXECUTE
    memory.rule(refuse(errno.EPERM), "mmap", Comparison(2, MASKED, both, both))
    for name in ("mprotect", "pkey_mprotect"):
        memory.rule(refuse(errno.EPERM), name, Comparison(2, MASKED, EXECUTE, EXECUTE))
    sockets = Filter(ALLOW)
    families = {FAMILIES[name] for name in last["RestrictAddressFamilies"].split()}
    for family in set(range(max(families))) - families:
        sockets.rule(refuse(errno.EAFNOSUPPORT), "socket", Comparison(0, EQUAL, family))
    sockets.rule(refuse(errno.EAFNOSUPPORT), "socket", Comparison(0, GREATER, max(families)))

    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "no new privileges")
    # The list of calls comes last: it may not have what loads a filter.
    for each in (memory, sockets, calls):
        each.load()


if __name__ == "__main__":
    confine(sys.argv[1])
    os.execvp(sys.argv[2], sys.argv[2:])
