"""Calls that applications make through hvac, each checked for what hvac's callers rely on.

stdin: {"vault", "token", "readToken"}; stdout: the name of each part that passed, one a line.
"""
import base64
import json
import secrets
import sys

import hvac

given = json.load(sys.stdin)


def client(token=given["token"], **settings):
    return hvac.Client(url=given["vault"], token=token, **settings)


def encoded(text):
    return base64.b64encode(text.encode()).decode()


def refused(error, call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except error as refusal:
        return refusal
    raise AssertionError(f"not refused: {call}")


def system():
    sys_api = client().sys
    assert client().is_authenticated() and not client(token="hvs.none").is_authenticated()
    assert sys_api.is_initialized() and not sys_api.is_sealed()
    assert sys_api.read_health_status(method="HEAD").status_code == 200
    assert sys_api.read_health_status(method="GET")["sealed"] is False
    assert sys_api.read_seal_status()["type"] == "file"
    assert sys_api.list_mounted_secrets_engines()["data"]["secret/"]["options"] == {"version": "2"}
    refused(hvac.exceptions.VaultError, sys_api.enable_secrets_engine, "kv", path="other")


def token():
    own = client(token=given["readToken"]).auth.token
    assert own.lookup_self()["data"]["policies"] == ["read"]
    assert own.renew_self()["auth"]["renewable"] is False
    own.revoke_self()
    refused(hvac.exceptions.Forbidden, own.lookup_self)


def kv():
    api, value = client().secrets.kv.v2, secrets.token_hex(16)
    assert api.create_or_update_secret("h/one", {"a": value})["data"]["version"] == 1
    read = api.read_secret_version("h/one", raise_on_deleted_version=True)["data"]
    assert read["data"] == {"a": value} and read["metadata"]["version"] == 1
    assert api.patch("h/one", {"b": "2"})["data"]["version"] == 2
    stale = refused(hvac.exceptions.InvalidRequest, api.create_or_update_secret, "h/one", {}, cas=1)
    assert "did not match the current version" in str(stale)
    assert api.list_secrets("h")["data"]["keys"] == ["one"]
    api.delete_latest_version_of_secret("h/one")
    refused(hvac.exceptions.InvalidPath, api.read_secret_version, "h/one", raise_on_deleted_version=True)
    deleted = api.read_secret_version("h/one", raise_on_deleted_version=False)["data"]
    assert deleted["data"] is None and deleted["metadata"]["deletion_time"] != ""
    api.undelete_secret_versions("h/one", [2])
    api.destroy_secret_versions("h/one", [1])
    api.update_metadata("h/one", max_versions=5, custom_metadata={"k": "v"})
    metadata = api.read_secret_metadata("h/one")["data"]
    assert metadata["versions"]["1"]["destroyed"] and not metadata["versions"]["2"]["destroyed"]
    assert metadata["custom_metadata"] == {"k": "v"} and metadata["max_versions"] == 5
    api.configure(max_versions=7, mount_point="secret")
    assert api.read_configuration()["data"]["max_versions"] == 7
    api.configure(max_versions=0, mount_point="secret")
    api.delete_metadata_and_all_versions("h/one")
    refused(hvac.exceptions.InvalidPath, api.list_secrets, "h")


def namespace():
    inside = client(namespace="market/test").secrets.kv.v2
    inside.create_or_update_secret("h/ns", {"n": 1})
    assert inside.read_secret_version("h/ns", raise_on_deleted_version=True)["data"]["data"] == {"n": 1}
    outside = client().secrets.kv.v2
    refused(hvac.exceptions.InvalidPath, outside.read_secret_version, "h/ns", raise_on_deleted_version=True)


def transit():
    api = client().secrets.transit
    assert api.create_key("hvac").get("data") is not None
    old = api.encrypt_data("hvac", plaintext=encoded("hello"))["data"]["ciphertext"]
    assert api.decrypt_data("hvac", old)["data"]["plaintext"] == encoded("hello")
    api.rotate_key("hvac")
    assert api.rewrap_data("hvac", old)["data"]["ciphertext"].startswith("vault:v2:")
    assert "hvac" in api.list_keys()["data"]["keys"] and len(api.read_key("hvac")["data"]["keys"]) == 2
    batch = [{"plaintext": encoded(text)} for text in "xy"]
    assert len(api.encrypt_data("hvac", batch_input=batch)["data"]["batch_results"]) == 2
    assert api.generate_hmac("hvac", hash_input=encoded("hi"))["data"]["hmac"].startswith("vault:v2:")
    assert len(base64.b64decode(api.generate_random_bytes(n_bytes=8)["data"]["random_bytes"])) == 8
    made = api.generate_data_key("hvac", "plaintext")["data"]
    assert api.decrypt_data("hvac", made["ciphertext"])["data"]["plaintext"] == made["plaintext"]
    api.update_key_configuration("hvac", min_decryption_version=2, deletion_allowed=True)
    refused(hvac.exceptions.InvalidRequest, api.decrypt_data, "hvac", old)
    api.delete_key("hvac")
    refused(hvac.exceptions.InvalidPath, api.read_key, "hvac")


def wrapping():
    info = client().sys.wrap(payload={"foo": "bar"}, ttl=60)["wrap_info"]
    assert info["ttl"] == 60
    holder = client(token=info["token"]).sys
    assert holder.unwrap()["data"] == {"foo": "bar"}
    refused(hvac.exceptions.InvalidRequest, holder.unwrap)
    info = client().sys.wrap(payload={"n": 1}, ttl=60)["wrap_info"]
    assert client().sys.unwrap(token=info["token"])["data"] == {"n": 1}
    refused(hvac.exceptions.InvalidRequest, client().sys.unwrap, token=info["token"])


def approle():
    api = client(namespace="market/test").auth.approle
    api.create_or_update_approle("hvac", token_policies=["admin"], token_ttl="5m", secret_id_num_uses=2)
    assert "hvac" in api.list_roles()["data"]["keys"]
    assert api.read_role("hvac")["data"]["token_ttl"] == 300
    role = api.read_role_id("hvac")["data"]["role_id"]
    made = api.generate_secret_id("hvac", metadata={"a": "b"})["data"]
    assert made["secret_id_accessor"] in api.list_secret_id_accessors("hvac")["data"]["keys"]
    assert api.read_secret_id("hvac", made["secret_id"])["data"]["secret_id_num_uses"] == 2
    fresh = client(token=None)
    answer = fresh.auth.approle.login(role, made["secret_id"])
    assert answer["auth"]["lease_duration"] == 300 and fresh.is_authenticated()
    fresh.secrets.kv.v2.create_or_update_secret("h/approle", {"n": 1})
    api.destroy_secret_id("hvac", made["secret_id"])
    refused(hvac.exceptions.InvalidRequest, client(token=None).auth.approle.login, role, made["secret_id"])
    api.delete_role("hvac")
    refused(hvac.exceptions.InvalidPath, api.read_role, "hvac")
    assert not fresh.is_authenticated()


for part in (system, token, kv, namespace, transit, wrapping, approle):
    part()
    print(part.__name__)
