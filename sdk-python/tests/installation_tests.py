"""Against a running Keyhold: sign in each dialect, verify, manage keys, and every example of the README.

stdin: {"control", "verifier", "token"}, the addresses of both planes and a token with the scope `admin`; the project
`market` with an environment `test` is there.
"""

import base64
import hmac
import json
import re
import sys
import time
import unittest
from datetime import datetime, timedelta, timezone
from pathlib import Path
from urllib.parse import urlsplit

from keyhold.client import Client
from keyhold.local_keys import generate_key
from keyhold.problem import KeyholdError
from keyhold.signing import HmacSecret, Request, Signer, sign_request
from keyhold.verifier import ReceivedRequest, ToVerify, Verifier

from .recording_server import RecordingServer

PLACE = "python/test"
PATIENCE_SECONDS = 60
HMAC = {
    "dialect": "hmac",
    "credentialHeader": "X-Key",
    "signatureHeader": "X-Signature",
    "timestampHeader": "X-Time",
    "nonceHeader": "X-Nonce",
    "signed": ["timestamp", "nonce", {"text": "\n"}, "method", "target", "body"],
    "hash": "sha512",
    "secretEncoding": "base64",
    "signatureEncoding": "base64",
    "timestampUnit": "ms",
    "windowSeconds": 30,
}
DIALECTS = ["rfc9421", "binance", "bybit", "okx", "kraken", "coinbase-exchange", "coinbase-cdp", HMAC]
POST = Request("POST", "https://api.example/v1/orders", {"Content-Type": "application/json"}, '{"qty":"1"}')
GET = Request("GET", "https://api.example/v1/orders%2F1?symbol=BTC-USD&limit=10")


def received(signed):
    """What a server behind it received."""
    parts = urlsplit(signed.url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    return ReceivedRequest(signed.method, target, [("Host", parts.netloc), *signed.headers], signed.body)


def setUpModule():
    global given, client, verifier, consumer
    given = json.load(sys.stdin)
    client = Client(given["control"], given["token"])
    verifier = Verifier(given["verifier"], given["token"])
    client.create_project("python", "Python")
    client.create_environment("python", "test", "py_test", kind="testing", leaseSeconds=5)
    answer = client.set_signing("python", "test", DIALECTS, replay="verifier")
    assert answer["barrier"]["acknowledged"] == 1
    consumer = client.create_consumer("python", "bot", externalId="bot-1")["id"]


def issue(credential="hmac", **settings):
    return client.issue_key("python", "test", consumer, "key", ["orders:write"], credential=credential, **settings)


def signer_of(dialect, issued, key=None, **more):
    key = HmacSecret(issued.secret) if key is None else key
    return Signer(dialect, issued.credential["id"], key, passphrase=issued.passphrase, **more)


def code_of_app(secret, steps):
    """Of an authenticator app (RFC 6238), so many steps from now."""
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    counter = (int(time.time()) // 30 + steps).to_bytes(8, "big")
    digest = hmac.new(key, counter, "sha1").digest()
    start = digest[-1] & 15
    number = int.from_bytes(digest[start : start + 4], "big") & 0x7FFFFFFF
    return f"{number % 1_000_000:06}"


def code_of(request):
    return verifier.verify(request=request, environment=PLACE, permission="orders:write").code


def eventually_valid(signer, request):
    """What could have been accepted before a verifier began to remember is not its to accept: where a dialect lets
    clocks be ahead, that takes as long after its start: 1 s."""
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        ready = received(sign_request(signer, request))
        verdict = verifier.verify(request=ready, environment=PLACE, permission="orders:write")
        if verdict.valid or verdict.code != "TIMESTAMP_OUT_OF_WINDOW" or time.monotonic() > end:
            return ready, verdict
        time.sleep(0.1)


class Dialects(unittest.TestCase):
    def assert_good_once(self, dialect, signer, request):
        ready, verdict = eventually_valid(signer, request)
        self.assertEqual(verdict.code, "VALID", verdict)
        self.assertEqual(verdict.dialect, dialect)
        self.assertEqual(verdict.credential_id, signer.credential)
        self.assertLess(abs(verdict.clock_skew_ms), 5_000)
        self.assertEqual(code_of(ready), "REPLAYED")
        return ready

    def test_secrets(self):
        count = 0
        for named in DIALECTS:
            dialect = named if isinstance(named, str) else named["dialect"]
            if dialect in ("kraken", "coinbase-cdp"):
                continue
            issued, other = issue(), issue()
            signer = signer_of(named, issued)
            form = Request("POST", POST.url, (), "symbol=BTC&note=a+b%2Fc")
            for request in (GET, form if dialect == "binance" else POST):
                with self.subTest(dialect, method=request.method):
                    self.assert_good_once(dialect, signer, request)
                    wrong = Signer(named, signer.credential, HmacSecret(other.secret), issued.passphrase)
                    self.assertEqual(code_of(received(sign_request(wrong, request))), "SIGNATURE_INVALID")
                    count += 1
        print(f"{count} requests signed with secrets")
        self.assertEqual(count, 12)

    def test_private_keys(self):
        count = 0
        kinds = {
            "ed25519": [("rfc9421", None), ("binance", None), ("coinbase-cdp", None)],
            "ecdsa-p256": [("rfc9421", None), ("coinbase-cdp", None)],
            "rsa": [("rfc9421", None), *((name, "rsa-v1_5-sha256") for name in ("rfc9421", "binance", "bybit"))],
        }
        for kind, dialects in kinds.items():
            pair, other = generate_key(kind), generate_key(kind)
            issued = issue(pair.credential(PLACE, consumer))
            self.assertEqual((issued.secret, issued.credential["algorithm"]), (None, kind))
            for dialect, algorithm in dialects:
                with self.subTest(dialect, kind=kind, algorithm=algorithm):
                    self.assert_good_once(dialect, signer_of(dialect, issued, pair.signing_key(algorithm)), GET)
                    wrong = signer_of(dialect, issued, other.signing_key(algorithm))
                    self.assertEqual(code_of(received(sign_request(wrong, GET))), "SIGNATURE_INVALID")
                    count += 1
        print(f"{count} requests signed with private keys")
        self.assertEqual(count, 9)

    def test_kraken_needs_a_store_that_all_verifiers_share(self):
        issued = issue()
        request = Request("POST", "https://api.example/0/private/Balance", (), "asset=XBT")
        self.assertEqual(code_of(received(sign_request(signer_of("kraken", issued), request))), "STORE_UNAVAILABLE")
        wrong = Signer("kraken", issued.credential["id"], HmacSecret(issue().secret))
        self.assertEqual(code_of(received(sign_request(wrong, request))), "SIGNATURE_INVALID")

    def test_what_was_changed_or_is_too_old_is_refused(self):
        issued = issue()
        ready, verdict = eventually_valid(signer_of("rfc9421", issued), POST)
        self.assertTrue(verdict.valid)
        for name, value in {"body": b'{"qty":"2"}', "target": "/v1/withdrawals", "method": "PUT"}.items():
            changed = {**ready.__dict__, name: value}
            with self.subTest(name):
                self.assertEqual(code_of(ReceivedRequest(**changed)), "SIGNATURE_INVALID")
        late = signer_of("rfc9421", issued, now=lambda: verifier.time_ms() - 3_600_000)
        self.assertEqual(code_of(received(sign_request(late, POST))), "TIMESTAMP_OUT_OF_WINDOW")
        unread = {**received(sign_request(signer_of("rfc9421", issued), POST)).__dict__, "body": None}
        verdict = verifier.verify(request=ReceivedRequest(**unread), environment=PLACE)
        self.assertEqual((verdict.code, len(verdict.body_digests)), ("VALID", 1))


class Keys(unittest.TestCase):
    def test_the_life_of_a_key(self):
        issued = issue(rateLimits=[{"name": "minute", "limit": 1000, "windowSeconds": 60}])
        key = issued.key["id"]
        signer = signer_of("rfc9421", issued)
        self.assertTrue(eventually_valid(signer, GET)[1].rate_limits)
        self.assertEqual(client.get_key(key)["consumer"], consumer)
        self.assertNotIn(issued.secret, json.dumps(client.get_key(key)))
        self.assertIn(key, [one["id"] for one in client.list_keys(project="python", environment="test")])
        self.assertEqual(client.update_key(key, name="renamed")["key"]["name"], "renamed")
        client.suspend_key(key)
        self.assertEqual(code_of(received(sign_request(signer, GET))), "SUSPENDED")
        client.resume_key(key)
        rotated = client.rotate_key(key, 600)
        self.assertEqual(rotated.previous["id"], issued.credential["id"])
        following = signer_of("rfc9421", rotated)
        for one in (signer, following):
            self.assertEqual(code_of(received(sign_request(one, GET))), "VALID")
        client.revoke_credential(issued.credential["id"], "superseded")
        self.assertEqual(code_of(received(sign_request(signer, GET))), "REVOKED")
        revoked = client.revoke_key(key, "key_compromise")
        self.assertEqual((revoked["key"]["state"], revoked["barrier"]["unconfirmed"]), ("compromised", 0))
        self.assertEqual(code_of(received(sign_request(following, GET))), "REVOKED")
        client.destroy_key(key)
        self.assertEqual(code_of(received(sign_request(following, GET))), "NOT_FOUND")

    def test_bearer_keys_one_by_one_and_in_a_batch(self):
        secret = issue("bearer").secret
        verdicts = verifier.verify_batch(
            [ToVerify(key=secret, environment=PLACE), ToVerify(key="nothing", environment=PLACE)]
        )
        self.assertEqual([one.code for one in verdicts], ["VALID", "MALFORMED"])
        self.assertEqual(verifier.verify(key=secret, environment=PLACE, permission="x:y").code, "INSUFFICIENT_PERMISSIONS")
        self.assertLess(abs(verifier.time_ms() - time.time() * 1000), 5_000)

    def test_a_withdrawal_goes_where_the_address_book_says_and_takes_a_second_factor(self):
        client.create_environment("python", "funds", "py_funds", kind="testing", leaseSeconds=5)
        client.set_signing("python", "funds", [], replay="verifier")
        rules = {"withdrawals": ["funds:withdraw"], "unusedDays": 90}
        self.assertEqual(client.set_rules("python", "funds", **rules)["barrier"]["unconfirmed"], 0)
        set_again = client.set_rules("python", "funds", secondFactor=["funds:withdraw"], unusedDays=None)["rules"]
        self.assertEqual([set_again["withdrawals"], set_again["unusedDays"]], [["funds:withdraw"], None])
        self.assertEqual(client.get_rules("python", "funds")["withdrawals"], ["funds:withdraw"])
        settings = {"allowedNetworks": ["192.0.2.0/24"], "addressBook": ["bc1qexample"]}
        secret = client.issue_key("python", "funds", consumer, "key", ["funds:withdraw"], **settings).secret
        enrolled = client.enrol_totp(consumer, "funds", "phone")
        factor = enrolled["factor"]["id"]
        client.confirm_factor(factor, code_of_app(enrolled["secret"], -1))
        self.assertEqual([one["id"] for one in client.list_factors(consumer)], [factor])

        def code(**more):
            asked = {"environment": "python/funds", "permission": "funds:withdraw", "client_ip": "192.0.2.1"}
            return verifier.verify(key=secret, **asked, **more).code

        known = {"destination": "bc1qexample"}
        self.assertEqual(code(destination="bc1qother"), "DESTINATION_NOT_ALLOWED")
        self.assertEqual(code(**known), "SECOND_FACTOR_REQUIRED")
        self.assertEqual(code(**known, second_factor="x"), "SECOND_FACTOR_REQUIRED")
        otp = code_of_app(enrolled["secret"], 0)
        self.assertEqual(code(**known, second_factor=otp), "VALID")
        self.assertEqual(code(**known, second_factor=otp), "SECOND_FACTOR_REQUIRED")
        client.remove_factor(factor)
        self.assertEqual(code(**known, second_factor=code_of_app(enrolled["secret"], 1)), "SECOND_FACTOR_REQUIRED")

    def test_many_are_revoked_at_once_and_each_that_is_not_says_why(self):
        keys = [issue("bearer").key["id"] for _ in range(3)]
        client.destroy_key(keys[2])
        answer = client.revoke_keys("superseded", keys=keys)
        self.assertEqual((set(answer["revoked"]), [one["id"] for one in answer["refused"]]), (set(keys[:2]), keys[2:]))
        self.assertEqual({client.get_key(one)["state"] for one in keys[:2]}, {"deactivated"})

    def test_a_repeated_issue_makes_one_key_and_shows_its_secret_once(self):
        first, again = (issue(idempotency_key="python-once") for _ in range(2))
        self.assertEqual(first.key["id"], again.key["id"])
        self.assertEqual((first.secret_shown, again.secret, again.secret_shown), (False, None, True))

    def test_a_public_key_is_taken_from_its_holder_only(self):
        pair, key = generate_key("ed25519"), issue().key["id"]
        long_ago = datetime.now(timezone.utc) - timedelta(minutes=30)
        for proof in (pair.credential(PLACE, key), pair.credential("python/other", consumer),
                      pair.credential(PLACE, consumer, long_ago)):
            with self.assertRaises(KeyholdError) as raised:
                issue(proof)
            self.assertEqual(raised.exception.code, "POSSESSION_UNPROVEN")
        rotated = client.rotate_key(key, 0, credential=pair.credential(PLACE, key))
        signer = signer_of("rfc9421", rotated, pair.signing_key())
        self.assertTrue(eventually_valid(signer, GET)[1].valid)

    def test_lists_go_on_to_their_end(self):
        made = {client.create_consumer("python", f"many {number}")["id"] for number in range(60)}
        found = [one["id"] for one in client.list_consumers(project="python", q="many")]
        self.assertEqual((set(found), len(found)), (made, 60))
        self.assertEqual(client.get_consumer(consumer)["externalId"], "bot-1")
        self.assertIn("python", [one["slug"] for one in client.list_projects()])
        self.assertIn("test", [one["name"] for one in client.list_environments("python")])
        self.assertEqual(client.get_signing("python", "test")["replay"], "verifier")

    def test_refusals_say_why(self):
        cases = [
            ("SLUG_TAKEN", 409, None, lambda: client.create_project("python", "Again")),
            ("KEY_NOT_FOUND", 404, None, lambda: client.get_key(consumer.replace("cons", "key"))),
            ("INVALID_INPUT", 400, "ttlSeconds", lambda: issue(ttlSeconds=0)),
            ("UNAUTHENTICATED", 401, None, lambda: next(Client(given["control"], "no").list_projects())),
        ]
        for code, status, field, call in cases:
            with self.subTest(code), self.assertRaises(KeyholdError) as raised:
                call()
            refusal = raised.exception
            self.assertEqual((refusal.code, refusal.status), (code, status))
            if field is not None:
                self.assertIn(field, refusal.field)
        with self.assertRaises(OSError):
            Verifier("http://127.0.0.1:1", "token").time_ms()

    def test_a_token_is_not_taken_elsewhere(self):
        with RecordingServer() as first, RecordingServer() as second:
            first.redirects = {"/v1/time": second.url + "/v1/time"}
            with self.assertRaises(KeyholdError) as raised:
                Verifier(first.url, "token").time_ms()
            self.assertEqual((raised.exception.status, second.received), (307, []))


class Readme(unittest.TestCase):
    def test_every_example_does_what_it_says(self):
        text = (Path(__file__).parents[1] / "README.md").read_text("utf8")
        blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
        with RecordingServer() as api:
            named = {
                "https://keyhold.example.com:7070": given["control"],
                "https://verifier.example.com:7071": given["verifier"],
                "https://api.example.com": api.url,
            }
            known = {"token": given["token"]}
            for block in blocks:
                for written, there in named.items():
                    block = block.replace(written, there)
                exec(block.replace('"api.example.com"', repr(urlsplit(api.url).netloc))
                     .replace('*signed.headers])', '*signed.headers], scheme="http")'), known)
        self.assertEqual(len(blocks), 6)
        self.assertIn(known["verdict"].code, ("VALID", "TIMESTAMP_OUT_OF_WINDOW"))
        order, read = api.received
        self.assertEqual(order.body, b'{"qty": 1}')
        self.assertIn("Signature", dict(order.headers))
        self.assertIn("&signature=", read.target)


if __name__ == "__main__":
    unittest.main()
