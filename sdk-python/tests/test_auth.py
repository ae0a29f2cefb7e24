"""What `requests` and `httpx` send is what was signed, and goes to nobody else."""

import asyncio
import unittest

import httpx
import requests

from keyhold import auth_httpx, auth_requests
from keyhold.signing import HmacSecret, Nonce, Request, Signer, SigningError, sign_request

from .recording_server import RecordingServer
from .vectors import KEYS

SECRET = HmacSecret(KEYS["test-shared-secret"]["secret"])


def signer(dialect, **more):
    return Signer(
        dialect, "cred_1", SECRET, now=lambda: 1_785_000_000_123, nonce=lambda: Nonce("f00d", 7), **more
    )


SIGNERS = {
    "rfc9421": signer("rfc9421"),
    "binance": signer("binance"),
    "bybit": signer("bybit"),
    "okx": signer("okx", passphrase="open"),
    "kraken": signer("kraken"),
}
JSON = {"content": '{"note": "Grüße"}'.encode(), "headers": {"Content-Type": "application/json"}}
FORM = {"content": b"a=1&b=x+y%2Fz", "headers": {"Content-Type": "application/x-www-form-urlencoded"}}
READ = ("GET", "/v1/a%2Fb/orders?symbol=BTC-USD&q=%20x&q=%2f", {})
SENT = [
    *((name, READ) for name in ("rfc9421", "binance", "bybit", "okx")),
    *((name, ("POST", "/v1/orders", JSON)) for name in ("rfc9421", "bybit", "okx", "kraken")),
    *((name, ("POST", "/v1/orders", FORM)) for name in ("rfc9421", "binance", "kraken")),
    *((name, ("POST", "/v1/orders", {})) for name in ("rfc9421", "binance", "kraken")),
    ("rfc9421", ("PUT", "/v1/orders", {"stream": [b"a", b"", b"bc"]})),
]


def by_requests(server, one, method, path, sent):
    data = iter(sent["stream"]) if "stream" in sent else sent.get("content")
    auth = auth_requests.KeyholdAuth(one)
    return requests.request(
        method, server.url + path, data=data, headers=sent.get("headers"), auth=auth, timeout=10
    )


def by_httpx(server, one, method, path, sent):
    content = iter(sent["stream"]) if "stream" in sent else sent.get("content")
    auth = auth_httpx.KeyholdAuth(one)
    return httpx.request(method, server.url + path, content=content, headers=sent.get("headers"), auth=auth)


def by_httpx_async(server, one, method, path, sent):
    async def parts():
        for part in sent["stream"]:
            yield part

    async def run():
        content = parts() if "stream" in sent else sent.get("content")
        async with httpx.AsyncClient(auth=auth_httpx.KeyholdAuth(one)) as session:
            return await session.request(
                method, server.url + path, content=content, headers=sent.get("headers")
            )

    return asyncio.run(run())


CLIENTS = (by_requests, by_httpx, by_httpx_async)


class Auth(unittest.TestCase):
    def setUp(self):
        self.server = self.enterContext(RecordingServer())

    def enterContext(self, manager):
        # unittest has it from Python 3.11 on.
        self.addCleanup(manager.__exit__, None, None, None)
        return manager.__enter__()

    def assert_signed(self, one, method, path, sent):
        """The signature that was received is the one over what was received."""
        [received] = self.server.received
        self.server.received.clear()
        body = b"".join(sent["stream"]) if "stream" in sent else sent.get("content", b"")
        expected = sign_request(one, Request(method, self.server.url + path, sent.get("headers", {}), body))
        self.assertEqual((received.method, self.server.url + received.target), (method, expected.url))
        self.assertEqual(received.body, expected.body)
        lines = {name.lower(): value for name, value in received.headers}
        self.assertEqual(len(lines), len(received.headers))
        for name, value in expected.headers:
            self.assertEqual(lines[name.lower()], value, name)
        length = "0" if method in ("POST", "PUT") else None
        self.assertEqual(lines.get("content-length"), str(len(received.body)) if received.body else length)
        self.assertNotIn("transfer-encoding", lines)

    def test_what_is_received_is_what_was_signed(self):
        for client in CLIENTS:
            for name, (method, path, sent) in SENT:
                # httpx makes %2f of a path to %2F, and leaves it in a query; requests makes both so.
                if client is by_requests:
                    path = path.replace("%2f", "%2F")
                with self.subTest(client=client.__name__, dialect=name, method=method):
                    client(self.server, SIGNERS[name], method, path, sent)
                    self.assert_signed(SIGNERS[name], method, path, sent)

    def test_a_redirect_is_not_followed(self):
        with RecordingServer() as other:
            self.server.redirects = {"/there": other.url + "/v1/orders", "/here": "/v1/orders"}
            for path in ("/there", "/here"):
                answer = by_requests(self.server, SIGNERS["rfc9421"], "POST", path, JSON)
                self.assertEqual(answer.status_code, 307)
                self.assertIn("/v1/orders", answer.headers["Location"])
                self.assertEqual(by_httpx(self.server, SIGNERS["rfc9421"], "GET", path, {}).status_code, 307)
                for method in ("GET", "POST"):
                    with self.assertRaises(auth_httpx.RedirectRefused):
                        auth = auth_httpx.KeyholdAuth(SIGNERS["rfc9421"])
                        httpx.request(method, self.server.url + path, auth=auth, follow_redirects=True)
                    with self.assertRaises(auth_httpx.RedirectRefused):
                        asyncio.run(self.follow(method, path))
            self.assertEqual({one.target for one in self.server.received}, {"/there", "/here"})
            self.assertEqual(other.received, [])

    async def follow(self, method, path):
        auth = auth_httpx.KeyholdAuth(SIGNERS["rfc9421"])
        async with httpx.AsyncClient(auth=auth, follow_redirects=True) as session:
            await session.request(method, self.server.url + path)

    def test_what_cannot_be_signed_is_not_sent(self):
        for client in CLIENTS:
            with self.subTest(client.__name__), self.assertRaises(SigningError):
                client(self.server, SIGNERS["bybit"], "POST", "/v1/orders?a=1", JSON)
        self.assertEqual(self.server.received, [])

    def test_each_request_of_a_session_has_a_nonce_of_its_own(self):
        one = Signer("rfc9421", "cred_1", SECRET)
        with requests.Session() as session:
            session.auth = auth_requests.KeyholdAuth(one)
            for _ in range(2):
                session.get(self.server.url)
        with httpx.Client(auth=auth_httpx.KeyholdAuth(one)) as session:
            for _ in range(2):
                session.get(self.server.url)
        signatures = {dict(one.headers)["Signature"] for one in self.server.received}
        self.assertEqual(len(signatures), 4)


if __name__ == "__main__":
    unittest.main()
