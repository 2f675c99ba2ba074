"""Text files as people leave them: what is read is what they say, or one line says why not."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import yaml

from sim2real.contract.errors import BadInput
from sim2real.contract.text_file import parse_json, parse_yaml, read_json, read_yaml


def refusal(text: str) -> BadInput:
    with pytest.raises(BadInput) as caught:
        parse_yaml(text, "a.yaml")
    assert "\n" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize(
    ("text", "field", "expected"),
    [
        ("a: 1\nb: 2\na: 3\n", "a (line 3)", "every key once"),
        ("a: {b: 1, b: 2}", "a.b (line 1)", "every key once"),
        ("a:\n  - {x: 1}\n  - {x: 1, y: 2, x: 3}\n", "a[1].x (line 3)", "every key once"),
        ("a: &x {b: 1}\nc: {<<: *x, <<: *x}", "c.<< (line 2)", "every key once"),
        ("speed: 5e-2", "speed (line 1)", "0.05"),
        ("speed: 1.0e5", "speed (line 1)", "100000.0"),
        ("speed: [1.0, 2E3]", "speed[1] (line 1)", "2000.0"),
        ("id: 010", "id (line 1)", "10: a leading zero makes it octal"),
        ("id: 0o17", None, None),
        ("id: 09", "id (line 1)", "9: YAML reads this as text"),
        ("time: 1:30", "time (line 1)", "without colons"),
        ("time: 1:30.5", "time (line 1)", "without colons"),
        ("day: 2024-05-01", "day (line 1)", "no field is a date"),
        ("has: yes", "has (line 1)", "true or false"),
        ("has: Off", "has (line 1)", "true or false"),
        ("on: 1", "on (line 1)", "true or false"),
        ("value: .nan", "value (line 1)", "a finite number"),
        ("value: -.INF", "value (line 1)", "a finite number"),
        ("value: nan", "value (line 1)", "a finite number"),
        ("value: 1.0e+999", "value (line 1)", "a finite number"),
        ("10: x", "10 (line 1)", "text as a key"),
        ("? [a, b]\n: 1", "file (line 1)", "text"),
        ("a: [1, 2", "line 1", "YAML"),
        ("a: !!python/object:os.system {}", "line 1", "YAML"),
        ("a: 1\n---\nb: 2\n", "line 2", "YAML"),
        ("a: \x01", "file", "YAML"),
        ("", "file", "a mapping"),
        ("# only a comment\n", "file", "a mapping"),
        ("- 1\n", "file", "a mapping"),
        ("just words", "file", "a mapping"),
        ("[" * 3000, "file", "a mapping"),
    ],
)
def test_yaml_that_does_not_say_what_it_says_is_refused(text, field, expected):
    if field is None:
        assert parse_yaml(text, "a.yaml") == {"id": "0o17"}
        return
    refused = refusal(text)
    assert refused.field == field
    assert expected in refused.expected


@pytest.mark.parametrize("text", ["5e-2", "-3E4", "1e5", "09", "007", "1e-7", "0_8"])
def test_the_number_that_is_proposed_is_itself_read_as_one(text):
    proposed = refusal(f"a: {text}").expected.split(":")[0]

    value = parse_yaml(f"a: {proposed}", "a.yaml")["a"]
    assert value == float(text)
    assert type(value) in (int, float)


@pytest.mark.parametrize("text", ["5e-2", "010", "1:30", "2024-05-01", "yes", ".nan", "on"])
def test_what_is_in_quotes_is_text(text):
    assert parse_yaml(f"a: '{text}'\nb: \"{text}\"\n", "a") == {"a": text, "b": text}
    assert parse_yaml(f"a: !!str {text}\n", "a") == {"a": text}


def test_plain_yaml_is_read_as_everywhere():
    text = "a: 1\nb: [1.5, -2.0e-3, .5, 0x1F, 1_000]\nc: true\nd: ~\ne: words\nf: &x {g: 1}\nh: *x"

    assert parse_yaml(text, "a") == yaml.safe_load(text)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"a": 1, "a": 2}', "repeated keys ['a']"),
        ('{"b": {"a": 1, "c": 1, "a": 2}}', "repeated keys ['a']"),
        ('{"a": NaN}', "NaN"),
        ('{"a": [1, -Infinity]}', "-Infinity"),
        ('{"a": 1e999}', "1e999"),
        ('{"a": ' + "9" * 5000 + "}", "digits"),
        ('{"a": 1,}', "property name"),
        ("", "nothing"),
        ("  \n", "nothing"),
        ("[1]", "a list"),
        ("3", "3"),
        ("[" * 100_000, "nested"),
    ],
)
def test_json_that_is_not_one_is_refused(text, found):
    with pytest.raises(BadInput) as caught:
        parse_json(text, "a.json")

    assert found in str(caught.value.found)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("read", [read_yaml, read_json])
@pytest.mark.parametrize(
    ("content", "found"),
    [
        ('{"a": "é"}'.encode("latin-1"), "byte 0xe9"),
        ('{"a": 1}'.encode("utf-16"), "UTF-16"),
        ('{"a": 1}'.encode("utf-16-be"), None),
        (b'{"a": 1}\n\n\xff', "byte 0xff"),
        (b"\x7fELF\x02\x01\x01\x00\x80", "byte 0x80"),
    ],
)
def test_another_encoding_is_one_line(tmp_path, read, content, found):
    path = tmp_path / "file"
    path.write_bytes(content)

    with pytest.raises(BadInput) as caught:
        read(path, "a file")

    assert found is None or found in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("read", [read_yaml, read_json])
def test_a_byte_order_mark_is_no_text(tmp_path, read):
    path = tmp_path / "file"
    path.write_bytes(b'\xef\xbb\xbf{"a": 1}')

    assert read(path, "a file") == {"a": 1}


@pytest.mark.parametrize("read", [read_yaml, read_json])
def test_what_is_no_file_is_one_line(tmp_path, read):
    (tmp_path / "file").write_text("{}")
    (tmp_path / "loop").symlink_to("loop")
    for path, found in (
        (tmp_path / "none", "found 'nothing'"),
        (tmp_path, "found 'a folder'"),
        (tmp_path / "file" / "below", "Not a directory"),
        (tmp_path / ("x" * 300), "too long"),
        (tmp_path / "loop", "symbolic links"),
        (tmp_path / "zero\0byte", "null"),
    ):
        with pytest.raises(BadInput) as caught:
            read(path, "a plan", "write one")
        assert found in str(caught.value)
        assert "a plan" in str(caught.value)
        assert "\n" not in str(caught.value)


def test_an_endless_file_is_not_read_to_its_end():
    from pathlib import Path

    with pytest.raises(BadInput, match="more than"):
        read_yaml(Path("/dev/zero"), "a plan")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a user who may become another one")
def test_a_file_that_may_not_be_read_is_one_line(tmp_path):
    path = tmp_path / "unit.yaml"
    path.write_text("a: 1\n")
    path.chmod(0)
    code = (
        "import os, sys\nfrom pathlib import Path\n"
        "from sim2real.contract.text_file import read_yaml\n"
        "os.setuid(65534)\n"
        "try: read_yaml(Path(sys.argv[1]), 'a unit')\n"
        "except ValueError as error: print(error)\n"
    )
    for folder in (tmp_path, *tmp_path.parents):
        if folder.owner() == "root" and str(folder).startswith(str(tmp_path.parents[1])):
            folder.chmod(0o755)
    ended = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
    )

    assert "Permission denied" in ended.stdout
    assert ended.stdout.count("\n") == 1
