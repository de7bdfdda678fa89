from __future__ import annotations

import dataclasses

import pytest

from service.settings import BadSetting, Setting, Settings, all_settings, overlooked


def test_defaults() -> None:
    settings = Settings.resolve({}, {})
    assert settings == Settings()
    assert settings.host == "127.0.0.1"
    assert settings.port == 8000
    assert settings.max_body_bytes == 20 * 1024 * 1024


def test_the_table_lists_every_setting() -> None:
    assert [setting.name for setting in all_settings()] == [field.name for field in dataclasses.fields(Settings)]
    for setting in all_settings():
        assert setting.help
        assert setting.flag == f"--{setting.name.replace('_', '-')}"
        assert setting.variable == f"FIELDGUIDE_{setting.name.upper()}"
        if setting.default != "":
            assert setting.parse(str(setting.default)) == setting.default


def test_a_flag_overrides_the_environment() -> None:
    environ = {"FIELDGUIDE_PORT": "1", "FIELDGUIDE_BODY_TIMEOUT_S": "2.5", "PORT": "7"}
    settings = Settings.resolve({"port": "2", "host": None}, environ)
    assert settings.port == 2
    assert settings.body_timeout_s == 2.5
    assert settings.host == "127.0.0.1"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("port", "x"),
        ("port", "-1"),
        ("port", "65536"),
        ("port", "80.5"),
        ("body_timeout_s", "nan"),
        ("body_timeout_s", "inf"),
        ("body_timeout_s", "0"),
        ("max_body_bytes", "0"),
        ("threads", "1" * 5000),
        ("log_level", "loud"),
        ("host", "a b"),
        ("host", "::1,"),
        ("trusted_hosts", "a.example,,b.example"),
        ("trusted_hosts", "a.example:80"),
        ("trusted_hosts", "a.*.example"),
        ("cors_origins", "page.example"),
        ("cors_origins", "https://page.example/"),
        ("open_inference", "true"),
    ],
)
def test_invalid_values_are_refused(name: str, text: str) -> None:
    with pytest.raises(BadSetting, match=r"^--[a-z-]+ must .*not "):
        Settings.resolve({name: text}, {})
    with pytest.raises(BadSetting, match=r"^FIELDGUIDE_[A-Z_]+ must .*not "):
        Settings.resolve({}, {f"FIELDGUIDE_{name.upper()}": text})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("trusted_hosts", "*"),
        ("trusted_hosts", "a.example,*.b.example,127.0.0.1,[::1]"),
        ("cors_origins", "*"),
        ("cors_origins", "https://page.example,http://localhost:3000,chrome-extension://abc"),
        ("hugging_face", "off"),
    ],
)
def test_lists_and_switches(name: str, text: str) -> None:
    assert getattr(Settings.resolve({name: text}, {}), name) == text


def test_a_list_may_be_given_by_several_flags() -> None:
    assert Settings.resolve({"host": ("::1", "", " a.example,b.example ")}, {}).host == "::1,a.example,b.example"
    assert Settings.resolve({"host": ()}, {"FIELDGUIDE_HOST": "::1"}).host == "::1"


@pytest.mark.parametrize("text", ["short", ",", "sixteen letters with blanks", "x" * 16 + ",", "ü" * 16])
def test_invalid_keys_are_not_shown(text: str) -> None:
    with pytest.raises(BadSetting, match=r"not this$"):
        Settings.resolve({}, {"FIELDGUIDE_API_KEYS": text})


@pytest.mark.parametrize("blank", [" ", "\t", "\n", "\r\n", "\u00a0", "\ufeff", "\u200b", "\0"])
def test_what_cannot_be_seen_around_a_value_does_not_count(blank: str) -> None:
    """A secret with a line end, a file with CRLF, a copied address: each stopped the start."""
    for name, text in (("port", "8001"), ("body_timeout_s", "2.5"), ("log_level", "debug"), ("host", "::1")):
        plain = Settings.resolve({name: text}, {})
        assert Settings.resolve({name: blank + text + blank}, {}) == plain
        assert Settings.resolve({}, {f"FIELDGUIDE_{name.upper()}": blank + text + blank}) == plain
    keys = f"{blank}{'k' * 16}{blank},{blank}{'l' * 16}{blank}"
    assert Settings.resolve({}, {"FIELDGUIDE_API_KEYS": keys}).api_keys == f"{'k' * 16},{'l' * 16}"
    assert Settings.resolve({"trusted_hosts": f"a.example,{blank}b.example"}, {}).trusted_hosts == "a.example,b.example"


@pytest.mark.parametrize("setting", all_settings(), ids=lambda setting: setting.name)
@pytest.mark.parametrize("text", ["", " ", "\r\n"])
def test_an_empty_value_counts_as_not_set(setting: Setting, text: str) -> None:
    """An empty variable, as compose files write `${PORT}`, stopped the start."""
    assert Settings.resolve({setting.name: text}, {setting.variable: text}) == Settings()


@pytest.mark.parametrize("value", ["tcp://10.96.12.34:8000", "udp://10.0.0.1:53", "tcp://[fd00::1]:8000\r"])
def test_the_address_of_a_service_is_passed_over_with_a_warning(value: str) -> None:
    """Kubernetes sets FIELDGUIDE_PORT for a Service named fieldguide: no pod of its namespace started."""
    environ = {"FIELDGUIDE_PORT": value, "FIELDGUIDE_PORT_8000_TCP": value, "FIELDGUIDE_SERVICE_PORT": "8000"}
    assert Settings.resolve({}, environ) == Settings()
    (warning,) = overlooked(environ)
    assert warning.startswith(f"FIELDGUIDE_PORT is passed over: {value!r}")
    with pytest.raises(BadSetting, match=r"^--port must be"):
        Settings.resolve({"port": value}, {})


def test_an_empty_variable_of_keys_is_named() -> None:
    assert list(overlooked({"FIELDGUIDE_API_KEYS": " "})) == ["FIELDGUIDE_API_KEYS is empty, and counts as not set"]
    assert list(overlooked({"FIELDGUIDE_PORT": "", "FIELDGUIDE_HOST": "::1"})) == []
