"""Attacks that reach for what lies outside: files, networks, other processes, the kernel's doors."""

from __future__ import annotations

from cad_sandbox.attack import Attack

__all__ = ["OUTWARD"]

# The numbers are those of x86-64.
_RAW = """
import ctypes, platform
if platform.machine() != 'x86_64': return 'held'
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *values):
    answer = libc.syscall(ctypes.c_long(number), *[ctypes.c_long(v) if isinstance(v, int) else v for v in values])
    if answer < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return answer
"""


def _reach(*names_and_numbers: tuple[str, str]) -> str:
    lines = [_RAW, "open_calls = []"]
    for name, arguments in names_and_numbers:
        lines.append(
            f"try:\n    call({arguments})\n    open_calls.append({name!r})\n"
            "except OSError as error:\n"
            f"    if error.errno not in (1, 38): open_calls.append({name!r} + str(error.errno))"
        )
    lines.append("if not open_calls: return 'held'\nprint(open_calls)")
    return "\n".join(lines)


OUTWARD: tuple[Attack, ...] = (
    Attack(name="read-system-file", body="print(open('/etc/passwd').read())"),
    Attack(name="read-secret", body="print(open(FIELD['secret']).read())"),
    Attack(name="list-secret-folder", body="print(os.listdir(FIELD['folder']))"),
    Attack(name="follow-link", body="print(os.readlink(FIELD['link']))"),
    Attack(name="write-outside", body="open(FIELD['folder'] + '/breach', 'w').write('x')"),
    Attack(name="delete-outside", body="os.remove(FIELD['secret'])"),
    Attack(name="chmod-outside", body="os.chmod(FIELD['secret'], 0o777)"),
    Attack(
        name="tcp-connect",
        body="import socket\nsocket.create_connection(('127.0.0.1', FIELD['tcp']), 1).send(b'x')",
    ),
    Attack(
        name="udp-send",
        body="""
        import socket
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', FIELD['udp']))
        """,
    ),
    Attack(
        name="abstract-socket",
        body="""
        import socket
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b'x', chr(0) + FIELD['abstract'])
        """,
    ),
    Attack(
        name="path-socket",
        body="import socket\nsocket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b'x', FIELD['local'])",
    ),
    Attack(
        name="fork-bomb",
        body="""
        import time
        for _ in range(60):
            if os.fork() == 0:
                os.setsid()
                time.sleep(5)
                os._exit(0)
        """,
    ),
    Attack(name="raw-socket-call", body=_RAW + "call(41, 2, 2, 0)"),
    Attack(name="execute-shell", body="os.execv('/bin/sh', ['sh', '-c', 'true'])"),
    Attack(name="spawn-shell", body="import subprocess\nprint(subprocess.run(['/bin/sh', '-c', 'id'], check=True))"),
    Attack(name="kill-parent", body="import signal\nos.kill(os.getppid(), signal.SIGKILL)"),
    Attack(name="kill-all", body="import signal\nos.kill(-1, signal.SIGKILL)"),
    Attack(name="kill-group", body="import signal\nos.killpg(os.getpgrp(), signal.SIGKILL)"),
    Attack(
        name="parents-environment",
        body="print([open(f'/proc/{pid}/environ').read() for pid in ('self', os.getppid(), 1)])",
    ),
    Attack(name="parents-memory", body="open(f'/proc/{os.getppid()}/mem', 'r+b')"),
    Attack(
        name="read-parents-memory",
        body=_RAW
        + """
        here = ctypes.create_string_buffer(8)
        class Part(ctypes.Structure): _fields_ = [('base', ctypes.c_void_p), ('size', ctypes.c_size_t)]
        ours, theirs = Part(ctypes.addressof(here), 8), Part(ctypes.addressof(here), 8)
        call(310, os.getppid(), ctypes.byref(ours), 1, ctypes.byref(theirs), 1, 0)
        """.replace("\n        ", "\n"),
    ),
    Attack(name="trace-parent", body=_RAW + "call(101, 16, os.getppid(), 0, 0)"),
    Attack(name="shared-memory", body="open('/dev/shm/' + FIELD['token'], 'w').write('x')"),
    Attack(
        name="temporary-file",
        body="import tempfile\nopen(os.path.join(tempfile.gettempdir(), FIELD['token']), 'w').write('x')",
    ),
    Attack(
        name="new-namespaces",
        body=_reach(("unshare user+mount", "272, 0x10020000"), ("mount", "165, 0, 0, 0, 0, 0"), ("setns", "308, 0, 0")),
    ),
    Attack(
        name="kernel-doors",
        body=_reach(
            ("io_uring_setup", "425, 1, 0"),
            ("bpf", "321, 0, 0, 0"),
            ("userfaultfd", "323, 0"),
            ("keyctl", "250, 0, 0, 0"),
            ("add_key", "248, 0, 0, 0, 0, 0"),
            ("perf_event_open", "298, 0, 0, 0, -1, 0"),
            ("ptrace", "101, 0, 0, 0, 0"),
            ("pidfd_open", "434, 1, 0"),
            ("name_to_handle_at", "303, -1, 0, 0, 0, 0"),
            ("open_by_handle_at", "304, -1, 0, 0"),
            ("kexec_load", "246, 0, 0, 0, 0"),
            ("init_module", "175, 0, 0, 0"),
            ("chroot", "161, 0"),
            ("seccomp", "317, 0, 0, 0"),
            ("shmget", "29, 0, 4096, 512"),
            ("msgget", "68, 0, 512"),
            ("landlock_create_ruleset", "444, 0, 0, 1"),
            ("landlock_add_rule", "445, 3, 1, 0, 0"),
            ("pidfd_getfd", "438, 0, 0, 0"),
            ("process_madvise", "440, 0, 0, 0, 0, 0"),
            ("kcmp", "312, 1, 1, 0, 0, 0"),
            ("mq_open", "240, 0, 0, 0, 0"),
            ("timer_create", "222, 0, 0, 0"),
            ("memfd_secret", "447, 0"),
            ("fanotify_init", "300, 0, 0"),
            ("inotify_init1", "294, 0"),
            ("prctl", "157, 4, 0, 0, 0, 0"),
            ("personality", "135, 0"),
            ("setpriority", "141, 0, 0, 0"),
            ("sched_setaffinity", "203, 0, 8, 0"),
            ("sendmsg", "46, 0, 0, 0"),
            ("recvmsg", "47, 0, 0, 0"),
            ("socketpair", "53, 1, 1, 0, 0"),
            ("splice", "275, 0, 0, 0, 0, 0, 0"),
            ("vmsplice", "278, 0, 0, 0, 0"),
            ("setuid", "105, 0"),
            ("mknod", "133, 0, 0, 0"),
            ("linkat", "265, -1, 0, -1, 0, 0"),
            ("symlinkat", "266, 0, -1, 0"),
            ("renameat2", "316, -1, 0, -1, 0, 0"),
            ("utimensat", "280, -1, 0, 0, 0"),
            ("setxattr", "188, 0, 0, 0, 0, 0"),
            ("getxattr", "191, 0, 0, 0, 0"),
            ("syslog", "103, 2, 0, 0"),
            ("clone of a process", "56, 17, 0, 0, 0, 0"),
            ("vfork by clone", "56, 0x4111, 0, 0, 0, 0"),
            ("thread in a namespace", "56, 0x50010F00, 0, 0, 0, 0"),
            ("sibling of the parent", "56, 0x00018F00, 0, 0, 0, 0"),
        ),
    ),
    Attack(
        name="own-descriptors",
        body="""
        import fcntl, stat, termios
        got = []
        def attempt(name, action):
            try: action()
            except OSError as error:
                if error.errno not in (1, 13): got.append((name, error.errno))
            else: got.append((name, 0))
        for number in range(64):
            try: mode = os.fstat(number).st_mode
            except OSError: continue
            if not stat.S_ISFIFO(mode): continue
            # Signals to the reader, a larger pipe, a change of its mode, its size, a second end to read.
            attempt('F_SETOWN', lambda: fcntl.fcntl(number, fcntl.F_SETOWN, os.getppid()))
            attempt('F_SETSIG', lambda: fcntl.fcntl(number, 10, 9))
            attempt('F_SETPIPE_SZ', lambda: fcntl.fcntl(number, 1031, 1 << 20))
            attempt('F_SETFL', lambda: fcntl.fcntl(number, fcntl.F_SETFL, os.O_ASYNC))
            attempt('F_NOTIFY', lambda: fcntl.fcntl(number, 1026, 1))
            attempt('TIOCSTI', lambda: fcntl.ioctl(number, termios.TIOCSTI, b'x'))
            attempt('FIONREAD', lambda: fcntl.ioctl(number, termios.FIONREAD, b'1234'))
            attempt('FIOASYNC', lambda: fcntl.ioctl(number, 0x5452, b'1234'))
        if not got: return 'held'
        print(got)
        """,
    ),
    Attack(
        name="processes-in-proc",
        body="""
        got = []
        names = 'maps status stat cmdline mounts fd mem auxv cwd/x root/etc/passwd'.split()
        for pid in ('self', os.getppid(), 1):
            for name in names:
                try: open(f'/proc/{pid}/{name}', 'rb').read(1)
                except OSError as error:
                    if error.errno not in (1, 2, 13, 21): got.append((pid, name, error.errno))
                else: got.append((pid, name))
        for path in ('/proc/cpuinfo', '/proc/net/tcp', '/proc/mounts', '/sys/class', '/dev/mem', '/dev/kmsg',
                     '/etc/shadow', '/root', '/home', '/var/log', '/run', '/boot'):
            try: open(path, 'rb').read(1)
            except OSError: pass
            else: got.append(path)
            try: os.listdir(path)
            except OSError: pass
            else: got.append(path)
        if not got: return 'held'
        print(got)
        """,
    ),
    Attack(
        name="find-control-socket",
        body="""
        import stat
        found = []
        for number in range(3, 1024):
            try: mode = os.fstat(number).st_mode
            except OSError: continue
            if not stat.S_ISFIFO(mode): found.append((number, oct(mode)))
        if not found: return 'held'
        print(found)
        """,
    ),
    Attack(
        name="daemon",
        body="""
        import time
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                time.sleep(0.5)
                open(FIELD['folder'] + '/breach', 'w').write('x')
            os._exit(0)
        """,
    ),
    Attack(
        name="read-siblings",
        body="""
        found = []
        for folder in ('..', '../..', '.', '/tmp'):
            try: found += os.listdir(folder)
            except OSError: pass
        if not found: return 'held'
        print(found)
        """,
    ),
    Attack(
        name="poison-shared-rules",
        body=_RAW
        + """
class Rule(ctypes.Structure):
    _pack_ = 1
    _fields_ = [('access', ctypes.c_uint64), ('parent', ctypes.c_int32)]
number = os.open(FIELD['folder'], os.O_PATH)
rule = Rule(12, number)
added = 0
for ruleset in range(3, 256):
    try:
        call(445, ruleset, 1, ctypes.byref(rule), 0)
        added += 1
    except OSError: pass
if not added: return 'held'
""",
    ),
)
