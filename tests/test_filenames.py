"""File names from strangers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.filenames import LONGEST, name_in_disposition, name_in_path, safe_name


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("report.pdf", "report.pdf"),
        ("季度 报告.docx", "季度 报告.docx"),
        ("../../etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("C:\\Users\\a.txt", "a.txt"),
        ("/", ""),
        ("..", ""),
        (".bashrc", "bashrc"),
        ("a\x00b\r\nc.txt", "abc.txt"),
        ("photo\u202egnp.exe", "photognp.exe"),
        ("\ud800x.png", "x.png"),
        ('a<b>:"|?*.txt', "a_b______.txt"),
        ("e\u0301.txt", "é.txt"),
        ("trailing. . ", "trailing"),
        ("", ""),
    ],
)
def test_only_a_bare_name_is_left(name, safe):
    assert safe == safe_name(name)


def test_a_long_name_keeps_its_extension():
    assert "长" * 96 + ".png" == safe_name("长" * 5000 + ".png")
    assert "a." + "x" * 98 == safe_name("a." + "x" * 200)


@given(st.text())
def test_no_name_is_a_path_and_a_safe_one_stays(name):
    safe = safe_name(name)

    assert len(safe) <= LONGEST
    assert not set(safe) & set('/\\\0<>:"|?*\u202e')
    assert safe not in (".", "..")
    assert safe == safe_name(safe)


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ('attachment; filename="a b.pdf"', "a b.pdf"),
        ("attachment; filename=a.pdf; size=3", "a.pdf"),
        ("attachment; FILENAME*=UTF-8''%E6%8A%A5%E5%91%8A.pdf; filename=x.pdf", "报告.pdf"),
        ("attachment; filename=\"x.pdf\"; filename*=utf-8'zh'%E6%8A%A5.pdf", "报.pdf"),
        ("attachment; filename*=iso-8859-1''%e9.txt", "é.txt"),
        ('attachment; filename="%E6%8A%A5.pdf"', "报.pdf"),
        ('attachment; filename="a\\"b.pdf"', "a_b.pdf"),
        ('attachment; filename="../../x.sh"', "x.sh"),
        ("attachment; filename*=utf-8''..%2F..%2Fx.sh", "x.sh"),
        ("attachment; filename*=utf-7''+AC8-x", ""),
        ("attachment", ""),
        ("", ""),
        ("filename=" + "\\" * 100_000, ""),
        ('filename="' + "a" * 100_000, ""),
    ],
)
def test_the_name_in_a_content_disposition(header, name):
    assert name == name_in_disposition(header)


@pytest.mark.parametrize(
    ("path", "name"),
    [("/a/b.png", "b.png"), ("/a/%E6%8A%A5.png", "报.png"), ("/a/..%2Fx", "x"), ("/", ""), ("", "")],
)
def test_the_name_in_a_path(path, name):
    assert name == name_in_path(path)
