"""Which system calls a program may make, as a seccomp filter.

An allow-list: whatever is not named answers EPERM, a foreign architecture kills the process. The filter is built in the
caller with libseccomp and travels to the zygote as bytes, so that the walled-in side needs neither libseccomp nor the
linker's tools, and so that a child installs it with a single call.
"""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Callable
from typing import Any

from cad_sandbox.execution import SandboxUnavailable

__all__ = ["ALLOWED", "LIBSECCOMP_CURE", "build_filter"]

LIBSECCOMP_CURE = "install it: `apt-get install libseccomp2` and `pip install pyseccomp`"

_MEMORY = "brk mmap munmap mremap mprotect madvise membarrier"
# As far as Landlock lets files be opened at all.
_FILES = """
    read readv pread64 preadv write writev pwrite64 pwritev open openat close close_range lseek _llseek fstat newfstatat
    fstatat64 stat lstat statx fstatfs statfs access faccessat faccessat2 getcwd getdents64
    ftruncate fsync fdatasync dup dup2 dup3 pipe pipe2 umask fadvise64
"""
_WAITING = """
    poll ppoll select pselect6 futex nanosleep clock_nanosleep clock_gettime clock_getres gettimeofday time times
    getitimer setitimer sched_yield sched_getaffinity sched_getparam sched_getscheduler sched_get_priority_max
    sched_get_priority_min getcpu
"""
_OWN_SIGNALS = "rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending sigaltstack restart_syscall"
_ITSELF = """
    getpid getppid gettid getuid geteuid getgid getegid getresuid getresgid getgroups getpgrp getpgid getsid getrusage
    getrlimit uname sysinfo getrandom set_robust_list get_robust_list rseq set_tid_address exit exit_group arch_prctl
"""
ALLOWED = tuple(" ".join((_MEMORY, _FILES, _WAITING, _OWN_SIGNALS, _ITSELF)).split())

# Landlock lets links outside be read; to a library that resolves a path, "not a link" is the answer that harms least.
_LINKS = "readlink readlinkat"

_CLONE_THREAD = 0x00010000
# New namespaces of every kind, and a parent other than one's own.
_CLONE_NEVER = 0x7E020000 | 0x00000080 | 0x00008000
_TCGETS = 0x5401
_F_SETFL, _O_ASYNC = 4, 0o20000
_FCNTL = {"F_DUPFD": 0, "F_GETFD": 1, "F_SETFD": 2, "F_GETFL": 3, "F_DUPFD_CLOEXEC": 1030}


def build_filter() -> bytes:
    """Build the filter for this machine's architecture as a BPF program.

    Raises `SandboxUnavailable` when libseccomp or its binding is missing.
    """
    seccomp = _library()
    rules = seccomp.SyscallFilter(defaction=seccomp.ERRNO(errno.EPERM))
    equal, masked = seccomp.EQ, seccomp.MASKED_EQ

    def allow(name: str, *conditions: Any, action: int = seccomp.ALLOW) -> None:
        number = _number(seccomp.resolve_syscall, seccomp.Arch.NATIVE, name)
        if number is not None:
            rules.add_rule(action, number, *conditions)

    for name in ALLOWED:
        allow(name)
    # Threads may be made, processes may not. glibc tries clone3 first, whose flags lie in memory where a filter can't
    # look: ENOSYS makes it fall back to clone.
    allow("clone", seccomp.Arg(0, masked, _CLONE_THREAD | _CLONE_NEVER, _CLONE_THREAD))
    allow("clone3", action=seccomp.ERRNO(errno.ENOSYS))
    for name in _LINKS.split():
        allow(name, action=seccomp.ERRNO(errno.EINVAL))
    # Reading one's limits is fine, setting them is not (argument 2 is the new limit).
    allow("prlimit64", seccomp.Arg(2, equal, 0))
    allow("ioctl", seccomp.Arg(1, equal, _TCGETS))
    for command in _FCNTL.values():
        allow("fcntl", seccomp.Arg(1, equal, command))
    # Blocking or not is a program's own affair, signals to another process are not.
    allow("fcntl", seccomp.Arg(1, equal, _F_SETFL), seccomp.Arg(2, masked, _O_ASYNC, 0))
    with tempfile.TemporaryFile() as file:
        rules.export_bpf(file)
        file.seek(0)
        program = file.read()
    if not program or len(program) % 8:
        raise SandboxUnavailable(f"expected a BPF program from libseccomp, got {len(program)} bytes; {LIBSECCOMP_CURE}")
    return program


def _library() -> Any:
    try:
        import pyseccomp
    except (ImportError, RuntimeError, OSError) as error:
        # The binding raises RuntimeError when the shared library itself is absent.
        raise SandboxUnavailable(
            f"seccomp is needed, but libseccomp is not usable ({error}); {LIBSECCOMP_CURE}"
        ) from error
    return pyseccomp


def _number(resolve: Callable[[int, str], int], arch: int, name: str) -> int | None:
    """Resolve a name; None where this architecture has no such call (`open` on aarch64)."""
    try:
        number = resolve(arch, name)
    except (OSError, ValueError):
        return None
    return number if number >= 0 else None
