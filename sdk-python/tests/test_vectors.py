"""Every vector is signed byte for byte as the TypeScript SDK signs it, and what that refuses is refused here."""

import base64
import unittest

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, utils

from keyhold.signing import SigningError, prepare_request, sign_request

from .vectors import FILE, KEYS, request_of, signer_of


def check(vector, signature):
    """Raises InvalidSignature unless it is good over the vector's base."""
    key = serialization.load_pem_public_key(KEYS[vector["signer"]["key"]]["publicKey"].encode())
    base = base64.b64decode(vector["base"])
    if vector["signer"]["algorithm"] == "ecdsa-p256-sha256":
        r, s = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
        key.verify(utils.encode_dss_signature(r, s), base, ec.ECDSA(hashes.SHA256()))
    else:
        key.verify(signature, base, padding.PSS(padding.MGF1(hashes.SHA512()), 64), hashes.SHA512())


class Vectors(unittest.TestCase):
    def test_signs_each_byte_for_byte(self):
        made = set()
        for vector in FILE["vectors"]:
            with self.subTest(vector["name"]):
                signer, signed = signer_of(vector["signer"]), request_of(vector["signed"])
                task, algorithm = prepare_request(signer, request_of(vector["request"]))
                self.assertEqual(task.base, base64.b64decode(vector["base"]))
                # The whole request, with the signature of the other side in its place.
                self.assertEqual(task.attach(base64.b64decode(vector["signature"])), signed)
                if vector["deterministic"]:
                    self.assertEqual(sign_request(signer, request_of(vector["request"])), signed)
                else:
                    check(vector, base64.b64decode(vector["signature"]))
                    check(vector, signer.key.sign(task.base))
                made.add((vector["signer"]["dialect"]["dialect"], algorithm))
        print(f"{len(FILE['vectors'])} vectors of {len(made)} dialects and algorithms")
        self.assertGreaterEqual(len(FILE["vectors"]), 100)

    def test_refuses_what_cannot_be_signed(self):
        for case in FILE["refused"]:
            with self.subTest(case["name"]), self.assertRaises(SigningError):
                sign_request(signer_of(case["signer"]), request_of(case["request"]))
        print(f"{len(FILE['refused'])} refusals")
        self.assertGreaterEqual(len(FILE["refused"]), 40)


if __name__ == "__main__":
    unittest.main()
