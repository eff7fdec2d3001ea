"""The server generator against a real HTTP server that has bad days: slow, busy, broken, cut off, talking nonsense."""

from __future__ import annotations

import ast
import base64
import io
import json
import logging
import socket
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cad_pipeline.errors import CadPipelineError, InputError, MissingPieceError
from cad_pipeline.generators.chat_server import ChatServer, Patience, ServerTrouble
from cad_pipeline.generators.openai_api import ServerGenerator
from cad_pipeline.troubled_server import (
    BAD_DAYS,
    PROGRAM,
    TroubledServer,
    busy,
    failing,
    raw,
    reply,
    troubled_server,
    well,
)
from cad_pipeline.values import Attempt, Mesh, Target, Verdict
from cad_sandbox.execution import Execution, Outcome

KEY = "sk-very-secret-123456"


@pytest.fixture
def server() -> Iterator[TroubledServer]:
    with troubled_server() as made:
        yield made


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)


def generator(server: TroubledServer, waits: list[float] | None = None, **patience: Any) -> ServerGenerator:
    chat = ChatServer(
        base_url=server.url,
        patience=Patience(**{"timeout_s": 0.5, "tries": 4, "first_wait_s": 0.01, **patience}),
        sleep=(waits if waits is not None else []).append,
    )
    return ServerGenerator(server=chat, model="tiny")


def target() -> Target:
    made = Target(mesh=Mesh(name="part", vertices=np.eye(3), faces=np.array([[0, 1, 2]])))
    images = [np.full((16, 16, 3), 10 * k, dtype=np.uint8) for k in range(8)]
    made.__dict__["views"] = SimpleNamespace(images=images)
    return made


def test_views_go_out_as_pictures_and_programs_come_back(server: TroubledServer) -> None:
    programs = generator(server).propose(target(), (), samples=4)
    assert [p.source for p in programs] == [PROGRAM.format(k) for k in (1, 2, 3, 4)]
    assert [p.origin.note for p in programs] == ["greedy", "t=0.6", "t=0.6", "t=0.6"]
    assert [(a["n"], a["temperature"]) for a in server.asked] == [(1, 0.0), (3, 0.6)]
    parts = server.asked[0]["messages"][1]["content"]
    assert [part["type"] for part in parts] == ["image_url"] * 8 + ["text"]
    url = parts[3]["image_url"]["url"]
    picture = Image.open(io.BytesIO(base64.b64decode(url.removeprefix("data:image/png;base64,"))))
    assert picture.size == (16, 16) and picture.getpixel((0, 0)) == (30, 30, 30)
    assert server.keys == [f"Bearer {KEY}"] * 2


def test_a_server_that_ignores_n_is_asked_until_all_are_there(server: TroubledServer) -> None:
    server.most = 1
    asks = generator(server)
    assert len(asks.propose(target(), (), samples=4)) == 4
    assert asks.server.counts.requests == 4 and asks.server.counts.tokens == 40


@pytest.mark.parametrize("day", BAD_DAYS)
def test_a_bad_moment_is_outlasted(server: TroubledServer, day: str) -> None:
    behaviour, kind = BAD_DAYS[day]
    server.script = [behaviour, behaviour]
    # Short only where that is what is tested: a busy machine may take half a second to answer anything.
    asks = generator(server, timeout_s=0.5 if kind == "timeout" else 20.0)
    assert len(asks.propose(target(), (), samples=1)) == 1
    counts = asks.server.counts
    assert (counts.requests, counts.retries, counts.failures) == (3, 2, {kind: 2})


@pytest.mark.parametrize("day", BAD_DAYS)
def test_a_server_that_stays_bad_is_given_up_with_words(server: TroubledServer, day: str) -> None:
    server.script = [BAD_DAYS[day][0]] * 2
    asks = generator(server, tries=2, timeout_s=0.3)
    (told,) = asks.propose(target(), (), samples=1)
    assert "failed 2 times" in told.source and told.origin.note == "no answer"
    assert not ast.parse(told.source).body
    server.script = [BAD_DAYS[day][0]] * 2
    with pytest.raises(ServerTrouble, match="failed 2 times"):
        asks.ask([], 1, temperature=0.0, seed=0)


def test_all_bad_days_in_a_row_lose_nothing(server: TroubledServer) -> None:
    server.script = [behaviour for behaviour, _ in BAD_DAYS.values()]
    asks = generator(server, tries=len(BAD_DAYS) + 1, timeout_s=0.3)
    programs = asks.propose(target(), (), samples=8)
    assert len({program.source for program in programs}) == 8
    assert asks.server.counts.retries == len(BAD_DAYS)


def test_waits_grow_and_the_servers_own_word_counts(server: TroubledServer) -> None:
    waits: list[float] = []
    server.script = [failing(503), failing(503), busy("7"), busy("900"), busy("Fri, 31 Dec 2100 23:59:59 GMT")]
    generator(server, waits, tries=6, first_wait_s=1.0, longest_wait_s=20.0).propose(target(), ())
    assert 0.75 <= waits[0] <= 1.25 and 1.5 <= waits[1] <= 2.5 and waits[2] == 7.0 and waits[3:] == [20.0, 20.0]


def test_what_came_before_the_server_gave_up_is_kept(server: TroubledServer) -> None:
    server.script = [well, *[failing(500)] * 4]
    assert len(generator(server).propose(target(), (), samples=5)) == 1


def test_a_choice_without_text_is_no_answer(server: TroubledServer) -> None:
    def mute(handler: Any, _: Any) -> None:
        message = {"content": [{"type": "text", "text": PROGRAM.format(7)}]}
        cut_off = {"message": message, "finish_reason": "length"}
        reply(handler, 200, {"choices": [{"message": {"content": None}}, "x", cut_off]})

    server.script = [mute]
    (program,) = generator(server).propose(target(), (), samples=1)
    assert program.source == PROGRAM.format(7) and "cut off" in program.origin.note


def test_later_rounds_only_draw_and_repeat_nothing(server: TroubledServer) -> None:
    server.script = [raw(json.dumps({"choices": [{"message": {"content": PROGRAM.format(1)}}] * 2}).encode())]
    asks = generator(server)
    (first,) = asks.propose(target(), (), samples=1)
    no = Verdict(accepted=False, reason="no")
    tried = [Attempt(program=first, execution=Execution(outcome=Outcome.RAISED), verdict=no)]
    server.script = [raw(json.dumps({"choices": [{"message": {"content": PROGRAM.format(1)}}]}).encode())]
    assert asks.propose(target(), tried, samples=1) == []
    assert server.asked[-1]["temperature"] == 0.6 and server.asked[-1]["seed"] == 1000


# What is missing, and what must never be told.


def test_nobody_home_is_a_missing_piece(server: TroubledServer) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    chat = ChatServer(base_url=f"http://127.0.0.1:{port}/v1", patience=Patience(tries=2), sleep=lambda _: None)
    with pytest.raises(MissingPieceError, match="--server"):
        ServerGenerator(server=chat, model="tiny").propose(target(), ())
    assert chat.models() == []


@pytest.mark.parametrize(("code", "words"), [(401, "OPENAI_API_KEY"), (403, "OPENAI_API_KEY"), (404, "--model")])
def test_a_refused_key_or_model_is_a_missing_piece_at_once(server: TroubledServer, code: int, words: str) -> None:
    server.script = [failing(code, f"no entry for {KEY}")]
    with pytest.raises(MissingPieceError, match=words) as told:
        generator(server).propose(target(), ())
    assert KEY not in str(told.value) and len(server.asked) == 1


def test_a_refused_request_is_not_repeated(server: TroubledServer) -> None:
    server.script = [failing(400, "too many images")]
    (told,) = generator(server).propose(target(), ())
    assert "too many images" in told.source and len(server.asked) == 1


def test_the_key_is_told_nowhere_and_follows_no_redirect(
    server: TroubledServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    elsewhere = f"http://127.0.0.1:{server.server_port}/elsewhere"
    server.script = [
        failing(500, f"bad {KEY}"),
        lambda handler, _: reply(handler, 302, {}, {"Location": elsewhere}),
    ]
    asks = generator(server)
    with pytest.raises(CadPipelineError) as told:
        asks.ask([], 1, temperature=0.0, seed=0)
    assert "302" in str(told.value) and len(server.asked) == 2
    seen = [str(told.value), repr(told.value), repr(asks), repr(asks.server.counts), caplog.text]
    assert not [text for text in seen if KEY in text]


def test_addresses_that_would_leak_or_lead_nowhere_are_refused() -> None:
    for address in ("localhost:8000", "file:///etc/passwd", "http://", f"http://me:{KEY}@host/v1"):
        with pytest.raises(InputError) as told:
            ChatServer(base_url=address)
        assert KEY not in str(told.value)


def test_the_models_are_listed(server: TroubledServer) -> None:
    assert generator(server).server.models() == ["tiny"]
