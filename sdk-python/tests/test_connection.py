"""What is sent and what is made of answers, against servers that a test scripts: no Keyhold is needed."""

import json
import socket
import unittest
from contextlib import contextmanager
from threading import Event, Thread
from time import monotonic, sleep
from unittest.mock import patch

from keyhold.client import Client
from keyhold.problem import KeyholdError
from keyhold.verifier import MAX_BODY_BYTES, ReceivedRequest, ToVerify, Verifier

TOKEN = "kh_planted_0123456789"
VALID = {"valid": True, "code": "VALID"}


def answer(body, status="200 OK"):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(content)}\r\nConnection: close\r\n\r\n".encode() + content


@contextmanager
def server(respond):
    """`respond`: what a request (head, JSON) is answered with: bytes, or a function that has the socket."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                peer, _ = listening.accept()
            except OSError:
                return
            with peer, peer.makefile("rb") as stream:
                head = b"".join(iter(stream.readline, b"\r\n")).decode("latin-1")
                length = [line.split(":")[1] for line in head.splitlines() if line.lower().startswith("content-length:")]
                body = stream.read(int(length[0])) if length else b""
                answered = respond(head, json.loads(body) if body else None)
                if callable(answered):
                    answered(peer)
                else:
                    peer.sendall(answered)

    thread = Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(10)


class Tokens(unittest.TestCase):
    def test_a_token_is_taken_as_a_file_has_it_and_no_error_repeats_one(self):
        heads = []

        def respond(head, _):
            heads.append(head)
            return answer(VALID)

        with server(respond) as url:
            self.assertTrue(Verifier(url, f" {TOKEN}\r\n").verify(key="k", environment="a/b").valid)
        self.assertIn(f"Authorization: Bearer {TOKEN}\r\n", heads[0])
        for token in ("", "\n", f"{TOKEN}\n# more", f"{TOKEN} more", f"{TOKEN}é", f"{TOKEN}\0"):
            for make in (Client, Verifier):
                with self.subTest(token), self.assertRaises(ValueError) as raised:
                    make("http://127.0.0.1:1", token)
                self.assertNotIn("planted", repr(raised.exception))


class Answers(unittest.TestCase):
    def test_what_is_no_verdict_decides_nothing(self):
        said = [b"<html>", b"", b"\xff", [], {}, {"valid": "false", "code": "VALID"}, {"valid": True}]
        for given in said:
            with self.subTest(given), server(lambda *_: answer(given)) as url:
                verifier = Verifier(url, TOKEN)
                with self.assertRaises(OSError):
                    verifier.verify(key="k", environment="a/b")
                with self.assertRaises(OSError):
                    verifier.verify_batch([ToVerify("k", environment="a/b")])

    def test_an_answer_takes_no_longer_than_was_said_however_it_drips(self):
        over = Event()

        def drip(first):
            def respond(peer):
                peer.sendall(first)
                while not over.wait(0.05):
                    try:
                        peer.sendall(b" ")
                    except OSError:
                        return

            return respond

        for first in (b"HTTP/1.1 200 OK\r\nX-Slow:", b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"):
            with self.subTest(first), server(lambda *_: drip(first)) as url:
                began = monotonic()
                with self.assertRaises(OSError):
                    Verifier(url, TOKEN, timeout_seconds=0.3).verify(key="k", environment="a/b")
                self.assertLess(monotonic() - began, 5)
        over.set()


class ClientsDoing(unittest.TestCase):
    def test_what_no_verifier_reads_counts_for_nothing(self):
        asked = []

        def respond(_, body):
            asked.append(body)
            return answer(VALID)

        good = {"destination": "😀" * 200, "client_ip": "::", "second_factor": "123456"}
        bad = {
            "destination": ("", "a" * 201, "a\0", "a\ud800"),
            "client_ip": ("", "1", "f" * 46),
            "second_factor": ("", "12345", "0" * 33, "abcdef", "١٢٣٤٥٦"),
        }
        with server(respond) as url:
            verifier = Verifier(url, TOKEN)
            verifier.verify(key="k", environment="a/b", **good)
            for name, values in bad.items():
                for value in values:
                    self.assertTrue(verifier.verify(key="k", environment="a/b", **{name: value}).valid)
        first, *others = asked
        self.assertEqual((first["destination"], first["clientIp"]), (good["destination"], "::"))
        self.assertEqual(first["secondFactor"], {"otp": "123456"})
        for body in others:
            self.assertEqual(body, {"key": "k", "environment": "a/b", "cost": 1})

    def test_what_only_the_client_can_have_caused_is_a_verdict_on_it(self):
        problem = {"code": "INVALID_INPUT", "field": "/request/headers/0/1", "detail": "too long"}
        with server(lambda *_: answer(problem, "400 Bad Request")) as url:
            verifier = Verifier(url, TOKEN)
            request = ReceivedRequest("GET", "/", [("A", "b")])
            verdict = verifier.verify(request=request, environment="a/b")
            self.assertEqual((verdict.valid, verdict.code), (False, "MALFORMED"))
            problem["field"] = "/permission"
            with self.assertRaises(KeyholdError):
                verifier.verify(request=request, environment="a/b")

    def test_one_client_ends_no_batch(self):
        large = b"x" * MAX_BODY_BYTES
        unread = [
            ToVerify("a\0", environment="a/b"),
            ToVerify("a\udc80", environment="a/b"),
            ToVerify(request=ReceivedRequest("POST", "/", [], large + b"x"), environment="a/b"),
            ToVerify(request=ReceivedRequest("GET", "/", [("X", "\ud800")]), environment="a/b"),
        ]
        sizes = []

        def respond(_, body):
            sizes.append(len(body["requests"]))
            if len(json.dumps(body)) > 3 * MAX_BODY_BYTES:
                return answer({"code": "BODY_TOO_LARGE"}, "413 Too Large")
            return answer({"verdicts": [VALID for _ in body["requests"]]})

        with server(respond) as url:
            verifier = Verifier(url, TOKEN)
            good = ToVerify(request=ReceivedRequest("POST", "/", [], large), environment="a/b")
            batch = [one for pair in zip([good] * 4, unread) for one in pair]
            codes = [verdict.code for verdict in verifier.verify_batch(batch)]
            self.assertEqual(codes, ["VALID", "MALFORMED"] * 4)
            self.assertEqual(sizes, [4, 2, 2])
            self.assertEqual(verifier.verify(key="\0", environment="a/b").code, "MALFORMED")
            # More than any verifier reads is several calls from the beginning: it ends such a call without an answer.
            sizes.clear()
            with patch("keyhold.verifier.MAX_BATCH_BYTES", 3 * MAX_BODY_BYTES):
                self.assertEqual([verdict.code for verdict in verifier.verify_batch([good] * 5)], ["VALID"] * 5)
            self.assertEqual(sizes, [2, 2, 1])

    def test_a_name_with_many_addresses_has_one_deadline(self):
        # Stands for addresses where nobody answers: connecting is what hangs, and nothing is sent.
        class Hanging(socket.socket):
            def connect(self, _):
                sleep(self.gettimeout())
                raise TimeoutError("timed out")

        # Of TEST-NET-1 (RFC 5737).
        there = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 1))] * 3
        found = patch("keyhold.connection.socket.getaddrinfo", return_value=there)
        with found, patch("keyhold.connection.socket.socket", Hanging):
            began = monotonic()
            with self.assertRaises(OSError):
                Verifier("http://many.example:1", TOKEN, timeout_seconds=0.5).verify(key="k")
            self.assertLess(monotonic() - began, 1)


if __name__ == "__main__":
    unittest.main()
