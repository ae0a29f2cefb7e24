"""Keys, clocks and nonces; what is signed is in test_vectors."""

import unittest

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from keyhold.local_keys import ALGORITHMS, generate_key
from keyhold.signing import HmacSecret, PrivateKey, Request, Signer, SigningError, sign_request
from keyhold.signing.sign_request import new_nonce

from .vectors import KEYS

GET = Request("GET", "https://api.example/v1/orders")


def pem(key, form=serialization.PrivateFormat.TraditionalOpenSSL, password=None):
    hidden = serialization.NoEncryption() if password is None else serialization.BestAvailableEncryption(password)
    return key.private_bytes(serialization.Encoding.PEM, form, hidden).decode()


class Signing(unittest.TestCase):
    def test_nothing_shows_a_secret(self):
        secret, pair = HmacSecret("c2VjcmV0"), generate_key("ed25519")
        signer = Signer("okx", "cred_1", secret, passphrase="open sesame", otp="123456")
        for shown in (repr(signer), repr(secret), repr(pair), repr(pair.signing_key())):
            for hidden in ("c2VjcmV0", "sesame", "123456", "PRIVATE"):
                self.assertNotIn(hidden, shown)

    def test_keys_are_taken_in_pem_of_any_kind_and_as_objects(self):
        curve, modulus = ec.generate_private_key(ec.SECP256R1()), rsa.generate_private_key(65537, 2048)
        PrivateKey("ecdsa-p256-sha256", pem(curve))
        PrivateKey("rsa-v1_5-sha256", pem(modulus))
        PrivateKey("rsa-pss-sha512", pem(modulus, serialization.PrivateFormat.PKCS8).encode())
        self.assertEqual(len(PrivateKey("ecdsa-p256-sha256", curve).sign(b"x")), 64)
        self.assertEqual(len(PrivateKey("rsa-pss-sha512", modulus).sign(b"x")), 256)

    def test_a_wrong_key_is_refused_without_being_quoted(self):
        other, locked = ec.generate_private_key(ec.SECP384R1()), rsa.generate_private_key(65537, 2048)
        cases = [
            ("ecdsa-p256-sha256", other),
            ("ed25519", pem(other)),
            ("ed25519", "not a key"),
            ("rsa-pss-sha512", pem(locked, password=b"x")),
            ("none", KEYS["test-key-ed25519"]["privateKey"]),
        ]
        for algorithm, key in cases:
            with self.subTest(algorithm), self.assertRaises(SigningError) as raised:
                PrivateKey(algorithm, key)
            self.assertNotIn("not a key", str(raised.exception))
        with self.assertRaises(SigningError):
            sign_request(Signer("rfc9421", "cred_1", HmacSecret("no base 64!")), GET)

    def test_a_clock_that_counts_something_else_is_refused(self):
        for moment in (1_785_000_000, 1_785_000_000_123_000):
            with self.subTest(moment), self.assertRaises(SigningError):
                sign_request(Signer("rfc9421", "cred_1", HmacSecret("AAAA"), now=lambda at=moment: at), GET)

    def test_an_unknown_dialect_is_refused(self):
        for dialect in ("none", {}, {"dialect": 1}):
            with self.subTest(dialect), self.assertRaises(SigningError):
                sign_request(Signer(dialect, "cred_1", HmacSecret("AAAA")), GET)

    def test_nonces_are_fresh_and_rise(self):
        made = [new_nonce() for _ in range(1000)]
        rising = [one.rising for one in made]
        self.assertEqual(rising, sorted(set(rising)))
        self.assertEqual(len({one.text for one in made}), 1000)
        self.assertLess(rising[-1], 1 << 64)

    def test_hosts_that_clients_would_write_anew_are_refused(self):
        signer = Signer("rfc9421", "cred_1", HmacSecret("AAAA"))
        for host in ("bücher.example", "0x7f.1", "127.1", "[::g]", "a b", "a%20b", "h:99999", "[::ffff:1.2.3.4]"):
            with self.subTest(host), self.assertRaises(SigningError):
                sign_request(signer, Request("GET", f"https://{host}/"))

    def test_a_pair_of_each_kind_is_made_here(self):
        for algorithm in ALGORITHMS:
            pair = generate_key(algorithm)
            private = serialization.load_pem_private_key(pair.private_key.encode(), None)
            spki = private.public_key().public_bytes(
                serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
            )
            self.assertEqual(pair.public_key, spki.hex())
            self.assertEqual(pair.credential("a/b", "consumer")["publicKey"], spki.hex())
        with self.assertRaises(ValueError):
            generate_key("dsa")


if __name__ == "__main__":
    unittest.main()
