"""Runs hvac's own integration tests of KV version 2, transit and wrapping against a running Keyhold.

They start a vault binary and mount an engine for each test. Here the server runs already, its two mounts are always
there, and each test has an environment of its own instead, named by X-Vault-Namespace.

stdin: {"vault", "control", "token", "sources"}; stdout: {test name: "passed" or the last line of why not}.
"""
import json
import logging
import sys
import types
import unittest

import hvac
import requests

given = json.load(sys.stdin)
sys.path.insert(0, given["sources"])
logging.disable(logging.CRITICAL)

# The real one starts a vault binary.
server_manager = types.ModuleType("tests.utils.server_manager")
server_manager.ServerManager = type("ServerManager", (), {})
sys.modules["tests.utils.server_manager"] = server_manager

from tests import utils  # noqa: E402
from tests.utils.hvac_integration_test_case import HvacIntegrationTestCase  # noqa: E402

utils.get_vault_version_string.cache = "1.13.0"
made = 0


def new_environment():
    """A fresh environment of the project `market`; its name as a namespace."""
    global made
    made += 1
    answer = requests.post(
        given["control"] + "/v1/projects/market/environments",
        json={"name": f"hvac-{made}", "prefix": f"hvac_{made}"},
        headers={"Authorization": "Bearer " + given["token"]},
        timeout=30,
    )
    answer.raise_for_status()
    return f"market/hvac-{made}"


class Manager:
    root_token = given["token"]

    def stop(self):
        pass


def set_up_class(cls):
    cls.manager = Manager()


def set_up(self):
    self.client = hvac.Client(url=given["vault"], token=given["token"], namespace=new_environment())
    self.client.sys.enable_secrets_engine = lambda *_, **__: None
    self.client.sys.disable_secrets_engine = lambda *_, **__: None
    # The name of the mount is the default of some parameters, which are bound before it can be changed.
    sent = self.client.adapter.request
    self.client.adapter.request = lambda method, url, *args, **kwargs: sent(
        method, url.replace("/v1/kvv2/", "/v1/secret/"), *args, **kwargs
    )
    # Where a test waits for its mount to show up.
    listed = {"data": {"secret/": {}, "transit/": {}}}
    self.client.sys.list_mounted_secrets_engines = lambda: listed


HvacIntegrationTestCase.setUpClass = classmethod(set_up_class)
HvacIntegrationTestCase.setUp = set_up

from tests.integration_tests.api.secrets_engines import test_kv_v2, test_transit  # noqa: E402
from tests.integration_tests.api.system_backend import test_wrapping  # noqa: E402

test_kv_v2.TestKvV2.DEFAULT_MOUNT_POINT = "secret"
test_transit.TestTransit.TEST_MOUNT_POINT = "transit"

found = {}


class Result(unittest.TestResult):
    def note(self, test, error):
        found[test.id().split(".", 3)[3]] = str(error[1]).strip().split("\n")[0][:200] or error[0].__name__

    def addSuccess(self, test):
        found[test.id().split(".", 3)[3]] = "passed"

    def addFailure(self, test, err):
        self.note(test, err)

    def addError(self, test, err):
        self.note(test, err)

    def addSkip(self, test, reason):
        found[test.id().split(".", 3)[3]] = "skipped: " + reason


suite = unittest.TestSuite()
for module in (test_kv_v2, test_transit, test_wrapping):
    suite.addTests(unittest.defaultTestLoader.loadTestsFromModule(module))
suite.run(Result())
json.dump(found, sys.stdout, indent=1)
