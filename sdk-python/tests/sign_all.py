"""Signs what it is given. stdin: a list of cases as the vectors have them; stdout: for each `signed` or `refused`."""

import base64
import json
import sys

from keyhold.signing import SigningError, sign_request

from .vectors import request_of, signer_of


def outcome(case):
    try:
        signed = sign_request(signer_of(case["signer"]), request_of(case["request"]))
    except SigningError as refusal:
        return {"refused": str(refusal)}
    body = base64.b64encode(signed.body).decode()
    return {"signed": [signed.method, signed.url, [list(line) for line in signed.headers], body]}


if __name__ == "__main__":
    json.dump([outcome(case) for case in json.load(sys.stdin)], sys.stdout)
