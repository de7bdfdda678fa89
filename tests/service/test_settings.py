from __future__ import annotations

import dataclasses

import pytest

from service.settings import BadSetting, Settings, all_settings


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
        ("port", ""),
        ("body_timeout_s", "nan"),
        ("body_timeout_s", "inf"),
        ("body_timeout_s", "0"),
        ("max_body_bytes", "0"),
        ("threads", "1" * 5000),
        ("log_level", "loud"),
        ("host", ""),
        ("trusted_hosts", "a.example, b.example"),
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


@pytest.mark.parametrize("text", ["", "short", "sixteen letters with blanks", "x" * 16 + ",", "ü" * 16])
def test_invalid_keys_are_not_shown(text: str) -> None:
    with pytest.raises(BadSetting, match=r"not this$"):
        Settings.resolve({}, {"FIELDGUIDE_API_KEYS": text})
