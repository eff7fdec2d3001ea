"""Attacks on the sandbox itself: using it up, crashing it, outlasting it, forging figures, poisoning the next run."""

from __future__ import annotations

from cad_sandbox.attack import ENDED, HARMLESS, STOPPED, Attack, Length
from cad_sandbox.execution import Outcome

__all__ = ["ON_SERVER"]

ON_SERVER: tuple[Attack, ...] = (
    Attack(
        name="memory",
        body="""
        blocks = []
        for _ in range(100):
            blocks.append(bytearray(256 << 20))
        """,
        expected=HARMLESS | STOPPED,
    ),
    Attack(name="python-loop", body="while True: pass", expected=STOPPED, length=Length.LONG),
    Attack(
        name="geometry-loop",
        body="""
        pins = cq.Workplane().rarray(1, 1, 90, 90).circle(2).extrude(1)
        for step in range(50):
            pins = pins.union(cq.Workplane().rarray(1.3, 1.1, 60, 60).circle(2).extrude(2 + step))
        """,
        expected=STOPPED | {Outcome.OUT_OF_MEMORY},
        length=Length.LONG,
    ),
    Attack(
        name="print-flood",
        body="""
        for _ in range(200):
            print('x' * (1 << 20))
        return 'held'
        """,
        expected=HARMLESS,
    ),
    Attack(
        name="descriptor-flood",
        body="""
        block = b'x' * (1 << 20)
        for _ in range(200):
            os.write(1, block)
            os.write(2, block)
        return 'held'
        """,
    ),
    Attack(
        name="large-file",
        body="""
        with open('large', 'wb') as file:
            for _ in range(300):
                file.write(bytes(1 << 20))
        """,
    ),
    Attack(name="early-exit", body="os._exit(0)", expected=frozenset({Outcome.CRASHED})),
    Attack(
        name="forge-figures",
        body="""
        cq.Shape.Volume = cq.Solid.Volume = lambda *a, **k: 1e9
        cq.Shape.isValid = lambda *a, **k: True
        cq.Shape.BoundingBox = lambda *a, **k: None
        return 'held'
        """,
    ),
    Attack(
        name="forge-report",
        body="""
        import stat, struct, json
        report = json.dumps({'outcome': 'built', 'volume_mm3': 1e9, 'solids': 1, 'area_mm2': 1, 'low': [0, 0, 0],
                             'high': [1, 1, 1], 'face_kinds': {}, 'rule': 'result', 'files': ['part.step']}).encode()
        for number in range(3, 64):
            try:
                if not stat.S_ISFIFO(os.fstat(number).st_mode): continue
                for kind, text in ((4, b'no shape at all'), (3, report)):
                    os.write(number, struct.pack('!BQ', kind, len(text)) + text)
                os.write(number, struct.pack('!IQ', len(report), 0) + report)
            except OSError:
                pass
        os._exit(0)
        """,
        expected=ENDED | {Outcome.INVALID},
    ),
    Attack(name="link-in-output", body="os.symlink('/etc/passwd', 'part.step')"),
    Attack(
        name="poison-next-run",
        body="""
        import builtins
        cq.Workplane.box = lambda self, *a, **k: self.rect(1, 1).extrude(1)
        builtins.open = builtins.exec = builtins.compile = None
        sys.modules['json'] = sys.modules['os'] = None
        return 'held'
        """,
        expected=HARMLESS | {Outcome.INVALID},
    ),
    Attack(
        name="endless-exception",
        body="""
        class Long(BaseException):
            def __str__(self): return 'x' * (300 << 20)
        raise Long()
        """,
        expected=frozenset({Outcome.RAISED, Outcome.OUT_OF_MEMORY}),
    ),
    Attack(
        name="stack-overflow",
        body="""
        sys.setrecursionlimit(1 << 30)
        class Node:
            def __repr__(self): return repr(self)
        deep = []
        for _ in range(10 ** 5): deep = [deep]
        repr(deep); repr(Node())
        return 'held'
        """,
        expected=HARMLESS | STOPPED,
    ),
    Attack(
        name="segmentation-fault",
        body="import ctypes\nctypes.string_at(1)",
        expected=frozenset({Outcome.CRASHED}),
    ),
    Attack(
        name="ignore-signals",
        body="""
        import signal
        for number in range(1, 65):
            try: signal.signal(number, signal.SIG_IGN)
            except (OSError, ValueError): pass
        while True:
            try:
                while True: pass
            except BaseException: pass
        """,
        expected=STOPPED,
        length=Length.LONG,
    ),
    Attack(
        name="thread-left-running",
        body="""
        import threading, time
        def linger():
            while True: time.sleep(0.1)
        threading.Thread(target=linger).start()
        return 'held'
        """,
    ),
    Attack(
        name="thread-flood",
        body="""
        import threading, time
        threading.stack_size(32768)
        for _ in range(20000):
            threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
        """,
        expected=ENDED,
    ),
    Attack(
        name="trickle",
        body="""
        import stat
        pipes = []
        for number in range(3, 64):
            try:
                if stat.S_ISFIFO(os.fstat(number).st_mode): pipes.append(number)
            except OSError: pass
        # Single bytes of whole frames keep a reader busy that reads for as long as there is something.
        while True:
            for number in pipes:
                try: os.write(number, b'\\x02' + bytes(8))
                except OSError: pass
        """,
        expected=STOPPED | {Outcome.REFUSED},
        length=Length.LONG,
    ),
    Attack(
        name="deep-report",
        body="""
        import stat, struct
        deep = b'{"outcome": "raised", "message": ' + b'[' * 200000
        for number in range(3, 64):
            try:
                if not stat.S_ISFIFO(os.fstat(number).st_mode): continue
                os.write(number, struct.pack('!BQ', 3, len(deep)) + deep)
            except OSError: pass
        os._exit(0)
        """,
        expected=ENDED,
    ),
    Attack(name="exit-hook", body="import atexit, time\natexit.register(time.sleep, 3600)\nreturn 'held'"),
    Attack(
        name="memory-file",
        body="number = os.memfd_create('x')\nfor _ in range(1024): os.write(number, bytes(1 << 20))",
    ),
    Attack(
        name="close-pipe-and-loop",
        body="""
        os.closerange(0, 256)
        while True: pass
        """,
        expected=STOPPED,
        length=Length.LONG,
    ),
    Attack(
        name="raise-own-limits",
        body="""
        import resource
        for what in (resource.RLIMIT_AS, resource.RLIMIT_CPU, resource.RLIMIT_FSIZE, resource.RLIMIT_NOFILE):
            resource.setrlimit(what, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        """,
    ),
)
